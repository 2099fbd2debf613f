package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/nullcard/nullcard/control"
)

var statusCommand = command{
	name:    "status",
	summary: "show the processes of the nullcard that runs here",
	run: func(ctx context.Context, args []string, std stdio) error {
		f := newFlags("status", "[--json]", std)
		asJSON := f.Bool("json", false, "print JSON")
		if err := parseFlags(f, args); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, healthTimeout)
		defer cancel()
		s, err := control.NewClient(controlSocket(runtimeDir())).Status(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			e := json.NewEncoder(std.out)
			e.SetIndent("", "  ")
			return e.Encode(s)
		}
		w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "PROCESS\tSTATE\tPID\tFOR\tATTEMPT\tCAUSE")
		for _, p := range s.Processes {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%s\n", p.Name, p.State, p.PID,
				time.Since(p.Since).Round(time.Second), p.Attempt, p.Cause)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for _, c := range s.Callers {
			fmt.Fprintf(std.out, "%s: %s %s\n", c.Name, c.Registration, c.Problem())
		}
		if s.Degraded != "" {
			fmt.Fprintln(std.out, "degraded:", s.Degraded)
		}
		return nil
	},
}
