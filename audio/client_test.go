package audio

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestClientFiles(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // the second time over the first
		if err := WriteClientFiles(dir); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o644 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
		names = append(names, e.Name())
	}
	if want := []string{"alsa.conf", "client.conf", "cookie"}; !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
	// What the environment names is there.
	for _, kv := range ClientEnv(dir, "virtual") {
		name, value, _ := strings.Cut(kv, "=")
		switch name {
		case "PULSE_SERVER":
			if value != "unix:"+filepath.Join(dir, "pulse", "native") {
				t.Errorf("%s", kv)
			}
		case "PULSE_SINK", "PULSE_SOURCE":
			if value != "virtual_speaker" && value != "virtual_mic" {
				t.Errorf("%s", kv)
			}
		default:
			if _, err := os.Stat(value); err != nil {
				t.Errorf("%s: %v", kv, err)
			}
		}
	}
	if err := WriteClientFiles(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "configuration of sound clients") {
		t.Errorf("in no directory: %v", err)
	}
}

// TestClassify has lines as PulseAudio 16 and 17 write them.
func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		line string
		want slog.Level
	}{
		{"W: [pulseaudio] main.c: This program is not intended to be run as root (unless --system is specified).", slog.LevelDebug},
		{"W: [pulseaudio] server-lookup.c: Unable to contact D-Bus: org.freedesktop.DBus.Error.NotSupported: Unable to autolaunch a dbus-daemon without a $DISPLAY for X11", slog.LevelDebug},
		{"W: [pulseaudio] module-remap-source.c: No remapping configured, proceeding nonetheless!", slog.LevelDebug},
		{`E: [pulseaudio] module.c: Failed to open module "module-null-sink".`, slog.LevelError},
		{"E: [pulseaudio] socket-server.c: bind(): Address already in use", slog.LevelError},
		{"E: [pulseaudio] main.c: Failed to load directory.", slog.LevelError},
		{"W: [pulseaudio] protocol-native.c: Warning! Too many connections (64), dropping incoming connection.", slog.LevelError},
		{"W: [pulseaudio] sink.c: something to know", slog.LevelWarn},
		{"D: [pulseaudio] core.c: a detail", slog.LevelDebug},
		{"I: [pulseaudio] main.c: Daemon startup complete.", slog.LevelInfo},
		{"", slog.LevelInfo},
	} {
		if got := Classify([]byte(tt.line)); got != tt.want {
			t.Errorf("%q is %v, want %v", tt.line, got, tt.want)
		}
	}
}

func TestCure(t *testing.T) {
	for _, m := range meanings {
		if m.cure != "" && m.level != slog.LevelError {
			t.Errorf("%q has a cure and is no error", m.text)
		}
	}
	if got := Cure([]byte("W: [pulseaudio] protocol-native.c: Warning! Too many connections (64), dropping incoming connection.")); !strings.Contains(got, "64 clients") {
		t.Errorf("the cure is %q", got)
	}
	if got := Cure([]byte("I: all is well")); got != "" {
		t.Errorf("the cure of nothing is %q", got)
	}
}

func TestNewServerRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"no directory", Options{}, "absolute path"},
		{"a relative one", Options{RuntimeDir: "run"}, "absolute path"},
		{"a long one", Options{RuntimeDir: "/" + strings.Repeat("x", 100)}, "too long"},
		{"one with a blank", Options{RuntimeDir: "/run/null card"}, "blanks"},
		{"a bad device", Options{RuntimeDir: "/run/nullcard", Devices: []Device{{Name: "a b"}}}, "device name"},
	} {
		if _, err := NewServer(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

// TestPrepare makes the server's directory over what an earlier run left.
func TestPrepare(t *testing.T) {
	dir := t.TempDir()
	s, err := NewServer(Options{RuntimeDir: dir, Devices: []Device{{Name: "virtual"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "pulse", "old"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"native", "pid", "old/state"} {
		if err := os.WriteFile(filepath.Join(dir, "pulse", f), []byte("stale"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	beside := filepath.Join(dir, "lock")
	if err := os.WriteFile(beside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Spec().Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "pulse"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v; want a directory of mode 0700", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "pulse"))
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v; want the script and the settings", entries, err)
	}
	if _, err := os.Stat(beside); err != nil {
		t.Errorf("a file beside it is gone: %v", err)
	}
	// A file in the directory's place is no place for it.
	s, err = NewServer(Options{RuntimeDir: beside})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Spec().Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "NULLCARD_RUNTIME_DIR") {
		t.Errorf("in a file: %v, want an error with the cure", err)
	}
}
