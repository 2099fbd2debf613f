package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/nullcard/nullcard/integration/phone"
	"github.com/nullcard/nullcard/integration/signal"
	"github.com/nullcard/nullcard/integration/stack"
)

type recoveryOptions struct {
	image  string
	rounds int
	prefer bool
	only   string
	json   string
}

// fault is what is done to a nullcard in a call.
type fault struct {
	name, about string
	// script is run in the container; it does the fault to $pid, the process
	// of that name, if there is one.
	process, script string
	keepsServer     bool // the sound server need not be proven again
}

var faults = []fault{
	{"server killed", "kill -9 of PulseAudio", "pulseaudio", `kill -9 "$pid"`, false},
	{"server hangs", "kill -STOP of PulseAudio", "pulseaudio", `kill -STOP "$pid"`, false},
	{"module unloaded", "pactl unload-module module-null-sink", "pulseaudio", `pactl -s unix:/run/nullcard/pulse/native unload-module module-null-sink`, false},
	{"socket removed", "rm of PulseAudio's socket", "pulseaudio", `rm /run/nullcard/pulse/native`, false},
	{"pjsua killed", "kill -9 of pjsua", "pjsua", `kill -9 "$pid"`, true},
}

// hit tells the time before it does the fault, so that the figures are rather
// too long than too short.
func (f fault) hit() string {
	return `for p in /proc/[0-9]*; do
	read -r name <"$p/comm" 2>/dev/null && [ "$name" = ` + f.process + ` ] && pid=${p#/proc/}
done
date +%s%N && ` + f.script
}

// stormPause keeps many rounds apart by more than a sixth of the time in which
// nullcard takes ten failures for a storm (config.Restart).
const stormPause = 7 * time.Second

func parseRecoveryFlags(args []string) (func(stack.TB) error, error) {
	var o recoveryOptions
	f := flag.NewFlagSet("bench recovery", flag.ContinueOnError)
	f.StringVar(&o.image, "image", "nullcard/testtools:dev", "the `image`: nullcard, pjsua and pactl")
	f.IntVar(&o.rounds, "n", 5, "`rounds` of each fault, after one that is not measured")
	f.BoolVar(&o.prefer, "prefer", false, "give the containers nearly all of the processors; needs root on Docker's host")
	f.StringVar(&o.only, "only", "", "`name` of the one fault to try")
	f.StringVar(&o.json, "json", "", "write all samples to this `file`, too")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if o.rounds < 1 || f.NArg() > 0 {
		f.Usage()
		return nil, errors.New("usage")
	}
	return func(t stack.TB) error { return benchRecovery(t, o) }, nil
}

// recovery is one round: times since the fault, 0 for what did not happen.
type recovery struct {
	Proven  time.Duration `json:"devices_proven_ns"`
	Started time.Duration `json:"caller_started_ns"`
	// Again is from the end of the caller to its start, less the pause that
	// nullcard chose for its backoff; only where nothing else had to recover.
	Again time.Duration `json:"caller_again_ns,omitempty"`
	Call  time.Duration `json:"call_up_ns"`
}

// traces are what a leak would show in.
type traces struct {
	FDs       int `json:"fds"`
	Threads   int `json:"threads"`
	Processes int `json:"processes"`
	Clients   int `json:"clients"`
	Sinks     int `json:"sinks"`
	Sources   int `json:"sources"`
}

// recoveries are all rounds of a fault and what they left.
type recoveries struct {
	Rounds        []recovery `json:"rounds"`
	Before, After traces
	Correlation   float64 `json:"correlation"` // of what the far end heard afterwards
}

func benchRecovery(t stack.TB, o recoveryOptions) error {
	results := map[string]recoveries{}
	for _, f := range faults {
		if o.only != "" && o.only != f.name {
			continue
		}
		r, err := measureFault(t, o, f)
		if err != nil {
			return fmt.Errorf("cannot measure %s: %w", f.name, err)
		}
		results[f.name] = r
		fmt.Fprintf(os.Stderr, "%s: %d rounds, load %s\n", f.name, len(r.Rounds), load())
	}
	fmt.Print(recoveryTable(results))
	return keep(o.json, map[string]any{"cores": runtime.NumCPU(), "faults": results})
}

func measureFault(t stack.TB, o recoveryOptions, f fault) (recoveries, error) {
	ctx := t.Context()
	s := stack.New(t)
	var options []stack.Option
	if o.prefer {
		options = append(options, preferred())
	}
	// The victim is the end that calls: when it is back, so is the call.
	victim, far := phone.Call(ctx, s, o.image, options...)
	defer far.Remove(ctx)
	defer victim.Remove(ctx)
	if o.prefer {
		if err := preferAll(); err != nil {
			return recoveries{}, err
		}
	}
	var result recoveries
	for round := range o.rounds + 1 {
		began := time.Now()
		r, err := recover1(ctx, victim, f)
		if err != nil {
			return result, err
		}
		left, err := trace(ctx, victim)
		if err != nil {
			return result, err
		}
		if round == 0 {
			result.Before = left
		} else {
			result.Rounds = append(result.Rounds, r)
		}
		result.After = left
		pause := 1500 * time.Millisecond // a healthy run, which resets the backoff
		if o.rounds > 8 {
			pause = stormPause - time.Since(began)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return result, context.Cause(ctx)
		}
	}
	sound := signal.Melody(16000, 1, -20, 4*time.Second)
	recording := phone.Record(ctx, t, far, phone.Speaker, 6*time.Second)
	recording.WaitStarted(ctx)
	phone.Feed(ctx, t, victim, sound).Wait(ctx)
	m, err := signal.Match(sound, recording.Wait(ctx).Clip)
	if err != nil {
		return result, fmt.Errorf("after the recovery: %w", err)
	}
	result.Correlation = m.Correlation
	return result, nil
}

// recover1 does the fault and waits for the call to be back.
func recover1(ctx context.Context, c *stack.Container, f fault) (recovery, error) {
	out := c.MustExec(ctx, stack.Shell(f.hit())).Stdout
	ns, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		return recovery{}, fmt.Errorf("cannot read the time of the fault: %w", err)
	}
	at := time.Unix(0, ns)
	var r recovery
	c.WaitFor(ctx, "the recovery from: "+f.name, func(ctx context.Context) (bool, string) {
		r, err = parseRecovery(c.Logs(ctx).All, at)
		switch {
		case err != nil:
			return false, err.Error()
		case r.Proven == 0 && !f.keepsServer:
			return false, "devices not proven"
		case r.Started == 0:
			return false, "caller not started"
		case r.Call == 0:
			return false, "no call"
		}
		return true, ""
	})
	return r, nil
}

// parseRecovery reads nullcard's log from the fault on.
func parseRecovery(log string, fault time.Time) (recovery, error) {
	var r recovery
	var ended time.Time
	var pause time.Duration
	first := func(d *time.Duration, at time.Time) {
		if *d == 0 {
			*d = at.Sub(fault)
		}
	}
	for line := range strings.Lines(log) {
		m := logTime.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, m[1])
		if err != nil || at.Before(fault) {
			continue
		}
		caller := strings.Contains(line, " process=caller ")
		switch {
		case strings.Contains(line, `msg="audio proven"`):
			first(&r.Proven, at)
		case caller && strings.Contains(line, `msg="process ended, to be started again"`):
			ended = at
			if p := pauseField.FindStringSubmatch(line); p != nil {
				if pause, err = time.ParseDuration(p[1]); err != nil {
					return r, err
				}
			}
		case caller && strings.Contains(line, `msg="process started"`):
			if r.Started == 0 && !ended.IsZero() {
				r.Again = at.Sub(ended) - pause
			}
			first(&r.Started, at)
		case r.Started != 0 && callUp.MatchString(line):
			first(&r.Call, at)
		}
	}
	return r, nil
}

// trace looks from the outside: /proc and pactl.
func trace(ctx context.Context, c *stack.Container) (traces, error) {
	const script = `server=unix:/run/nullcard/pulse/native
ls /proc/1/fd | wc -l
ls /proc/1/task | wc -l
ls -d /proc/[0-9]* | wc -l
pactl -s $server list short clients | wc -l
pactl -s $server list short sinks | wc -l
pactl -s $server list short sources | wc -l`
	out := c.MustExec(ctx, stack.Shell(script)).Stdout
	return parseTraces(out)
}

func parseTraces(out string) (traces, error) {
	var t traces
	n, err := fmt.Sscan(out, &t.FDs, &t.Threads, &t.Processes, &t.Clients, &t.Sinks, &t.Sources)
	if err != nil {
		return t, fmt.Errorf("cannot read what is left: %d numbers in %q: %w", n, out, err)
	}
	return t, nil
}

var pauseField = regexp.MustCompile(` pause=(\S+)`)
