package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/shlex"

	"github.com/nullcard/nullcard/integration/phone"
	"github.com/nullcard/nullcard/integration/signal"
	"github.com/nullcard/nullcard/integration/stack"
)

type callOptions struct {
	image    string
	runs     int
	length   time.Duration
	settle   time.Duration
	busy     int
	prefer   bool
	json     string
	variants []variant
}

// variant is one way to run both ends of a call.
type variant struct {
	name  string
	image string   // instead of the run's
	env   []string // "KEY=VALUE"
	args  []string // of pjsua
}

// pjsuaDefaults are pjsua's own, for those of its options that nullcard sets
// because of latency (pjmedia/config.h, PJMEDIA_SND_DEFAULT_*_LATENCY).
var pjsuaDefaults = variant{name: "pjsua's", args: []string{"--capture-lat=100", "--playback-lat=140", "--jb-max-size=-1"}}

// parseVariant reads NAME=WORD…: words before the first that begins with - are
// environment variables, IMAGE=… is the image, the others go to pjsua.
func parseVariant(text string) (variant, error) {
	name, rest, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return variant{}, fmt.Errorf("want NAME=ARGS, not %q", text)
	}
	words, err := shlex.Split(rest)
	if err != nil {
		return variant{}, err
	}
	v := variant{name: name}
	for _, w := range words {
		key, value, isEnv := strings.Cut(w, "=")
		switch {
		case strings.HasPrefix(w, "-") || len(v.args) > 0 || !isEnv:
			v.args = append(v.args, w)
		case key == "IMAGE":
			v.image = value
		default:
			v.env = append(v.env, w)
		}
	}
	return v, nil
}

func parseCallFlags(args []string) (func(stack.TB) error, error) {
	o := callOptions{variants: []variant{{name: "nullcard"}, pjsuaDefaults}}
	f := flag.NewFlagSet("bench call", flag.ContinueOnError)
	f.StringVar(&o.image, "image", "nullcard/app:dev", "the `image` of both ends")
	f.IntVar(&o.runs, "n", 3, "`calls` of each variant")
	f.DurationVar(&o.length, "length", 10*time.Second, "how long is spoken in each call")
	f.DurationVar(&o.settle, "settle", time.Second, "from the answer to the first word")
	f.IntVar(&o.busy, "busy", 0, "`number` of busy loops in a neighbouring container")
	f.BoolVar(&o.prefer, "prefer", false, "give the containers nearly all of the processors, where other work on the machine is not what is measured; needs root on Docker's host")
	f.StringVar(&o.json, "json", "", "write all samples to this `file`, too")
	f.Func("variant", "`NAME=WORDS`: also with these options of pjsua, after KEY=VALUE words for the environment and IMAGE=…; can be repeated", func(s string) error {
		v, err := parseVariant(s)
		o.variants = append(o.variants, v)
		return err
	})
	only := f.String("only", "", "`names` of variants, separated by commas: no others")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if *only != "" {
		o.variants = slices.DeleteFunc(o.variants, func(v variant) bool { return !slices.Contains(strings.Split(*only, ","), v.name) })
	}
	if o.runs < 1 || f.NArg() > 0 || o.length < 2*time.Second || len(o.variants) == 0 {
		f.Usage()
		return nil, errors.New("usage")
	}
	return func(t stack.TB) error { return benchCall(t, o) }, nil
}

// way is one direction of one call.
type way struct {
	Delays      []time.Duration `json:"delays_ns"` // of half a second each, in order
	Correlation float64         `json:"correlation"`
	Dropouts    int             `json:"dropouts"`
	Lost        int             `json:"lost_segments"` // not recognised at all
	Feed        int             `json:"feed_underflows"`
	// Xruns are the underflows and overruns that the hearing end's pjsua told
	// after the first second of the call.
	Xruns int `json:"xruns"`
}

func benchCall(t stack.TB, o callOptions) error {
	ctx := t.Context()
	if o.busy > 0 {
		s := stack.New(t)
		loop := strings.Repeat("while :; do :; done & ", o.busy) + "wait"
		s.Run(ctx, "debian:trixie-slim", stack.Name("busy"), stack.Network("none"), stack.Entrypoint("/bin/sh", "-c", loop))
	}
	samples := map[string][]way{}
	for round := range o.runs {
		for i := range o.variants {
			v := o.variants[(round+i)%len(o.variants)]
			ways, err := measureCall(ctx, t, o, v)
			if err != nil {
				return fmt.Errorf("cannot measure %s: %w", v.name, err)
			}
			samples[v.name] = append(samples[v.name], ways...)
			for _, w := range ways {
				d := spreadOf(w.Delays)
				fmt.Fprintf(os.Stderr, "%s: %v ms, correlation %.2f, %d dropouts, %d lost, %d xruns, load %s\n",
					v.name, d, w.Correlation, w.Dropouts, w.Lost, w.Xruns, load())
			}
		}
	}
	fmt.Print(callTable(o.variants, samples, o.runs))
	return keep(o.json, map[string]any{"cores": runtime.NumCPU(), "calls": o.runs, "ways": samples})
}

// measureCall makes a call and measures both directions at once.
func measureCall(ctx context.Context, t stack.TB, o callOptions, v variant) ([]way, error) {
	s := stack.New(t)
	// Level 4 tells of underflows.
	options := []stack.Option{stack.Env("NULLCARD_PJSUA_ARGS", shellJoin(append(slices.Clone(v.args), "--log-level=4", "--app-log-level=4")))}
	for _, e := range v.env {
		key, value, _ := strings.Cut(e, "=")
		options = append(options, stack.Env(key, value))
	}
	if o.prefer {
		options = append(options, preferred())
	}
	image := o.image
	if v.image != "" {
		image = v.image
	}
	caller, callee := phone.Call(ctx, s, image, options...)
	ends := []*stack.Container{caller, callee}
	defer func() {
		for _, c := range ends {
			c.Remove(ctx)
		}
	}()
	up := time.Now()
	if o.prefer {
		if err := preferAll(); err != nil {
			return nil, err
		}
	}
	sounds := []signal.Clip{signal.Melody(16000, 1, -20, o.length), signal.Melody(16000, 2, -20, o.length)}
	recordings := make([]*phone.Recording, 2)
	for i := range ends {
		recordings[i] = phone.Record(ctx, t, ends[1-i], phone.Speaker, o.settle+o.length+2*time.Second)
	}
	for _, r := range recordings {
		r.WaitStarted(ctx)
	}
	select {
	case <-time.After(time.Until(up.Add(o.settle))):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	feedings := []*phone.Feeding{phone.Feed(ctx, t, caller, sounds[0]), phone.Feed(ctx, t, callee, sounds[1])}
	var ways []way
	for i, f := range feedings {
		fed, heard := f.Wait(ctx), recordings[i].Wait(ctx)
		if heard.Clip.Peak() <= signal.Floor {
			return nil, fmt.Errorf("%s heard digital silence", ends[1-i].Name)
		}
		m, err := signal.Match(sounds[i], heard.Clip)
		if err != nil {
			return nil, err
		}
		w := way{Correlation: m.Correlation, Dropouts: len(m.Gaps), Feed: fed.Underflows,
			Xruns: xruns(ends[1-i].Logs(ctx).All, time.Second)}
		for _, seg := range m.Segments {
			if seg.Correlation < signal.Recognised {
				w.Lost++
				continue
			}
			w.Delays = append(w.Delays, heard.Since(fed)+seg.Delay)
		}
		if len(w.Delays) == 0 {
			return nil, fmt.Errorf("%s heard something else than what was sent: correlation %.2f", ends[1-i].Name, m.Correlation)
		}
		ways = append(ways, w)
	}
	return ways, nil
}

func shellJoin(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}

var (
	logTime   = regexp.MustCompile(`^(?:time=)?(\d{4}-\d\d-\d\dT\S+)`)
	callUp    = regexp.MustCompile(`state changed to CONFIRMED`)
	xrunLine  = regexp.MustCompile(`Underflow, buf_cnt|overrun!|underrun!`)
	endOfCall = regexp.MustCompile(`is DISCONNECTED`)
)

// xruns counts pjsua's lines about missing or overflowing sound from after the
// answer on.
func xruns(log string, after time.Duration) int {
	var up time.Time
	n := 0
	for line := range strings.Lines(log) {
		m := logTime.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, m[1])
		switch {
		case err != nil:
		case callUp.MatchString(line):
			up = at
		case endOfCall.MatchString(line):
			up = time.Time{}
		case xrunLine.MatchString(line) && !up.IsZero() && at.Sub(up) > after:
			n++
		}
	}
	return n
}
