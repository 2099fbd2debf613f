package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test must run as root: run it in a container")
	}
	mask := uint32(0o027)
	helper := openHelper(t)
	for name, c := range map[string]struct {
		limits Limits
		says   string // line of the process
		fails  string
		code   int
	}{
		"none":           {limits: Limits{}, says: "uid 0 gid 0"},
		"user by name":   {limits: Limits{User: "nobody"}, says: "uid 65534 gid 65534 groups [65534] "},
		"user by number": {limits: Limits{User: "12345"}, says: "uid 12345 gid 12345 groups [] "},
		"group":          {limits: Limits{User: "12345", Group: "audio", Groups: []string{"dialout", "7"}}, says: "uid 12345 gid 29 groups [7 20] "},
		"no groups":      {limits: Limits{User: "nobody", Groups: []string{}}, says: "groups [] "},
		"umask":          {limits: Limits{Umask: &mask}, says: "umask 027"},
		"nice":           {limits: Limits{Nice: 5}, says: "nice 5 "},
		"less nice":      {limits: Limits{Nice: -3, User: "12345"}, says: "nice -3 "},
		"rlimit":         {limits: Limits{User: "12345", Rlimits: map[string]Rlimit{"core": {4096, 8192}}}, says: "core 4096 8192"},
		"unknown user":   {limits: Limits{User: "mr-x"}, fails: `no user "mr-x"`, code: 78},
		"unknown group":  {limits: Limits{Group: "mrs-x"}, fails: `no group "mrs-x"`, code: 78},
		"unknown limit":  {limits: Limits{Rlimits: map[string]Rlimit{"files": {}}}, fails: `no resource limit "files"`, code: 78},
		"above hard":     {limits: Limits{Rlimits: map[string]Rlimit{"core": {2, 1}}}, fails: "cannot set the core limit to 2:1", code: 126},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := begin(t, Options{}, Spec{Name: "it", Command: []string{helper, "self", "sleep"}, Limits: c.limits, Restart: Restart{Policy: Never}})
			if c.fails != "" {
				code, err := r.end()
				if code != c.code || err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("exit code %d, error %v, want %d and one with %q", code, err, c.code, c.fails)
				}
				return
			}
			r.until("line", func() bool { return len(r.lines) > 0 })
			r.mu.Lock()
			defer r.mu.Unlock()
			if got := string(r.lines[0].Text); !strings.Contains(got, c.says) {
				t.Errorf("line %q, want one with %q", got, c.says)
			}
		})
	}
}

// openHelper is a copy of the helper that any user can execute.
func openHelper(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "supervisor-test-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	b, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	path := filepath.Join(dir, "helper")
	must(t, os.WriteFile(path, b, 0o755))
	return path
}

// With limits, a program is started by way of this program: what goes wrong
// must be told in the same way.
func TestLimitsAndPrograms(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage")
	must(t, os.WriteFile(garbage, []byte("no program"), 0o755))
	closed := filepath.Join(dir, "closed")
	must(t, os.WriteFile(closed, []byte("#!/bin/sh\n"), 0o700))
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, os.Chmod(dir, 0o755))
	for name, c := range map[string]struct {
		command []string
		limits  Limits
		notify  Notify
		code    int
		says    string
	}{
		"missing":         {command: []string{"no-such-program"}, limits: Limits{Nice: 1}, code: 127, says: "PATH"},
		"not a program":   {command: []string{garbage}, limits: Limits{Nice: 1}, code: 126, says: "#! line"},
		"not for the uid": {command: []string{closed}, limits: Limits{User: "12345"}, code: 126, says: "may not execute"},
		"exit code":       {command: self("exit 9"), limits: Limits{Nice: 1}, code: 9, says: "exit code 9"},
		"descriptors":     {command: self("write 3 up", "exit 8"), limits: Limits{Nice: 1}, notify: Notify{FD: 3}, code: 8, says: "exit code 8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := begin(t, Options{}, Spec{Name: "it", Command: c.command, Limits: c.limits, Notify: c.notify, Critical: true, Restart: Restart{Policy: Never}})
			r.expect(c.code)
			if r.err == nil || !strings.Contains(r.err.Error(), c.says) {
				t.Errorf("error %v, want one with %q", r.err, c.says)
			}
		})
	}
}

func TestParseRlimit(t *testing.T) {
	for s, want := range map[string]Rlimit{
		"5": {5, 5}, "5:6": {5, 6}, "unlimited": {Unlimited, Unlimited}, "0:unlimited": {0, Unlimited},
	} {
		if got, err := ParseRlimit("nofile", s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "x", "-1", "6:5", "5:", "unlimited:5"} {
		if got, err := ParseRlimit("nofile", s); err == nil {
			t.Errorf("%q was taken: %v", s, got)
		}
	}
	if _, err := ParseRlimit("files", "1"); err == nil {
		t.Error("an unknown limit was taken")
	}
}
