package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nullcard/nullcard/config"
	"github.com/nullcard/nullcard/supervisor"
	"go.yaml.in/yaml/v3"
)

var configCommand = command{
	name:    "config",
	summary: "check the configuration, or print it as it is used",
	run: func(_ context.Context, args []string, std stdio) error {
		f := newFlags("config", "check|print [--config FILE] [--] [CMD ARG…]", std)
		file := f.String("config", "", "configuration `FILE` (default "+config.DefaultFile+", if it is there)")
		if len(args) == 0 || args[0] != "check" && args[0] != "print" {
			if len(args) > 0 && (args[0] == "-h" || args[0] == "--help") {
				return parseFlags(f, args)
			}
			f.Usage()
			return errUsage
		}
		if err := parseFlags(f, args[1:]); err != nil {
			return err
		}
		c, err := load(*file, f.Args())
		if err != nil {
			return err
		}
		if args[0] == "print" {
			e := yaml.NewEncoder(std.out)
			e.SetIndent(2)
			if err := e.Encode(c); err != nil {
				return fmt.Errorf("cannot print the configuration: %w", err)
			}
			return e.Close()
		}
		return checkConfig(c, std)
	},
}

// checkConfig plans everything that `run` would, says how long a stop may take,
// and refuses a stop budget that cannot hold.
func checkConfig(c *config.Config, std stdio) error {
	p, err := plan(c, newOutput(stdio{nil, io.Discard, io.Discard}, c.Log.Format), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if _, err := supervisor.New(supervisor.Options{}, p.specs); err != nil {
		return exitError{exitConfig, fmt.Errorf("cannot use the configuration: %w", err)}
	}
	for _, w := range c.Warnings {
		fmt.Fprintln(std.err, "warning:", w)
	}
	stop := p.stop(c)
	w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PROCESS\tNEEDS\tKILLED AFTER")
	for _, s := range p.specs {
		fmt.Fprintf(w, "%s\t%s\t%v\n", s.Name, names(s.Needs), stop.Kill[s.Name].Round(time.Millisecond))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "a stop takes at most %v of a budget of %v\n", stop.Worst, time.Duration(c.StopBudget))
	if !stop.Fits {
		return exitError{exitConfig, errors.New("stop_budget is too short for the worst case; raise it (and Docker's --stop-timeout, 10 s), or shorten the graces")}
	}
	return nil
}

func names(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ",")
}
