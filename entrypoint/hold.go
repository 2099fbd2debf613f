package main

import (
	"context"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/nullcard/nullcard/audio"
)

var holdCommand = command{
	name:    "hold",
	summary: "stay connected to a sound server, and end when it is lost",
	run:     runHold,
}

func runHold(ctx context.Context, args []string, std stdio) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var s userServerFlag
	f := newFlags("hold", "[--server SERVER]", std)
	s.register(f)
	quiet := f.Bool("quiet", false, "do not say that the server is waited for")
	if err := parseFlags(f, args); err != nil {
		return err
	}
	if err := noArguments(f); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(std.err, nil))
	if *quiet {
		log = slog.New(slog.DiscardHandler)
	}
	if err := audio.Hold(ctx, s.address(), log); err != nil {
		return exitError{exitUnavailable, err}
	}
	return nil
}
