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
	sound, err := openSound(in, raw)
	if err != nil {
		return fmt.Errorf("cannot play %s: %w", name, err)
	}
	if err := feed(ctx, s, sound, std); err != nil {
		return err
	}
	if err := sound.whole(); err != nil {
		return fmt.Errorf("cannot play %s to its end: %w", name, err)
	}
	return nil
}

// sound is samples that are read while they are played.
type sound struct {
	io.Reader
	format pcm.Format
	bytes  int64 // as announced, or pcm.Unknown
	read   int64
}

func (s *sound) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	s.read += int64(n)
	return n, err
}

// whole tells if all came that was announced.
func (s *sound) whole() error {
	if s.bytes == pcm.Unknown || s.read >= s.bytes {
		return nil
	}
	return fmt.Errorf("the file is cut short, at %.3f s of %.3f s",
		s.format.Duration(s.read).Seconds(), s.format.Duration(s.bytes).Seconds())
}

// openSound finds the format of in.
func openSound(in io.Reader, raw rawFlags) (*sound, error) {
	if raw.raw {
		format, err := raw.over(pcm.Format{Rate: audio.DefaultRate, Channels: 1})
		return &sound{Reader: in, format: format, bytes: pcm.Unknown}, err
	}
	if raw.rate != 0 || raw.channels != 0 {
		return nil, exitError{exitUsage, errors.New("--rate and --channels go with --raw; a WAV file tells its own")}
	}
	format, n, err := pcm.ReadWAV(in)
	if err != nil {
		return nil, err
	}
	if n != pcm.Unknown {
		in = io.LimitReader(in, n)
	}
	return &sound{Reader: in, format: format, bytes: n}, nil
}

// feed plays a sound to the mic of the device and reports.
func feed(ctx context.Context, s soundFlags, in *sound, std stdio) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	p := s.progress(std.err, "playing", in.format, in.bytes)
	t, err := audio.Feed(ctx, conn, audio.StreamOptions{
		Device: audio.Device{Name: s.device}.MicFeed(),
		Format: in.format,
		Name:   "nullcard play",
	}, io.TeeReader(in, p))
	p.clear()
	if err != nil {
		return deviceHint(err, s.device)
	}
	return s.report(std.err, "played", t)
}
