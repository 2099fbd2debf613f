// Package doctor finds what keeps sound or calls from working, each with cause
// and cure.
package doctor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/caller"
	"github.com/nullcard/nullcard/config"
)

// Finding is the result of one look. Cause and Cure are empty where all is
// well.
type Finding struct {
	What  string `json:"what"` // what was looked at, and what was seen
	Cause string `json:"cause,omitempty"`
	Cure  string `json:"cure,omitempty"`
}

// Well tells whether there is nothing to cure.
func (f Finding) Well() bool { return f.Cause == "" }

// maxLine is how much of a line of a log is looked at, in bytes.
const maxLine = 64 << 10

// Log explains the errors in a log of pjsua, PulseAudio, ALSA or nullcard: each
// cause once, by its first line, in the order of the log.
func Log(r io.Reader) ([]Finding, error) {
	var found []Finding
	seen := map[string]bool{}
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, rest, err := in.ReadLine()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, fmt.Errorf("cannot read the log: %w", err)
		}
		if f, ok := Explain(line); ok && !seen[f.Cause] {
			seen[f.Cause] = true
			found = append(found, f)
		}
		for rest && err == nil { // of a longer line only the beginning counts
			_, rest, err = in.ReadLine()
		}
	}
}

// Explain tells what a line of a log means; false if it is no known error.
func Explain(line []byte) (Finding, bool) {
	if cause, cure, ok := caller.Explain(string(line)); ok {
		return Finding{string(line), cause, cure}, true
	}
	if cure := audio.Cure(line); cure != "" && audio.Classify(line) >= slog.LevelWarn {
		return Finding{string(line), "the sound server complains", cure}, true
	}
	return Finding{}, false
}

// Host looks at what a `nullcard run` with that configuration would need here.
// The directory is left as it is.
func Host(c *config.Config) []Finding {
	var found []Finding
	need := func(program, cure string) {
		path, err := exec.LookPath(program)
		if err != nil {
			found = append(found, Finding{"program " + program, "it is not in PATH", cure})
			return
		}
		found = append(found, Finding{What: program + " is " + path})
	}
	if c.Audio.Backend == config.BackendPulse {
		need("pulseaudio", "install it (Debian: pulseaudio), build FROM nullcard/base, or set audio.backend to null")
	}
	if len(c.Callers) > 0 {
		need(caller.Program, "use nullcard/app, which has it, or put it into your image")
	}
	for _, a := range c.Apps {
		need(a.Command[0], "install it, or correct the command of "+a.Name)
	}
	return append(found, directory(c.RuntimeDir))
}

// directory tells whether the runtime directory, or what it would be made in,
// can be written.
func directory(dir string) Finding {
	at := dir
	for {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	f, err := os.CreateTemp(at, ".nullcard-doctor-*")
	if err != nil {
		return Finding{"runtime directory " + dir, fmt.Sprintf("uid %d cannot write there: %v", os.Getuid(), err),
			"mount a tmpfs there (docker run --tmpfs " + config.DefaultRuntimeDir + "), or set NULLCARD_RUNTIME_DIR"}
	}
	f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return Finding{"runtime directory " + dir, err.Error(), "remove " + f.Name()}
	}
	return Finding{What: "runtime directory " + dir + " can be written"}
}
