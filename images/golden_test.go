//go:build buildx

// These tests need buildx: `make images` has built it where docker has none.

package main

import (
	"context"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// buildxCommand runs docker's buildx where it will do, else the project's own.
func buildxCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if d, err := findDocker(); err == nil {
		if v := d.buildxVersion(t.Context()); v != "" && whyNotPlugin(Facts{Buildx: v, Engine: "28"}) == "" {
			return exec.CommandContext(t.Context(), d.path, append([]string{"buildx"}, args...)...)
		}
	}
	root, err := projectRoot()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := lockCache(context.Background(), cache, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	tools, err := buildTools(t.Context(), root, cache, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), filepath.Join(tools, "buildx"), args...)
}

// printBake is what `buildx bake --print` makes of docker-bake.hcl with env set.
func printBake(t *testing.T, env ...string) (string, error) {
	t.Helper()
	root, err := projectRoot()
	if err != nil {
		t.Fatal(err)
	}
	cmd := buildxCommand(t, "bake", "--file", "docker-bake.hcl", "--print", "--allow", "fs.read=/", "test")
	cmd.Dir = root
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	cmd.Env = append(cmd.Env, env...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stderr.String(), err
	}
	return stdout.String(), nil
}

func TestBakeGolden(t *testing.T) {
	for name, env := range map[string][]string{
		"defaults": nil,
		"settings": {"VERSION=1.2.3", "PREFIX=registry.example.com:5000/team/nullcard", "DEBIAN_IMAGE=debian:trixie",
			"CA_BUNDLE=/dev/null", "GOPROXY=direct", "REVISION=0123abc"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := printBake(t, env...)
			if err != nil {
				t.Fatalf("%v: %s", err, got)
			}
			golden := filepath.Join("testdata", "bake-"+name+".json")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("bake --print differs from %s (go test -tags buildx ./images -update writes it):\n%s", golden, got)
			}
		})
	}
}

func TestBakeRefuses(t *testing.T) {
	for env, want := range map[string]string{
		"VERSION=-1":                          "VERSION must be an image tag",
		"VERSION=a/b":                         "VERSION must be an image tag",
		"VERSION=":                            "VERSION must be an image tag",
		"PREFIX=Team":                         "PREFIX must be the beginning of an image name",
		"PREFIX=team/":                        "PREFIX must be the beginning of an image name",
		"DEBIAN_IMAGE=":                       "DEBIAN_IMAGE must name an image",
		"REVISION=main":                       "REVISION must be a commit hash",
		"VERSION=" + strings.Repeat("1", 129): "VERSION must be an image tag",
	} {
		t.Run(env, func(t *testing.T) {
			if said, err := printBake(t, env); err == nil || !strings.Contains(said, want) {
				t.Errorf("error %v: %s; want %q", err, said, want)
			}
		})
	}
}
