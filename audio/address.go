package audio

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// address tells network and address of a server string as PULSE_SERVER holds
// it: a path, unix:PATH, tcp:HOST[:PORT] or HOST[:PORT], with an optional
// {machine} before it. Of a list the first counts.
func address(server string) (network, addr string, err error) {
	s, _, _ := strings.Cut(strings.TrimSpace(server), " ")
	if rest, ok := strings.CutPrefix(s, "{"); ok {
		_, s, ok = strings.Cut(rest, "}")
		if !ok {
			return "", "", fmt.Errorf("server %q has a { without }", server)
		}
	}
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		s = path
		if !filepath.IsAbs(s) {
			return "", "", fmt.Errorf("server %q: the path of a socket must be absolute", server)
		}
	}
	if filepath.IsAbs(s) {
		return "unix", s, nil
	}
	network = "tcp"
	for _, n := range []string{"tcp", "tcp4", "tcp6"} {
		if rest, ok := strings.CutPrefix(s, n+":"); ok {
			network, s = n, rest
			break
		}
	}
	if s == "" {
		return "", "", fmt.Errorf("server %q names no server", server)
	}
	if _, _, err := net.SplitHostPort(s); err != nil {
		s = net.JoinHostPort(strings.Trim(s, "[]"), "4713") // PA_NATIVE_DEFAULT_PORT
	}
	return network, s, nil
}

// UserServer is the sound server that a program of this user finds by itself:
// PULSE_SERVER, or the one in the user's runtime directory.
func UserServer() string {
	if s := os.Getenv("PULSE_SERVER"); s != "" {
		return s
	}
	if dir := os.Getenv("PULSE_RUNTIME_PATH"); dir != "" {
		return filepath.Join(dir, "native")
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = fmt.Sprintf("/run/user/%d", os.Getuid())
	}
	return filepath.Join(dir, "pulse", "native")
}
