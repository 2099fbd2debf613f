# nullcard: `make demo` shows it, `make test` proves it; `make help` lists the rest.

GO := $(shell tools/find-go)
ifeq ($(GO),)
$(error no Go: see the message above)
endif
export CGO_ENABLED ?= 1
IMAGE ?= nullcard/app:dev
TOOLS  = $(GO) tool -modfile=tools/go.mod

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: demo
demo: ## place a real call between two containers without a sound card and measure it
	$(GO) run ./images build --group demo
	$(GO) run ./integration/demo -image $(IMAGE)

.PHONY: test
test: format vet lint unit images bake inside suite ## everything that proves the project

.PHONY: build
build: ## the nullcard binary, in out/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o out/nullcard ./entrypoint

.PHONY: images
images: ## base, app and the test tools, built where needed
	$(GO) run ./images build --group test

.PHONY: format
format: ## fail when a file is not formatted by gofmt
	@echo "== format"
	@bad=$$($(dir $(GO))gofmt -l $$(git ls-files '*.go')); test -z "$$bad" || { echo "not formatted by gofmt:"; echo "$$bad"; exit 1; }

.PHONY: vet
vet: ## go vet, with every build tag
	@echo "== vet"
	@$(GO) vet -tags pulse,pjsua,buildx ./...

.PHONY: lint
lint: ## staticcheck, with every build tag
	@echo "== staticcheck"
	@$(TOOLS) staticcheck -tags pulse,pjsua,buildx ./...

.PHONY: unit
unit: ## tests that need nothing but Go and a C compiler, with -race
	@tools/need cc gcc libc6-dev
	@echo "== unit tests"
	@$(GO) test -race $$($(GO) list ./... | grep -Ev '/integration(/stack)?$$')

.PHONY: bake
bake: images ## tests of docker-bake.hcl, with the buildx that the images were built by
	@echo "== bake"
	@$(GO) test -tags buildx -run Bake ./images

# The tests of $(1), built with tag $(2), run in a container: as a user
# without a name, and with nothing writable but a tmpfs. The binary is static
# and comes by standard input, so that neither the host's libc nor a bind mount
# matters.
define run_inside
@echo "== $(1) with real $(2)"
@$(GO) test -c -race -tags $(2) -ldflags '-linkmode=external -extldflags=-static' -o out/inside/$(2).test ./$(1) 2>&1 | grep -v 'statically linked' || test -x out/inside/$(2).test
@docker run --rm -i --label org.nullcard.test=inside --user 12345 --read-only --tmpfs /tmp:exec --tmpfs /run/nullcard \
	--cap-drop ALL --security-opt no-new-privileges --entrypoint sh nullcard/testtools:dev \
	-c 'cat >/tmp/t && chmod +x /tmp/t && cd /tmp && exec /tmp/t -test.timeout 5m $(3)' <out/inside/$(2).test
endef

.PHONY: inside
inside: images ## tests that need real PulseAudio and pjsua, inside a container
	@tools/need cc gcc libc6-dev
	@rm -rf out/inside
	$(call run_inside,audio,pulse)
	$(call run_inside,entrypoint,pulse,-test.run Pulse)
	$(call run_inside,caller,pjsua)

.PHONY: suite
suite: images ## the dockertest suite: real calls between containers
	@echo "== suite"
	@$(GO) test -count=1 -timeout 5m ./integration/stack
	@$(GO) test -count=1 -v -timeout 20m ./integration -image $(IMAGE)

.PHONY: verify
verify: ## prove an image of yours that is built FROM nullcard/base: make verify IMAGE=my/phone:1
	@$(GO) test -count=1 -v -timeout 10m ./integration -run '^TestImage' -image $(IMAGE)

.PHONY: bench
bench: images ## measure nullcard beside its peers
	$(GO) run ./bench start
	$(GO) run ./bench call
	$(GO) run ./bench recovery
	$(GO) run ./bench init

.PHONY: clean
clean: ## remove what was built here, and the project's containers and images
	rm -rf out
	$(GO) run ./images clean
