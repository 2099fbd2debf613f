package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/audio/pcm"
)

// soundFlags are those that the commands for sound share.
type soundFlags struct {
	device string
	server string
	json   bool
}

func (s *soundFlags) register(f *flag.FlagSet) {
	f.StringVar(&s.device, "device", "virtual", "`name` of the device")
	f.StringVar(&s.server, "server", "", "the sound server: its socket or nullcard's runtime `directory` (default $NULLCARD_RUNTIME_DIR or /run/nullcard)")
	f.BoolVar(&s.json, "json", false, "tell the result as one line of JSON on standard error")
}

// socket is the path of the sound server's socket.
func (s *soundFlags) socket() string {
	server := s.server
	if server == "" {
		server = os.Getenv("NULLCARD_RUNTIME_DIR")
	}
	if server == "" {
		server = "/run/nullcard"
	}
	server = strings.TrimPrefix(server, "unix:")
	if info, err := os.Stat(server); err == nil && !info.IsDir() {
		return server
	}
	return audio.Socket(server)
}

func (s *soundFlags) dial(ctx context.Context) (*audio.Conn, error) {
	c, err := audio.Dial(ctx, s.socket())
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w; is nullcard running here? --server names another place", err)
	}
	if err != nil {
		return nil, exitError{exitUnavailable, err}
	}
	return c, nil
}

// rawFlags tell the format of raw samples.
type rawFlags struct {
	raw      bool
	rate     int
	channels int
	encoding string
}

func (r *rawFlags) register(f *flag.FlagSet, what string) {
	f.BoolVar(&r.raw, "raw", false, what)
	f.IntVar(&r.rate, "rate", 0, "sample rate in `Hz`")
	f.IntVar(&r.channels, "channels", 0, "number of `channels`")
	f.StringVar(&r.encoding, "format", "s16le", "sample `format`: s16le, u8, s24le, s32le, float32le, alaw or ulaw")
}

// over is the format that the flags ask for, with the rest from d.
func (r *rawFlags) over(d pcm.Format) (pcm.Format, error) {
	e, err := pcm.ParseEncoding(r.encoding)
	if err != nil {
		return pcm.Format{}, exitError{exitUsage, err}
	}
	d.Encoding = e
	if r.rate != 0 {
		d.Rate = r.rate
	}
	if r.channels != 0 {
		d.Channels = r.channels
	}
	if err := d.Check(); err != nil {
		return pcm.Format{}, exitError{exitUsage, err}
	}
	return d, nil
}

// transferReport is what --json prints.
type transferReport struct {
	StartedUnixNS int64   `json:"started_unix_ns"`
	Frames        int64   `json:"frames"`
	Rate          int     `json:"rate"`
	Channels      int     `json:"channels"`
	Format        string  `json:"format"`
	Seconds       float64 `json:"seconds"`
	PeakDBFS      float64 `json:"peak_dbfs"`
	RMSDBFS       float64 `json:"rms_dbfs"`
	Underflows    int     `json:"underflows"`
}

// report tells w what was transferred.
func (s *soundFlags) report(w io.Writer, verb string, t audio.Transfer) error {
	if !s.json {
		_, err := fmt.Fprintf(w, "%s %.3f s (%v), peak %.1f dBFS, RMS %.1f dBFS\n",
			verb, t.Duration().Seconds(), t.Format, t.Peak, t.RMS)
		return err
	}
	return json.NewEncoder(w).Encode(transferReport{
		StartedUnixNS: unixNano(t.Started),
		Frames:        t.Frames,
		Rate:          t.Format.Rate,
		Channels:      t.Format.Channels,
		Format:        t.Format.Encoding.String(),
		Seconds:       t.Duration().Seconds(),
		PeakDBFS:      math.Round(t.Peak*100) / 100,
		RMSDBFS:       math.Round(t.RMS*100) / 100,
		Underflows:    t.Underflows,
	})
}

func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// oneFile is the file that a command line names, as its only argument.
func oneFile(f *flag.FlagSet) (string, error) {
	if f.NArg() != 1 {
		fmt.Fprintf(f.Output(), "%s: want one FILE, or - for standard input or output\n", f.Name())
		f.Usage()
		return "", errUsage
	}
	return filepath.Clean(f.Arg(0)), nil
}
