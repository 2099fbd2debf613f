package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/audio/pcm"
)

var playCommand = command{
	name:    "play",
	summary: "play a sound file into a device's mic",
	run:     runPlay,
}

func runPlay(ctx context.Context, args []string, std stdio) error {
	var s soundFlags
	var raw rawFlags
	f := newFlags("play", "[FLAG…] FILE|-", std)
	s.register(f)
	raw.register(f, "the input is raw samples, 16000 Hz mono if nothing else is said, not WAV")
	if err := parseFlags(f, args); err != nil {
		return err
	}
	name, err := oneFile(f)
	if err != nil {
		return err
	}
	in := std.in
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("cannot play: %w", err)
		}
		defer file.Close()
		in = file
	}
	format, in, err := openSound(in, raw)
	if err != nil {
		return fmt.Errorf("cannot play %s: %w", name, err)
	}
	return feed(ctx, s, format, in, std)
}

// openSound finds the format of in and returns its samples.
func openSound(in io.Reader, raw rawFlags) (pcm.Format, io.Reader, error) {
	if raw.raw {
		format, err := raw.over(pcm.Format{Rate: audio.DefaultRate, Channels: 1})
		return format, in, err
	}
	if raw.rate != 0 || raw.channels != 0 {
		return pcm.Format{}, nil, exitError{exitUsage, errors.New("--rate and --channels go with --raw; a WAV file tells its own")}
	}
	format, n, err := pcm.ReadWAV(in)
	if err == nil && n != pcm.Unknown {
		in = io.LimitReader(in, n)
	}
	return format, in, err
}

// feed plays in to the mic of the device and reports.
func feed(ctx context.Context, s soundFlags, format pcm.Format, in io.Reader, std stdio) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	t, err := audio.Feed(ctx, conn, audio.StreamOptions{
		Device: audio.Device{Name: s.device}.MicFeed(),
		Format: format,
		Name:   "nullcard play",
	}, in)
	if err != nil {
		return deviceHint(err, s.device)
	}
	return s.report(std.err, "played", t)
}
