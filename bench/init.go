package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/nullcard/nullcard/integration/stack"
)

type initOptions struct {
	base     string
	runs     int
	children int
	idle     int
	prefer   bool
	json     string
}

func parseInitFlags(args []string) (func(stack.TB) error, error) {
	var o initOptions
	f := flag.NewFlagSet("bench init", flag.ContinueOnError)
	f.StringVar(&o.base, "image", "nullcard/testtools:dev", "the `image` with nullcard, beside Debian's tini, dumb-init, s6, runit and supervisord")
	f.IntVar(&o.runs, "n", 10, "starts and kills `measured` of each")
	f.IntVar(&o.children, "children", 2000, "`number` of children that are reaped")
	f.IntVar(&o.idle, "idle", 10, "`seconds` that an idle supervisor is watched for")
	f.BoolVar(&o.prefer, "prefer", false, "give the containers nearly all of the processors; needs root on Docker's host")
	f.StringVar(&o.json, "json", "", "write all samples to this `file`, too")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if o.runs < 1 || o.children < 1 || o.idle < 1 || f.NArg() > 0 {
		f.Usage()
		return nil, errors.New("usage")
	}
	return func(t stack.TB) error { return benchInit(t, o) }, nil
}

// peer is something that runs and looks after one program.
type peer struct {
	name    string
	bare    bool // an init, which runs a program once
	command []string
}

// What each looks after is a program that prints the clock and sleeps.
var peers = []peer{
	{"nullcard init", true, []string{"nullcard", "init", "--"}},
	{"tini", true, []string{"tini", "--"}},
	{"dumb-init", true, []string{"dumb-init", "--"}},
	{"nullcard run", false, []string{"nullcard", "run", "--config", "/bench/nullcard.yaml"}},
	{"s6", false, []string{"s6-svscan", "/bench/s6"}},
	{"runit", false, []string{"runsvdir", "-P", "/bench/runit"}},
	{"supervisord", false, []string{"supervisord", "-n", "-c", "/bench/supervisord.conf"}},
}

var program = []string{"/bench/stamp", "app", "sleep", "1000"}

// initFiles configure the supervisors, each with the shortest pause before a
// restart that it can be told.
func initFiles() []stack.Option {
	run := "#!/bin/sh\nexec " + strings.Join(program, " ") + "\n"
	return []stack.Option{
		stack.Program("/bench/s6/app/run", run), stack.Program("/bench/runit/app/run", run),
		stack.File("/bench/nullcard.yaml", `audio: {backend: "null"}
apps:
  - name: app
    command: [`+strings.Join(program, ", ")+`]
    restart: {policy: always, backoff: {initial: 1ms, max: 1ms}, storm: {failures: 1000, window: 1m}}
`),
		stack.File("/bench/supervisord.conf", `[supervisord]
user=root
logfile=/dev/null
logfile_maxbytes=0
pidfile=/run/supervisord.pid
[program:app]
command=`+strings.Join(program, " ")+`
autorestart=true
startsecs=0
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
`),
	}
}

// initResult is what was measured of one peer.
type initResult struct {
	Start   []time.Duration `json:"start_ns,omitempty"`   // container's first instruction → the program's
	Respawn []time.Duration `json:"respawn_ns,omitempty"` // kill -9 → the program's first instruction
	Zombie  []time.Duration `json:"zombie_ns,omitempty"`  // an orphan's end → its reaping
	Late    int             `json:"late,omitempty"`       // orphans not reaped within 2 s
	Idle    idleUse         `json:"idle"`
}

type idleUse struct {
	RSS     int           `json:"rss_kib"`
	CPU     time.Duration `json:"cpu_ns"`
	Wakeups int           `json:"wake_ups"`
	Seconds int           `json:"seconds"`
}

// delivery is what the supervisor of nullcard did with children of its own.
type delivery struct {
	Delivery []time.Duration `json:"delivery_ns"`
	Final    []time.Duration `json:"final_ns"`
	Wrong    int             `json:"wrong"`
	Orphans  int             `json:"orphans"`
	Oldest   time.Duration   `json:"oldest_zombie_ns"`
}

// initBench is what all measurements share.
type initBench struct {
	ctx     context.Context
	s       *stack.Stack
	o       initOptions
	image   string
	options []stack.Option
}

func benchInit(t stack.TB, o initOptions) error {
	ctx := t.Context()
	b := initBench{ctx: ctx, s: stack.New(t), o: o}
	var err error
	if b.image, err = buildPeers(ctx, o.base); err != nil {
		return err
	}
	b.options = append(initFiles(), stack.Network("none"), stack.User("0"), stack.Tmpfs("/run/nullcard"))
	for _, name := range []string{"stamp", "brood"} {
		binary, err := buildProgram(ctx, name)
		if err != nil {
			return err
		}
		b.options = append(b.options, stack.Program("/bench/"+name, binary))
	}
	if o.prefer {
		b.options = append(b.options, preferred())
	}
	results := map[string]*initResult{}
	for _, p := range peers {
		results[p.name] = &initResult{}
	}
	for range o.runs {
		for _, p := range peers {
			one, err := b.start(p)
			if err != nil {
				return err
			}
			results[p.name].Start = append(results[p.name].Start, one)
		}
	}
	for _, p := range peers {
		if err := b.watch(p, results[p.name]); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s: watched, load %s\n", p.name, load())
	}
	var d delivery
	if err := b.brood(&d, "/bench/brood", "supervise", strconv.Itoa(o.children)); err != nil {
		return err
	}
	caller, err := b.caller()
	if err != nil {
		return err
	}
	fmt.Print(initTable(o, results, d, caller))
	return keep(o.json, map[string]any{"cores": runtime.NumCPU(), "peers": results, "delivery": d, "one_caller": caller})
}

// debian is where the others come from.
const debian = "debian:trixie-slim"

// buildPeers makes an image with the others and base's nullcard.
func buildPeers(ctx context.Context, base string) (string, error) {
	const image = "nullcard/bench-init:dev"
	build := exec.CommandContext(ctx, "docker", "build", "--quiet", "--tag", image, "-")
	build.Stdin = strings.NewReader("FROM " + debian + "\n" +
		"RUN apt-get update -q && apt-get install -q -y --no-install-recommends tini dumb-init s6 runit supervisor && rm -rf /var/lib/apt/lists/*\n" +
		"COPY --from=" + base + " /usr/local/bin/nullcard /usr/local/bin/\n")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build an image with the other inits: %w\n%s", err, out)
	}
	return image, nil
}

func (b *initBench) create(image string, command ...string) (*stack.Container, error) {
	c := b.s.Create(b.ctx, image, append(b.options, stack.Entrypoint(command...))...)
	c.Start(b.ctx)
	if b.o.prefer {
		return c, preferAll()
	}
	return c, nil
}

var appStamp = regexp.MustCompile(`stamp app (\d+) (\d+)`)

// start measures one start.
func (b *initBench) start(p peer) (time.Duration, error) {
	command := append([]string{"/bench/stamp", "start"}, p.command...)
	if p.bare {
		command = append(command, program...)
	}
	c, err := b.create(b.image, command...)
	if err != nil {
		return 0, err
	}
	defer c.Remove(b.ctx)
	c.WaitLog(b.ctx, appStamp)
	one, err := parseStart(c.Logs(b.ctx).All)
	if err != nil {
		return 0, fmt.Errorf("cannot measure the start of %s: %w", p.name, err)
	}
	return one.App, nil
}

// killApp kills the program and tells when.
const killApp = `for p in /proc/[0-9]*; do
	read -r name <"$p/comm" 2>/dev/null && [ "$name" = sleep ] && date +%s%N && kill -9 "${p#/proc/}"
done; true`

// watch measures respawns and idle use, and reaping where p is a bare init.
func (b *initBench) watch(p peer, r *initResult) error {
	command := p.command
	if p.bare {
		command = append(append([]string{}, command...), program...)
	}
	c, err := b.create(b.image, command...)
	if err != nil {
		return err
	}
	defer c.Remove(b.ctx)
	c.WaitLog(b.ctx, appStamp)
	if err := b.pause(2 * time.Second); err != nil {
		return err
	}
	out := c.MustExec(b.ctx, stack.Cmd("/bench/brood", "idle", strconv.Itoa(b.o.idle))).Stdout
	if err := json.Unmarshal([]byte(out), &r.Idle); err != nil {
		return fmt.Errorf("cannot read what idle %s uses: %w", p.name, err)
	}
	if p.bare {
		return b.brood(r, append(p.command, "/bench/brood", "orphans", strconv.Itoa(b.o.children))...)
	}
	for range b.o.runs {
		c.Mark(b.ctx)
		killed := c.MustExec(b.ctx, stack.Shell(killApp)).Stdout
		m := c.WaitLog(b.ctx, appStamp)
		took, err := between(killed, m[2])
		if err != nil {
			return fmt.Errorf("cannot measure the respawn by %s: %w", p.name, err)
		}
		r.Respawn = append(r.Respawn, took)
		// runit and s6 start a program once a second at most.
		if err := b.pause(1200 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (b *initBench) pause(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-b.ctx.Done():
		return context.Cause(b.ctx)
	}
}

// between is the time between two moments in Unix nanoseconds.
func between(from, to string) (time.Duration, error) {
	a, err := strconv.ParseInt(strings.TrimSpace(from), 10, 64)
	z, zerr := strconv.ParseInt(strings.TrimSpace(to), 10, 64)
	return time.Duration(z - a), errors.Join(err, zerr)
}

// brood runs a container to its end and reads the JSON that it wrote.
func (b *initBench) brood(into any, command ...string) error {
	ctx, cancel := context.WithTimeout(b.ctx, 3*time.Minute)
	defer cancel()
	c, err := b.create(b.image, command...)
	if err != nil {
		return err
	}
	code := c.Wait(ctx)
	log := c.Logs(b.ctx)
	c.Remove(b.ctx)
	if code == 0 {
		err = json.Unmarshal([]byte(log.Stdout), into)
	}
	if code != 0 || err != nil {
		return fmt.Errorf("%s ended with exit code %d: %v\n%s", strings.Join(command, " "), code, err, log.All)
	}
	return nil
}

// caller is what nullcard with PulseAudio, a device, a caller and the API uses.
func (b *initBench) caller() (idleUse, error) {
	var u idleUse
	c, err := b.create(b.o.base, "nullcard", "run")
	if err != nil {
		return u, err
	}
	defer c.Remove(b.ctx)
	c.WaitExec(b.ctx, stack.Cmd("nullcard", "health"))
	if err := b.pause(3 * time.Second); err != nil {
		return u, err
	}
	out := c.MustExec(b.ctx, stack.Cmd("/bench/brood", "idle", strconv.Itoa(b.o.idle))).Stdout
	return u, json.Unmarshal([]byte(out), &u)
}
