package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/nullcard/nullcard/audio"
	"golang.org/x/sys/unix"
)

var levelCommand = command{
	name:    "level",
	summary: "show the level of a device's speaker and mic as it changes",
	run:     runLevel,
}

func runLevel(ctx context.Context, args []string, std stdio) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var s serverFlag
	f := newFlags("level", "[FLAG…]", std)
	s.register(f)
	device := f.String("device", "", "`name` of the device (default: all)")
	duration := f.Duration("duration", 0, "how long; without it until interrupted")
	asJSON := f.Bool("json", false, "print a line of JSON for each end and window")
	if err := parseFlags(f, args); err != nil {
		return err
	}
	if err := noArguments(f); err != nil {
		return err
	}
	if *duration < 0 {
		return exitError{exitUsage, fmt.Errorf("--duration %v is negative", *duration)}
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	list, err := audio.List(ctx, conn)
	if err != nil {
		return err
	}
	var devices []audio.Device
	for _, d := range list {
		if (*device == "" || *device == d.Name) && d.Speaker != nil && d.Mic != nil {
			devices = append(devices, d.Device())
		}
	}
	if len(devices) == 0 {
		return exitError{exitUnavailable, errors.New("there is no such device; `nullcard devices` lists them")}
	}
	if *duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *duration)
		defer cancel()
	}
	print := func(levels []audio.Level) error {
		enc := json.NewEncoder(std.out)
		for _, l := range levels {
			if err := enc.Encode(l); err != nil {
				return err
			}
		}
		return nil
	}
	if !*asJSON {
		bar := meterBar{live: isTerminal(std.out)}
		print = func(levels []audio.Level) error {
			_, err := fmt.Fprint(std.out, bar.draw(levels))
			return err
		}
	}
	err = audio.Watch(ctx, conn, devices, print)
	if ctx.Err() != nil {
		return nil // interrupted, or the time is over
	}
	return err
}

// meterBar draws levels as bars, over the last ones on a terminal.
type meterBar struct {
	live  bool
	drawn bool
}

// barFloor is the level, in dBFS, at the left end of a bar.
const barFloor = -60.0

func (m *meterBar) draw(levels []audio.Level) string {
	var b strings.Builder
	if m.live && m.drawn {
		fmt.Fprintf(&b, "\x1b[%dA", len(levels))
	}
	m.drawn = true
	for _, l := range levels {
		const width = 40
		at := func(db float64) int { return int(width * min(max(1-db/barFloor, 0), 1)) }
		bar := []byte(strings.Repeat("#", at(l.RMS)) + strings.Repeat(" ", width-at(l.RMS)))
		if p := at(l.Peak); p > 0 {
			bar[p-1] = '|'
		}
		clip := ""
		if l.Peak >= -0.01 {
			clip = " clips"
		}
		line := fmt.Sprintf("%-24s [%s] peak %9s  RMS %9s%s", l.Device+" "+l.End, bar, decibels(l.Peak), decibels(l.RMS), clip)
		if m.live {
			line = fmt.Sprintf("%-100s", line)
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
