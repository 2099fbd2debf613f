package main

import (
	"errors"
	"strings"
	"syscall"
)

// cures is what to do about what programs say; the first that fits counts.
var cures = []struct{ said, cure string }{
	{"no space left on device", "the disk is full: free some, for example with 'docker system prune' and 'go run ./images clean -cache'"},
	{"permission denied while trying to connect to the docker daemon", "run this as root, or become a member of group docker"},
	{"cannot connect to the docker daemon", "start the engine (systemctl start docker), or set DOCKER_HOST to where it runs"},
	{"is the docker daemon running", "start the engine (systemctl start docker), or set DOCKER_HOST to where it runs"},
	{"x509: certificate signed by unknown authority", "HTTPS passes a proxy with a certificate of its own: set CA_BUNDLE to a file with its CA"},
	{"temporary failure resolving", "build containers can't resolve host names: see /etc/resolv.conf of this machine"},
}

// cureFor says what to do about err, or "".
func cureFor(err error) string {
	said := err.Error()
	var failed *commandError
	if errors.As(err, &failed) {
		said += "\n" + failed.said
	}
	if errors.Is(err, syscall.ENOSPC) {
		said += "\nno space left on device"
	}
	said = strings.ToLower(said)
	for _, c := range cures {
		if strings.Contains(said, c.said) {
			return c.cure
		}
	}
	return ""
}
