package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nullcard/nullcard/control"
)

// healthTimeout is below the 3 s that the images' HEALTHCHECK allows, so that
// the reason is said by us.
const healthTimeout = 2 * time.Second

var healthCommand = command{
	name:    "health",
	summary: "tell in one line whether everything works (exit 0) or what does not (exit 1)",
	run: func(ctx context.Context, args []string, std stdio) error {
		f := newFlags("health", "", std)
		if err := parseFlags(f, args); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, healthTimeout)
		defer cancel()
		s, err := control.NewClient(controlSocket(runtimeDir())).Status(ctx)
		if err != nil {
			return err
		}
		ok, reason := s.Ready()
		if !ok {
			return errors.New(reason)
		}
		fmt.Fprintln(std.out, reason)
		return nil
	},
}
