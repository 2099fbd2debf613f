package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/nullcard/nullcard/control"
	"github.com/nullcard/nullcard/doctor"
)

var doctorCommand = command{
	name:    "doctor",
	summary: "find what keeps sound or calls from working, here or in a log",
	run: func(ctx context.Context, args []string, std stdio) error {
		f := newFlags("doctor", "[--json] [--config FILE] [LOGFILE|-]", std)
		asJSON := f.Bool("json", false, "print JSON")
		file := f.String("config", "", "configuration `FILE`, as for run")
		if err := parseFlags(f, args); err != nil {
			return err
		}
		var found []doctor.Finding
		var err error
		switch f.NArg() {
		case 0:
			found, err = examine(ctx, *file)
		case 1:
			found, err = readLog(f.Arg(0), std.in)
		default:
			err = exitError{exitUsage, errors.New("name one log, or none to look at this machine")}
		}
		if err != nil {
			return err
		}
		return tell(found, *asJSON, std.out)
	},
}

func readLog(name string, in io.Reader) ([]doctor.Finding, error) {
	if name == "-" {
		return doctor.Log(in)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read the log: %w", err)
	}
	defer f.Close()
	return doctor.Log(f)
}

// examine looks at this machine, and at the nullcard that runs here if there is
// one.
func examine(ctx context.Context, file string) ([]doctor.Finding, error) {
	c, err := load(file, nil)
	if err != nil {
		return nil, err
	}
	found := doctor.Host(c)
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	client := control.NewClient(controlSocket(c.RuntimeDir))
	status, err := client.Status(ctx)
	if err != nil {
		return append(found, doctor.Finding{What: "nullcard does not run here"}), nil
	}
	if ok, reason := status.Ready(); ok && status.Degraded == "" {
		found = append(found, doctor.Finding{What: "nullcard runs: " + reason})
	} else {
		found = append(found, doctor.Finding{What: "nullcard runs", Cause: reason, Cure: "see what follows, and `nullcard logs PROCESS`"})
	}
	for _, p := range status.Processes {
		lines, err := client.Log(ctx, p.Name, 200)
		if err != nil {
			return nil, err
		}
		seen := map[string]bool{}
		for _, l := range lines {
			if f, ok := doctor.Explain([]byte(l.Text)); ok && !seen[f.Cause] {
				seen[f.Cause] = true
				f.What = p.Name + ": " + f.What
				found = append(found, f)
			}
		}
	}
	return found, nil
}

// tell prints what was found; it is an error if there is something to cure.
func tell(found []doctor.Finding, asJSON bool, w io.Writer) error {
	ill := 0
	for _, f := range found {
		if !f.Well() {
			ill++
		}
	}
	switch {
	case asJSON:
		if err := json.NewEncoder(w).Encode(append([]doctor.Finding{}, found...)); err != nil {
			return err
		}
	default:
		for _, f := range found {
			if f.Well() {
				fmt.Fprintf(w, "ok     %s\n", f.What)
				continue
			}
			fmt.Fprintf(w, "FAIL   %s\n       cause: %s\n       cure:  %s\n", f.What, f.Cause, f.Cure)
		}
		if len(found) == 0 {
			fmt.Fprintln(w, "no known error in it")
		}
	}
	if ill > 0 {
		return exitError{exitFailure, reported{fmt.Errorf("%d to cure", ill)}}
	}
	return nil
}
