package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/jfreymuth/pulse/proto"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/audio/pcm"
)

var recordCommand = command{
	name:    "record",
	summary: "record a device's speaker or mic to a sound file",
	run:     runRecord,
}

func runRecord(ctx context.Context, args []string, std stdio) error {
	// A recording ends well by the signals that end a program.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var s soundFlags
	var raw rawFlags
	f := newFlags("record", "[FLAG…] FILE|-", std)
	s.register(f)
	raw.register(f, "write raw samples, not WAV")
	end := f.String("source", "speaker", "which `end` of the device: speaker or mic")
	duration := f.Duration("duration", 0, "how long, for example 8s; without it until interrupted")
	if err := parseFlags(f, args); err != nil {
		return err
	}
	name, err := oneFile(f)
	if err != nil {
		return err
	}
	device := audio.Device{Name: s.device}
	source := device.SpeakerMonitor()
	switch *end {
	case "speaker":
	case "mic":
		source = device.Mic()
	default:
		return exitError{exitUsage, fmt.Errorf("--source %q is neither speaker nor mic", *end)}
	}
	if *duration < 0 {
		return exitError{exitUsage, fmt.Errorf("--duration %v is negative", *duration)}
	}

	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	format, err := conn.SourceFormat(ctx, source)
	if err != nil {
		return deviceHint(err, s.device)
	}
	if format, err = raw.over(pcm.Format{Rate: format.Rate, Channels: format.Channels}); err != nil {
		return err
	}
	frames := int64(-1)
	if *duration > 0 {
		frames = max(int64(format.Frames(*duration)), 1)
	}
	out, err := createSound(name, std.out, format, frames, raw.raw)
	if err != nil {
		return fmt.Errorf("cannot record: %w", err)
	}
	total := int64(pcm.Unknown)
	if frames >= 0 {
		total = frames * int64(format.FrameBytes())
	}
	p := s.progress(std.err, "recording", format, total)
	t, err := audio.Capture(ctx, conn, audio.StreamOptions{Device: source, Format: format, Name: "nullcard record"}, frames, io.MultiWriter(out, p))
	p.clear()
	// What was recorded by then is kept, also when the sound server went away.
	if ferr := out.finish(); err == nil {
		err = ferr
	}
	if err != nil {
		return deviceHint(err, s.device)
	}
	return s.report(std.err, "recorded", t)
}

// deviceHint adds to an error that means a missing device how to see what
// there is.
func deviceHint(err error, device string) error {
	var p proto.Error
	if errors.As(err, &p) && p == proto.ErrNoSuchEntity {
		return exitError{exitUnavailable, fmt.Errorf("there is no device %q: %w; `nullcard devices` lists them", device, err)}
	}
	return err
}

// soundFile is a sound file that is being written.
type soundFile struct {
	w      io.Writer
	file   *os.File // to close
	seek   *os.File // to correct the header in, nil if that can't be done
	start  int64    // of the header in seek
	format pcm.Format
	bytes  int64
	raw    bool
}

// createSound begins a sound file, or a stream on out for "-". Where the header
// can't be corrected in the end it announces frames, or an open end.
func createSound(name string, out io.Writer, format pcm.Format, frames int64, raw bool) (*soundFile, error) {
	if !raw && (format.Encoding == pcm.ALaw || format.Encoding == pcm.MuLaw) {
		return nil, exitError{exitUsage, fmt.Errorf("%v is written with --raw only", format.Encoding)}
	}
	s := &soundFile{w: out, format: format, raw: raw}
	if name != "-" {
		file, err := os.Create(name)
		if err != nil {
			return nil, err
		}
		s.w, s.file, s.seek = file, file, file
	} else if file, ok := out.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			if at, err := file.Seek(0, io.SeekCurrent); err == nil {
				s.seek, s.start = file, at
			}
		}
	}
	if raw {
		return s, nil
	}
	n := int64(pcm.Unknown)
	if frames >= 0 {
		n = frames * int64(format.FrameBytes())
	}
	if _, err := s.w.Write(pcm.WAVHeader(format, n)); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *soundFile) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	s.bytes += int64(n)
	return n, err
}

func (s *soundFile) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// finish makes the file whole.
func (s *soundFile) finish() error {
	var err error
	if !s.raw {
		if s.bytes%2 == 1 { // RIFF chunks are even
			_, err = s.w.Write([]byte{0})
		}
		if s.seek != nil && err == nil {
			_, err = s.seek.WriteAt(pcm.WAVHeader(s.format, s.bytes), s.start)
		}
	}
	if err := errors.Join(err, s.close()); err != nil {
		return fmt.Errorf("cannot finish the recording: %w", err)
	}
	return nil
}
