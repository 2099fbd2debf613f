// Command nullcard is the sound card for machines that have none: it starts
// PulseAudio with virtual devices, proves them, runs a SIP app on them and
// keeps all of it working.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nullcard/nullcard/supervisor"
)

// Exit codes beside those of the supervised program; 64 to 78 as in sysexits.h.
const (
	exitFailure     = 1
	exitUsage       = 64
	exitUnavailable = 69 // there is no sound server or device to talk to
	exitSoftware    = 70
	exitCantCreate  = 73 // a runtime directory or socket could not be made
	exitConfig      = 78
)

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// command is one subcommand of nullcard.
type command struct {
	name    string
	summary string
	run     func(ctx context.Context, args []string, std stdio) error
}

// exitError carries the exit code that err is to end the program with.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string { return e.err.Error() }
func (e exitError) Unwrap() error { return e.err }

// reported is an error that the user has been told of already.
type reported struct{ error }

// errUsage is a command line that was wrong.
var errUsage = exitError{exitUsage, reported{errors.New("usage")}}

func commands() []command {
	return []command{
		runCommand,
		initCommand,
		healthCommand,
		statusCommand,
		startCommand,
		stopCommand,
		restartCommand,
		logsCommand,
		playCommand,
		recordCommand,
		toneCommand,
		levelCommand,
		devicesCommand,
		setupCommand,
		teardownCommand,
		holdCommand,
		devicesCommand,
		levelCommand,
		setupCommand,
		teardownCommand,
		holdCommand,
		callCommand,
		configCommand,
		doctorCommand,
		versionCommand,
	}
}

// processStart is what the times in the log count from.
var processStart = time.Now()

// signals are those that `run` acts on. They are caught before anything else
// happens.
var signals <-chan os.Signal

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case runCommand.name:
			signals = supervisor.CatchSignals()
		case initCommand.name:
			os.Exit(runInit(os.Args[2:], stdio{os.Stdin, os.Stdout, os.Stderr}))
		}
	}
	os.Exit(Main(context.Background(), os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// Main runs one nullcard command line and returns its exit code.
func Main(ctx context.Context, args []string, std stdio) int {
	if len(args) == 0 {
		usage(std.err)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(std.out)
		return 0
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, args[1:], std)
		return exitCode(err, c.name, std.err)
	}
	fmt.Fprintf(std.err, "nullcard: unknown command %q; `nullcard help` lists them\n", args[0])
	return exitUsage
}

// exitCode reports err once, as one line, and turns it into an exit code.
func exitCode(err error, name string, w io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if !errors.As(err, new(reported)) {
		fmt.Fprintf(w, "nullcard %s: %v\n", name, err)
	}
	var e exitError
	if errors.As(err, &e) {
		return e.code
	}
	return exitFailure
}

func usage(w io.Writer) {
	fmt.Fprint(w, "nullcard: the sound card for machines that have none\n\nUsage: nullcard COMMAND [ARG…]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\n`nullcard COMMAND -h` tells its flags.\n")
}

// newFlags makes the flag set of one command. Parse it with parseFlags.
func newFlags(name, synopsis string, std stdio) *flag.FlagSet {
	f := flag.NewFlagSet("nullcard "+name, flag.ContinueOnError)
	f.SetOutput(std.err)
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "Usage: nullcard %s %s\n", name, synopsis)
		f.PrintDefaults()
	}
	return f
}

// parseFlags parses args; the flag set has reported a problem by then.
func parseFlags(f *flag.FlagSet, args []string) error {
	err := f.Parse(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return errUsage
	}
	return err
}
