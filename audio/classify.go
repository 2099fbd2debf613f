package audio

import (
	"bytes"
	"log/slog"
)

// Classify gives a line of PulseAudio's log the level it deserves: harmless
// noise is for debugging, real causes are errors.
func Classify(line []byte) slog.Level {
	for _, l := range lineLevels {
		if bytes.Contains(line, []byte(l.text)) {
			return l.level
		}
	}
	return slog.LevelInfo
}

// lineLevels hold what distinguishes a line; the first that fits counts.
var lineLevels = []struct {
	text  string
	level slog.Level
}{
	{"This program is not intended to be run as root", slog.LevelDebug},
	{"No remapping configured, proceeding nonetheless", slog.LevelDebug},
	{"Failed to open cookie file", slog.LevelDebug},
	{"Unable to contact D-Bus", slog.LevelDebug},
	{"Failed to open /proc/sys/", slog.LevelDebug},
	{"OOM score adjust", slog.LevelDebug},
	{"Denied access to client", slog.LevelError},
	{"Address already in use", slog.LevelError},
	{"Failed to load module", slog.LevelError},
	{"Module load failed", slog.LevelError},
	{"Failed to initialize daemon", slog.LevelError},
	{"Warning! Too many connections", slog.LevelError},
	{"Permission denied", slog.LevelError},
	{"No space left on device", slog.LevelError},
	{"Too many open files", slog.LevelError},
	{"Assertion", slog.LevelError},
	{"E: ", slog.LevelError},
	{"W: ", slog.LevelWarn},
	{"D: ", slog.LevelDebug},
}
