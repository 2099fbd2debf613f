package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/audio/pcm"
)

var toneCommand = command{
	name:    "tone",
	summary: "play a sine tone into a device's mic",
	run:     runTone,
}

// toneLimit keeps a typing error from running for ever.
const toneLimit = 24 * time.Hour

func runTone(ctx context.Context, args []string, std stdio) error {
	var s soundFlags
	f := newFlags("tone", "[FLAG…]", std)
	s.register(f)
	freq := f.Float64("freq", 440, "frequency in `Hz`")
	level := f.Float64("level", -12, "peak level in `dBFS`")
	duration := f.Duration("duration", 5*time.Second, "how long")
	if err := parseFlags(f, args); err != nil {
		return err
	}
	if err := noArguments(f); err != nil {
		return err
	}
	switch {
	case !(*freq > 0 && *freq <= 20000):
		return exitError{exitUsage, fmt.Errorf("--freq %v is not between 0 and 20000 Hz", *freq)}
	case !(*level <= 0):
		return exitError{exitUsage, errors.New("--level is in dB below full scale: 0 or less")}
	case *duration <= 0 || *duration > toneLimit:
		return exitError{exitUsage, fmt.Errorf("--duration %v is not between 0 and %v", *duration, toneLimit)}
	}
	// A rate at which every frequency allowed can be told; the sound server
	// brings it to the device's.
	format := pcm.Format{Encoding: pcm.S16, Rate: 48000, Channels: 1}
	if *freq < 0.45*audio.DefaultRate {
		format.Rate = audio.DefaultRate
	}
	frames := format.Frames(*duration)
	return feed(ctx, s, &sound{
		Reader: &tone{rate: format.Rate, left: frames, freq: *freq, amplitude: pcm.Amplitude(*level)},
		format: format,
		bytes:  int64(frames * format.FrameBytes()),
	}, std)
}

// tone is the samples of a sine as s16le.
type tone struct {
	rate, at, left  int
	freq, amplitude float64
}

func (t *tone) Read(b []byte) (int, error) {
	n := min(len(b)/2, t.left)
	if n == 0 {
		return 0, io.EOF
	}
	pcm.EncodeS16(b[:0], pcm.Tone(t.at, n, t.rate, t.freq, t.amplitude))
	t.at += n
	t.left -= n
	return 2 * n, nil
}
