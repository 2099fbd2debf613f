# What is built: `docker buildx bake --list=targets`; with which settings: `--list=variables`.
# Where there is no buildx or no registry: `go run ./images build`.

variable "VERSION" {
  default     = "dev"
  description = "tag of the images, and what `nullcard version` prints"
  validation {
    condition     = length(regexall("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", VERSION)) == 1
    error_message = "VERSION must be an image tag: letters, digits, '_', '.' and '-', at most 128 of them, the first none of '.' and '-'."
  }
}

variable "PREFIX" {
  default     = "nullcard"
  description = "what the images' names begin with, the registry included: registry.example.com/team/nullcard"
  validation {
    condition     = length(regexall("^[a-z0-9]([a-z0-9._:/-]*[a-z0-9])?$", PREFIX)) == 1
    error_message = "PREFIX must be the beginning of an image name in lower case, with no '/' at its end."
  }
}

variable "DEBIAN_IMAGE" {
  default     = "debian:trixie-slim"
  description = "the one image that everything is built from: Debian 13 with apt"
  validation {
    condition     = DEBIAN_IMAGE != ""
    error_message = "DEBIAN_IMAGE must name an image."
  }
}

variable "CA_BUNDLE" {
  default     = ""
  description = "file with the CA certificates to trust while building, where HTTPS passes a proxy of the company's; none of it stays in an image"
}

variable "GOPROXY" {
  default     = ""
  description = "Go module proxy to build with; empty is Go's own default"
}

variable "REVISION" {
  default     = ""
  description = "commit that the images are built from, for their label"
  validation {
    condition     = length(regexall("^[0-9a-f]*$", REVISION)) == 1
    error_message = "REVISION must be a commit hash in hexadecimal, or empty."
  }
}

function "image" {
  params = [name]
  result = "${PREFIX}/${name}:${VERSION}"
}

group "default" {
  description = "the images that are published"
  targets     = ["base", "app", "pjsua2"]
}

group "demo" {
  description = "what make demo needs: a voice comes from testtools"
  targets     = ["base", "app", "testtools"]
}

group "test" {
  description = "all of them"
  targets     = ["base", "app", "pjsua2", "testtools"]
}

target "_common" {
  context = "."
  args    = { DEBIAN_IMAGE = DEBIAN_IMAGE }
  labels = {
    "org.opencontainers.image.version"   = VERSION
    "org.opencontainers.image.revision"  = REVISION != "" ? REVISION : null
    "org.opencontainers.image.base.name" = DEBIAN_IMAGE
  }
  secret = CA_BUNDLE != "" ? ["type=file,id=ca,src=${CA_BUNDLE}"] : []
}

target "base" {
  description = "Debian slim, nullcard, PulseAudio and ALSA: build your image FROM it"
  inherits    = ["_common"]
  dockerfile  = "Dockerfile.base"
  args        = { VERSION = VERSION, GOPROXY = GOPROXY != "" ? GOPROXY : null }
  tags        = [image("base")]
}

target "app" {
  description = "base with PJSIP's pjsua"
  inherits    = ["_common"]
  dockerfile  = "Dockerfile.app"
  args        = { VERSION = VERSION, BASE_IMAGE = image("base") }
  contexts    = { (image("base")) = "target:base" }
  tags        = [image("app")]
}

target "pjsua2" {
  description = "base with Python 3 and PJSIP's pjsua2"
  inherits    = ["app"]
  target      = "pjsua2"
  tags        = [image("pjsua2")]
}

target "testtools" {
  description = "app with the tools of the tests; not for production"
  inherits    = ["_common"]
  dockerfile  = "integration/Dockerfile"
  args        = { APP_IMAGE = image("app") }
  contexts    = { (image("app")) = "target:app" }
  tags        = [image("testtools")]
}
