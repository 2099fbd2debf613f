package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nullcard/nullcard/supervisor"
)

// nullcard runs one command line and returns its exit code and what it wrote.
func nullcard(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = Main(t.Context(), args, stdio{strings.NewReader(""), &out, &err})
	return code, out.String(), err.String()
}

func TestCommandLine(t *testing.T) {
	t.Setenv("NULLCARD_RUNTIME_DIR", t.TempDir())
	for name, test := range map[string]struct {
		args        []string
		code        int
		out, errout string // each must occur
	}{
		"nothing":         {nil, 64, "", "Usage: nullcard COMMAND"},
		"help":            {[]string{"help"}, 0, "run ", ""},
		"unknown":         {[]string{"rnu"}, 64, "", `unknown command "rnu"; ` + "`nullcard help` lists them"},
		"unknown flag":    {[]string{"run", "--nonsense"}, 64, "", "Usage: nullcard run"},
		"help of one":     {[]string{"health", "-h"}, 0, "", "Usage: nullcard health"},
		"version":         {[]string{"version"}, 0, "nullcard dev go", ""},
		"health, nobody":  {[]string{"health"}, 1, "", "no nullcard runs here"},
		"status, nobody":  {[]string{"status", "--json"}, 1, "", "no nullcard runs here"},
		"doctor of a log": {[]string{"doctor", "-"}, 0, "no known error in it", ""},
		"doctor, no file": {[]string{"doctor", "/no/such.log"}, 1, "", "/no/such.log"},
		"no such config":  {[]string{"run", "--config", "/no/such.yaml"}, 78, "", "/no/such.yaml"},
		"init, no args":   {[]string{"init"}, 1, "", "Usage: nullcard init"},
		"play, no server": {[]string{"play", "/no/such.wav"}, 1, "", "/no/such.wav"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errout := nullcard(t, test.args...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(out, test.out) || !strings.Contains(errout, test.errout) {
				t.Errorf("wrote %q and, as errors, %q; want %q and %q", out, errout, test.out, test.errout)
			}
		})
	}
}

func TestRuntimeDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	lock, err := lockRuntimeDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockRuntimeDir(dir)
	if err == nil || !strings.Contains(err.Error(), "another nullcard uses "+dir) {
		t.Errorf("a second lock: %v", err)
	}
	lock.Close()
	if lock, err = lockRuntimeDir(dir); err != nil {
		t.Fatalf("after the first is gone: %v", err)
	}
	lock.Close()

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lockRuntimeDir(file); exitCode(err, "run", new(bytes.Buffer)) != exitCantCreate {
		t.Errorf("a file in its place: %v", err)
	}
}

func TestChildLines(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.FixedZone("", 3600))
	line := func(stream, text string) supervisor.Line {
		return supervisor.Line{Time: at, Process: "app", Stream: stream, Text: []byte(text)}
	}
	var out, errout bytes.Buffer
	std := stdio{nil, &out, &errout}
	o := newOutput(std, "text")
	o.line(line("stdout", "hello\x00\xff"))
	o.line(line("stderr", ""))
	if want := "2026-01-02T02:04:05.006Z app stdout| hello\x00\xff\n"; out.String() != want {
		t.Errorf("wrote %q, want %q", out.String(), want)
	}
	if want := "2026-01-02T02:04:05.006Z app stderr| \n"; errout.String() != want {
		t.Errorf("wrote %q, want %q", errout.String(), want)
	}

	out.Reset()
	o = newOutput(std, "json")
	for _, text := range []string{`a "quoted" line`, "\xff\x00"} {
		o.line(line("stdout", text))
		var got struct{ Time, Process, Stream, Line, Line_base64 string }
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%q: %v", out.String(), err)
		}
		if raw, err := base64.StdEncoding.DecodeString(got.Line_base64); err != nil || got.Line+string(raw) != text || got.Stream != "stdout" {
			t.Errorf("%q became %+v (%v)", text, got, err)
		}
		out.Reset()
	}
}

func TestConfigCommand(t *testing.T) {
	t.Setenv("NULLCARD_RUNTIME_DIR", t.TempDir())
	file := filepath.Join(t.TempDir(), "c.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("callers: [{name: alice}]\napps: [{name: bot, command: [bot], needs: [alice]}]\n")
	code, printed, errout := nullcard(t, "config", "print", "--config", file)
	if code != 0 {
		t.Fatalf("print: exit code %d: %s", code, errout)
	}
	write(printed)
	code, out, errout := nullcard(t, "config", "check", "--config", file)
	if code != 0 || !strings.Contains(out, "a stop takes at most 7.75s of a budget of 8s") {
		t.Errorf("check of what was printed: exit code %d: %s%s", code, out, errout)
	}
	write("stop_budget: 3s\n" + strings.Replace(printed, "stop_budget: 8s\n", "", 1))
	if code, _, errout := nullcard(t, "config", "check", "--config", file); code != 78 || !strings.Contains(errout, "stop_budget is too short") {
		t.Errorf("a budget that cannot hold: exit code %d: %s", code, errout)
	}
	write("apps: [{name: a, command: [x], needs: [b]}, {name: b, command: [x], needs: [a]}]\n")
	if code, _, errout := nullcard(t, "config", "check", "--config", file); code != 78 || !strings.Contains(errout, "a") {
		t.Errorf("needs in a circle: exit code %d: %s", code, errout)
	}
	if code, _, errout := nullcard(t, "config", "dance"); code != 64 || !strings.Contains(errout, "check|print") {
		t.Errorf("usage: exit code %d: %s", code, errout)
	}
}
