package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// certificates is where distributions keep the bundle of CA certificates.
var certificates = []string{
	"/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Alpine
	"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL
	"/etc/ssl/ca-bundle.pem",             // openSUSE
	"/etc/ssl/cert.pem",                  // others
}

// settings is docker-bake.hcl's variables that change what is in an image,
// where the environment sets them.
func settings() []string {
	var set []string
	for _, name := range []string{"VERSION", "PREFIX", "DEBIAN_IMAGE", "REVISION"} {
		if value := os.Getenv(name); value != "" {
			set = append(set, name+"="+value)
		}
	}
	return set
}

// imageName is the tag of a target's image: docker-bake.hcl's function image.
func imageName(target string) string {
	prefix, version := os.Getenv("PREFIX"), os.Getenv("VERSION")
	if prefix == "" {
		prefix = "nullcard"
	}
	if version == "" {
		version = "dev"
	}
	return prefix + "/" + target + ":" + version
}

// caBundle is the file of CA certificates to build with: CA_BUNDLE,
// SSL_CERT_FILE or the machine's own, "" when there is none.
func caBundle() (string, error) {
	for _, name := range []string{"CA_BUNDLE", "SSL_CERT_FILE"} {
		if path := os.Getenv(name); path != "" {
			if _, err := os.Stat(path); err != nil {
				return "", fmt.Errorf("cannot read the CA certificates that %s names: %w", name, err)
			}
			return filepath.Abs(path)
		}
	}
	for _, path := range certificates {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", nil
}

// changedGoproxy is the Go module proxy that this machine is set to use, ""
// when it is Go's default.
func changedGoproxy(ctx context.Context) string {
	if proxy := os.Getenv("GOPROXY"); proxy != "" {
		return proxy
	}
	line, err := exec.CommandContext(ctx, "go", "env", "-changed", "GOPROXY").Output()
	if err != nil {
		return ""
	}
	_, value, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
	return strings.Trim(value, `'"`)
}
