package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/audio/pcm"
	"github.com/nullcard/nullcard/config"
)

// defaultDevice is the one that there is when none is declared.
const defaultDevice = "virtual"

// serverFlag names nullcard's sound server.
type serverFlag struct{ server string }

func (s *serverFlag) register(f *flag.FlagSet) {
	f.StringVar(&s.server, "server", "", "the sound server: nullcard's runtime directory, or a `server` as in PULSE_SERVER (default $NULLCARD_RUNTIME_DIR or "+config.DefaultRuntimeDir+", then $PULSE_SERVER)")
}

// address is the flag as audio.Dial takes it.
func (s *serverFlag) address() string {
	if s.server == "" {
		own := audio.Socket(runtimeDir())
		if _, err := os.Stat(own); err != nil && os.Getenv("PULSE_SERVER") != "" {
			return audio.UserServer() // as with the external backend
		}
		return own
	}
	if info, err := os.Stat(s.server); err == nil && info.IsDir() {
		return audio.Socket(s.server)
	}
	return s.server
}

func (s *serverFlag) dial(ctx context.Context) (*audio.Conn, error) {
	c, err := audio.Dial(ctx, s.address())
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w; is nullcard running here? --server names another place", err)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w; run this as the user that nullcard runs as", err)
	}
	return nil, exitError{exitUnavailable, err}
}

// soundFlags are those of the commands that play or record.
type soundFlags struct {
	serverFlag
	device string
	json   bool
}

func (s *soundFlags) register(f *flag.FlagSet) {
	s.serverFlag.register(f)
	f.StringVar(&s.device, "device", defaultDevice, "`name` of the device")
	f.BoolVar(&s.json, "json", false, "tell the result as one line of JSON on standard error")
}

func noArguments(f *flag.FlagSet) error {
	if f.NArg() == 0 {
		return nil
	}
	fmt.Fprintf(f.Output(), "%s: unexpected argument %q\n", f.Name(), f.Arg(0))
	return errUsage
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

// progress is a line that tells a person how far a sound is, as its bytes are
// written to it.
type progress struct {
	w      io.Writer // nil for nobody
	verb   string
	format pcm.Format
	total  int64
	done   int64
	shown  time.Time
}

func (s *soundFlags) progress(w io.Writer, verb string, f pcm.Format, total int64) *progress {
	p := &progress{verb: verb, format: f, total: total}
	if isTerminal(w) && !s.json {
		p.w = w
	}
	return p
}

func (p *progress) Write(b []byte) (int, error) {
	p.done += int64(len(b))
	if p.w == nil || time.Since(p.shown) < 100*time.Millisecond {
		return len(b), nil
	}
	p.shown = time.Now()
	of := ""
	if p.total != pcm.Unknown {
		of = fmt.Sprintf(" of %.1f s", p.format.Duration(p.total).Seconds())
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s: %.1f s%s", p.verb, p.format.Duration(p.done).Seconds(), of)
	return len(b), nil
}

// clear makes room for what is told in the end.
func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
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
