package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/nullcard/nullcard/audio"
)

var setupCommand = command{
	name:    "setup",
	summary: "make devices on a sound server that already runs",
	run:     runSetup,
}

var teardownCommand = command{
	name:    "teardown",
	summary: "remove the devices that `nullcard setup` made",
	run:     runTeardown,
}

func runSetup(ctx context.Context, args []string, std stdio) error {
	var s userServerFlag
	f := newFlags("setup", "[FLAG…] [DEVICE…]", std)
	s.register(f)
	rate := f.Int("rate", audio.DefaultRate, "sample rate in `Hz`")
	channels := f.Int("channels", 1, "number of `channels`")
	if err := parseFlags(f, args); err != nil {
		return err
	}
	names := f.Args()
	if len(names) == 0 {
		names = []string{"virtual"}
	}
	var devices []audio.Device
	for _, name := range names {
		d := audio.Device{Name: name, Rate: *rate, Channels: *channels}
		if err := d.Check(); err != nil {
			return exitError{exitUsage, err}
		}
		devices = append(devices, d)
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	changes, err := audio.Setup(ctx, conn, devices)
	if err != nil {
		return err
	}
	list, err := audio.List(ctx, conn)
	if err != nil {
		return err
	}
	if err := audio.ProveIdle(ctx, conn, list); err != nil {
		return err
	}
	fmt.Fprintln(std.out, said(changes))
	for _, d := range devices {
		fmt.Fprintf(std.out, "use %s with: %s\n", d.Name, strings.Join([]string{"PULSE_SINK=" + d.Speaker(), "PULSE_SOURCE=" + d.Mic()}, " "))
	}
	return nil
}

func runTeardown(ctx context.Context, args []string, std stdio) error {
	var s userServerFlag
	f := newFlags("teardown", "[FLAG…] [DEVICE…]", std)
	s.register(f)
	if err := parseFlags(f, args); err != nil {
		return err
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	changes, err := audio.Teardown(ctx, conn, f.Args()...)
	if err != nil {
		return err
	}
	fmt.Fprintln(std.out, said(changes))
	return nil
}

func said(changes []string) string {
	if len(changes) == 0 {
		return "nothing to do"
	}
	return strings.Join(changes, "\n")
}

// userServerFlag names a sound server that is not nullcard's.
type userServerFlag struct{ server string }

func (u *userServerFlag) register(f *flag.FlagSet) {
	f.StringVar(&u.server, "server", "", "the sound `server`, as in PULSE_SERVER (default: that of this user)")
}

func (u *userServerFlag) address() string {
	if u.server == "" {
		return audio.UserServer()
	}
	return u.server
}

func (u *userServerFlag) dial(ctx context.Context) (*audio.Conn, error) {
	c, err := audio.Dial(ctx, u.address())
	if err != nil {
		return nil, exitError{exitUnavailable, errors.Join(err, errors.New("start PulseAudio or PipeWire as this user, or name the server with --server"))}
	}
	return c, nil
}
