package main

import (
	"slices"
	"testing"
)

func TestBakeArgs(t *testing.T) {
	hashes := map[string]string{"base": "1", "app": "2"}
	tests := []struct {
		name string
		bake bake
		want []string
	}{
		{
			name: "on the engine",
			bake: bake{builder: "default", targets: []string{"base"}, hashes: hashes},
			want: []string{"bake", "--file", "docker-bake.hcl", "--builder", "default", "--load", "--progress", "rawjson",
				"--set", "base.labels.org.nullcard.inputs=1", "base"},
		},
		{
			name: "on a builder of our own, with certificates",
			bake: bake{builder: "nullcard", targets: []string{"base", "app"}, hashes: hashes,
				debian: "debian:trixie-slim", layout: "/cache/layout", certificates: "/etc/ca.crt"},
			want: []string{"bake", "--file", "docker-bake.hcl", "--builder", "nullcard", "--load", "--progress", "rawjson",
				"--allow", "fs.read=/cache/layout",
				"--set", "*.contexts.debian:trixie-slim=oci-layout:///cache/layout:latest",
				"--allow", "fs.read=/etc/ca.crt",
				"--set", "base.labels.org.nullcard.inputs=1", "--set", "app.labels.org.nullcard.inputs=2",
				"base", "app"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.bake.args(); !slices.Equal(got, test.want) {
				t.Errorf("arguments\n%q, want\n%q", got, test.want)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	for _, name := range []string{"VERSION", "PREFIX", "DEBIAN_IMAGE", "REVISION"} {
		t.Setenv(name, "")
	}
	t.Setenv("VERSION", "1.2")
	t.Setenv("PREFIX", "registry.example.com/team")
	t.Setenv("GOPROXY", "direct") // changes where modules come from and not what they are
	if got, want := settings(), []string{"VERSION=1.2", "PREFIX=registry.example.com/team"}; !slices.Equal(got, want) {
		t.Errorf("settings %q, want %q", got, want)
	}
	if got, want := imageName("app"), "registry.example.com/team/app:1.2"; got != want {
		t.Errorf("image name %q, want %q", got, want)
	}
}

func TestCABundle(t *testing.T) {
	t.Setenv("SSL_CERT_FILE", "")
	t.Setenv("CA_BUNDLE", "/does/not/exist")
	if _, err := caBundle(); err == nil {
		t.Error("a CA_BUNDLE that is not there was not noticed")
	}
	t.Setenv("CA_BUNDLE", "bake_test.go")
	if path, err := caBundle(); err != nil || path[0] != '/' {
		t.Errorf("bundle %q, %v; want an absolute path", path, err)
	}
}
