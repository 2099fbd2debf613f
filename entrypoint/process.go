package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nullcard/nullcard/control"
)

var (
	startCommand   = processCommand("start", "start a process that has ended or was stopped")
	stopCommand    = processCommand("stop", "stop a process, after those that need it, and keep it down")
	restartCommand = processCommand("restart", "stop a process and start it again")
)

// processCommand is a command that does something to one process and returns
// when it is done.
func processCommand(verb, summary string) command {
	return command{name: verb, summary: summary, run: func(ctx context.Context, args []string, std stdio) error {
		f := newFlags(verb, "PROCESS", std)
		if err := parseFlags(f, args); err != nil {
			return err
		}
		if f.NArg() != 1 {
			return exitError{exitUsage, errors.New("name one process; `nullcard status` lists them")}
		}
		return control.NewClient(controlSocket(runtimeDir())).Process(ctx, f.Arg(0), verb)
	}}
}

var logsCommand = command{
	name:    "logs",
	summary: "print the last lines that a process wrote",
	run: func(ctx context.Context, args []string, std stdio) error {
		f := newFlags("logs", "[-n LINES] [--json] PROCESS", std)
		n := f.Int("n", 100, "`lines` at most; the last 1000 are kept")
		asJSON := f.Bool("json", false, "print one JSON object a line")
		if err := parseFlags(f, args); err != nil {
			return err
		}
		if f.NArg() != 1 || *n < 0 {
			return exitError{exitUsage, errors.New("name one process and a number of lines; `nullcard status` lists the processes")}
		}
		lines, err := control.NewClient(controlSocket(runtimeDir())).Log(ctx, f.Arg(0), *n)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if *asJSON {
				if err := json.NewEncoder(std.out).Encode(l); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(std.out, "%s %s| %s\n", l.Time.UTC().Format(logTime), l.Stream, l.Text)
		}
		return nil
	},
}
