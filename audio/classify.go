package audio

import (
	"bytes"
	"log/slog"
)

// Classify gives a line of PulseAudio's log the level it deserves: harmless
// noise is for debugging, real causes are errors.
func Classify(line []byte) slog.Level {
	if m := meaningOf(line); m != nil {
		return m.level
	}
	return slog.LevelInfo
}

// Cure tells what to do about a line of PulseAudio's log; it is empty for most.
func Cure(line []byte) string {
	if m := meaningOf(line); m != nil {
		return m.cure
	}
	return ""
}

func meaningOf(line []byte) *meaning {
	for i, m := range meanings {
		if bytes.Contains(line, []byte(m.text)) {
			return &meanings[i]
		}
	}
	return nil
}

// meaning is what a line that holds text means.
type meaning struct {
	text  string
	level slog.Level
	cure  string
}

// The first that fits counts.
var meanings = []meaning{
	{"This program is not intended to be run as root", slog.LevelDebug, ""},
	{"No remapping configured, proceeding nonetheless", slog.LevelDebug, ""},
	{"Failed to open cookie file", slog.LevelDebug, ""},
	{"Unable to contact D-Bus", slog.LevelDebug, ""},
	{"Failed to open /proc/sys/", slog.LevelDebug, ""},
	{"OOM score adjust", slog.LevelDebug, ""},
	{"Too many connections", slog.LevelError, "PulseAudio takes 64 clients, about 25 callers; run the others in another container"},
	{"Denied access to client", slog.LevelError, "run the program as the user that nullcard runs as"},
	{"Address already in use", slog.LevelError, "give each nullcard a runtime directory of its own (NULLCARD_RUNTIME_DIR)"},
	{"No space left on device", slog.LevelError, "make the tmpfs of the runtime directory larger"},
	{"Too many open files", slog.LevelError, "raise the limit of open files (docker run --ulimit nofile=1024)"},
	{"Failed to open module", slog.LevelError, "the image lacks a module of PulseAudio; build it FROM nullcard/base"},
	{"Failed to load module", slog.LevelError, "the image lacks a module of PulseAudio; build it FROM nullcard/base"},
	{"Permission denied", slog.LevelError, "make the runtime directory writable for this user"},
	{"Read-only file system", slog.LevelError, "mount a tmpfs at the runtime directory"},
	{"Module load failed", slog.LevelError, ""},
	{"Failed to initialize daemon", slog.LevelError, ""},
	{"Assertion", slog.LevelError, ""},
	{"E: ", slog.LevelError, ""},
	{"W: ", slog.LevelWarn, ""},
	{"D: ", slog.LevelDebug, ""},
}
