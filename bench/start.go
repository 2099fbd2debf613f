package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"time"

	"github.com/nullcard/nullcard/integration/stack"
)

type startOptions struct {
	image string
	runs  int
	json  string
}

func parseStartFlags(args []string) (func(stack.TB) error, error) {
	var o startOptions
	f := flag.NewFlagSet("bench start", flag.ContinueOnError)
	f.StringVar(&o.image, "image", "nullcard/testtools:dev", "the `image` that all run in: nullcard, PulseAudio and pactl")
	f.IntVar(&o.runs, "n", 15, "measured `runs` of each, after one that is not")
	f.StringVar(&o.json, "json", "", "write all samples to this `file`, too")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if o.runs < 1 || f.NArg() > 0 {
		f.Usage()
		return nil, errors.New("usage")
	}
	return func(t stack.TB) error { return benchStart(t, o) }, nil
}

// serverFlags are those that nullcard starts PulseAudio with, but that here it
// goes to the background by itself once its script is done.
const serverFlags = "--use-pid-file=no --exit-idle-time=-1 --realtime=no --high-priority=no --log-target=stderr"

// The modules and arguments of nullcard's device.
const (
	protocol = `module-native-protocol-unix auth-anonymous=1 auth-cookie-enabled=0`
	speaker  = `module-null-sink sink_name=virtual_speaker rate=16000 channels=1 format=s16le norewinds=1`
	micFeed  = `module-null-sink sink_name=virtual_mic_feed rate=16000 channels=1 format=s16le norewinds=1`
	mic      = `module-remap-source source_name=virtual_mic master=virtual_mic_feed.monitor`
)

// subject is one way to have devices before an app starts.
type subject struct {
	name    string
	about   string
	command []string
}

var subjects = []subject{
	{"nullcard", "nullcard run -- APP, devices made and proven", []string{"/usr/local/bin/nullcard", "run", "--", "/bench/stamp", "app"}},
	{"bare", "pulseaudio that loads the same modules at its start, and then APP; nobody looks after either", shell(
		"pulseaudio -n -F /bench/devices.pa --daemonize=yes " + serverFlags + " && exec /bench/stamp app")},
	{"poll", "a careful script: wait for the server by pactl, load the modules by pactl, APP", shell(
		"pulseaudio -n -F /bench/protocol.pa --daemonize=no " + serverFlags + " & " +
			"until pactl info >/dev/null 2>&1; do sleep 0.01; done; " + loadModules + "exec /bench/stamp app")},
	{"sleep", "the usual script: sleep 2, load the modules by pactl, APP", shell(
		"pulseaudio -n -F /bench/protocol.pa --daemonize=no " + serverFlags + " & sleep 2; " + loadModules + "exec /bench/stamp app")},
}

const loadModules = "pactl load-module " + speaker + " >/dev/null && pactl load-module " + micFeed +
	" >/dev/null && pactl load-module " + mic + " >/dev/null && "

// shell runs a script with the environment that PulseAudio needs under a user
// without a home; nullcard sees to that itself.
func shell(script string) []string {
	return []string{"/bin/sh", "-c", "export PULSE_RUNTIME_PATH=/run/nullcard/pulse PULSE_STATE_PATH=/run/nullcard/pulse; " + script}
}

// start is one measured start.
type start struct {
	// App is the time from the container's first instruction to the app's.
	App time.Duration `json:"app_ns"`
	// Devices is the time to the devices' standing; 0 where nobody tells.
	Devices time.Duration `json:"devices_ns,omitempty"`
}

// benchStart runs all subjects in turns, so that whatever else the machine
// does meets all of them.
func benchStart(t stack.TB, o startOptions) error {
	ctx := t.Context()
	stamp, err := buildProgram(ctx, "stamp")
	if err != nil {
		return err
	}
	s := stack.New(t)
	samples := map[string][]start{}
	for round := range o.runs + 1 {
		for i := range subjects {
			sub := subjects[(round+i)%len(subjects)]
			one, err := measureStart(ctx, s, o.image, sub, stamp)
			if err != nil {
				return err
			}
			if round > 0 { // the first one fills the page cache
				samples[sub.name] = append(samples[sub.name], one)
			}
		}
		fmt.Fprintf(os.Stderr, "\rround %d of %d", round, o.runs)
	}
	fmt.Fprintln(os.Stderr)
	fmt.Print(table(samples, o.runs))
	return keep(o.json, map[string]any{"cores": runtime.NumCPU(), "runs": o.runs, "starts": samples})
}

func measureStart(ctx context.Context, s *stack.Stack, image string, sub subject, stamp string) (start, error) {
	c := s.Create(ctx, image, stack.Network("none"), stack.Tmpfs("/run/nullcard"),
		stack.Env("HOME", "/run/nullcard"),
		stack.Program("/bench/stamp", stamp),
		stack.File("/bench/protocol.pa", "load-module "+protocol+"\n"),
		stack.File("/bench/devices.pa", fmt.Sprintf("load-module %s\nload-module %s\nload-module %s\nload-module %s\n", protocol, speaker, micFeed, mic)),
		stack.Entrypoint(append([]string{"/bench/stamp", "start"}, sub.command...)...))
	c.Start(ctx)
	code := c.Wait(ctx)
	log := c.Logs(ctx).All
	c.Remove(ctx)
	one, err := parseStart(log)
	if code != 0 {
		err = fmt.Errorf("exit code %d", code)
	}
	if err != nil {
		return start{}, fmt.Errorf("cannot measure %s: %w; it wrote:\n%s", sub.name, err, log)
	}
	if sub.name == "bare" {
		one.Devices = one.App // the server goes to the background when they stand
	}
	return one, nil
}

var (
	stampLine   = regexp.MustCompile(`stamp (start|app) (\d+) (\d+)`)
	devicesLine = regexp.MustCompile(`(?m)^time=(\S+) .*msg="devices stand"`)
)

// parseStart reads the stamps, and the time of nullcard's line about its
// devices, which is exact to a millisecond.
func parseStart(log string) (start, error) {
	mono, wall := map[string]int64{}, map[string]int64{}
	for _, m := range stampLine.FindAllStringSubmatch(log, -1) {
		var err, werr error
		mono[m[1]], err = strconv.ParseInt(m[2], 10, 64)
		wall[m[1]], werr = strconv.ParseInt(m[3], 10, 64)
		if err := errors.Join(err, werr); err != nil {
			return start{}, err
		}
	}
	if mono["start"] == 0 || mono["app"] == 0 {
		return start{}, errors.New("no stamp of the start or of the app")
	}
	one := start{App: time.Duration(mono["app"] - mono["start"])}
	if m := devicesLine.FindStringSubmatch(log); m != nil {
		at, err := time.Parse(time.RFC3339Nano, m[1])
		if err != nil {
			return start{}, err
		}
		one.Devices = time.Duration(at.UnixNano() - wall["start"])
	}
	return one, nil
}

// buildProgram returns one of the programs below this directory as a static
// binary.
func buildProgram(ctx context.Context, name string) (string, error) {
	fail := func(err error, more ...any) (string, error) {
		return "", fmt.Errorf("cannot build the %s program: %w%s", name, err, fmt.Sprint(more...))
	}
	dir, err := os.MkdirTemp("", "nullcard-bench-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, name)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out,
		"github.com/nullcard/nullcard/bench/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if text, err := build.CombinedOutput(); err != nil {
		return fail(err, "\n", string(text))
	}
	b, err := os.ReadFile(out)
	if err != nil {
		return fail(err)
	}
	return string(b), nil
}
