package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/nullcard/nullcard/supervisor"
)

const initUsage = `Usage: nullcard init [-g] [-s] [-v] [-e CODE]… [-r SIG:SIG]… [--] CMD [ARG…]

Runs CMD, hands signals on to it, reaps orphans and ends with CMD's exit code.

  -e CODE      turn exit code CODE into 0; can be repeated
  -g           send signals to CMD's process group, not to CMD alone
  -r SIG:SIG   hand the first signal on as the second, or drop it if that is 0;
               by name or number (TERM:QUIT, 15:3, HUP:0); can be repeated
  -s           adopt orphans, when this is not PID 1
  -v           tell what is done, on standard error
  -h           print this
`

var initCommand = command{
	name:    "init",
	summary: "run CMD as a bare init: signals, orphans, exit code",
	run: func(_ context.Context, args []string, std stdio) error {
		if code := runInit(args, std); code != 0 {
			return exitError{code, errUsage} // reported
		}
		return nil
	},
}

// initOptions is a parsed command line of init.
type initOptions struct {
	supervisor.Init
	help, verbose bool
	command       []string
}

// parseInit reads a command line as getopt does: flags may be joined, their
// values may follow in the same word, and the first other word ends them.
func parseInit(args []string) (initOptions, error) {
	o := initOptions{}
	o.Rewrite = map[syscall.Signal]syscall.Signal{}
	for len(args) > 0 {
		word := args[0]
		if word == "--" {
			args = args[1:]
			break
		}
		if len(word) < 2 || word[0] != '-' {
			break
		}
		args = args[1:]
		if word == "--help" {
			word = "-h"
		}
		for flags := word[1:]; flags != ""; {
			flag := flags[0]
			flags = flags[1:]
			switch flag {
			case 'g':
				o.Group = true
			case 's':
				o.Subreaper = true
			case 'v':
				o.verbose = true
			case 'h':
				o.help = true
			case 'e', 'r':
				value := flags
				flags = ""
				if value == "" {
					if len(args) == 0 {
						return o, fmt.Errorf("-%c needs a value", flag)
					}
					value, args = args[0], args[1:]
				}
				set := o.addSuccess
				if flag == 'r' {
					set = o.addRewrite
				}
				if err := set(value); err != nil {
					return o, err
				}
			default:
				return o, fmt.Errorf("there is no flag -%c", flag)
			}
		}
	}
	o.command = args
	return o, nil
}

func (o *initOptions) addSuccess(s string) error {
	code, err := strconv.Atoi(s)
	if err != nil || code < 0 || code > 255 {
		return fmt.Errorf("-e %s: an exit code is a number from 0 to 255", s)
	}
	o.Success = append(o.Success, code)
	return nil
}

func (o *initOptions) addRewrite(s string) error {
	from, to, ok := strings.Cut(s, ":")
	if !ok {
		return fmt.Errorf("-r %s: write two signals with a colon between them, as in TERM:QUIT", s)
	}
	old, err := supervisor.ParseSignal(from)
	if err != nil {
		return fmt.Errorf("-r %s: %w", s, err)
	}
	var replacement syscall.Signal
	if to != "0" {
		if replacement, err = supervisor.ParseSignal(to); err != nil {
			return fmt.Errorf("-r %s: %w", s, err)
		}
	}
	o.Rewrite[old] = replacement
	return nil
}

// runInit is the whole of `nullcard init`; main calls it before it does
// anything else.
func runInit(args []string, std stdio) (exitCode int) {
	signals := supervisor.CatchAll()
	o, err := parseInit(args)
	switch {
	case err != nil:
		fmt.Fprintf(std.err, "nullcard init: %v\n\n%s", err, initUsage)
		return exitFailure
	case o.help:
		io.WriteString(std.out, initUsage)
		return 0
	case len(o.command) == 0:
		io.WriteString(std.err, initUsage)
		return exitFailure
	}
	o.Signals = signals
	if o.verbose {
		o.Logf = func(format string, args ...any) {
			fmt.Fprintf(std.err, "nullcard init: "+format+"\n", args...)
		}
	} else if os.Getpid() != 1 && !o.Subreaper {
		fmt.Fprintln(std.err, "nullcard init: this is not PID 1, so orphans go elsewhere and zombies may pile up: add -s, or run it as PID 1")
	}
	code, err := o.Run(o.command)
	if err != nil {
		fmt.Fprintf(std.err, "nullcard init: cannot run %s: %v\n", o.command[0], err)
	}
	return code
}
