// Package caller runs pjsua, the SIP softphone of PJSIP, as a supervised
// process: it writes its configuration file, holds its console, reads its log
// as typed events and explains its errors.
//
//	c, err := caller.New(cfg.Callers[0], caller.Options{Dir: dir, Rate: 16000, Env: env})
//	if err != nil {
//		return err // a configuration problem: exit 78
//	}
//	specs = append(specs, c.Spec())
//
// What is said here about pjsua was read in, or measured with, version 2.17.
//
// pjsua writes the text of a SIP MESSAGE to the log as it came, line ends and
// all, so whoever can send it one can forge events. Where that matters, let the
// proxy drop MESSAGE.
package caller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nullcard/nullcard/config"
	"github.com/nullcard/nullcard/supervisor"
)

// StopGrace is how long pjsua may take to hang up, unregister and quit. With a
// registrar that answers it takes 1 to 2 s, with one that does not 4 s, which
// is pjsua's own limit.
const StopGrace = 4500 * time.Millisecond

// quitPatience is how long of that its own way to quit may take.
const quitPatience = 3500 * time.Millisecond

// Exit codes of a pjsua that never got to its prompt; its own is 0 even then.
// They are those of sysexits.h.
const (
	ExitUnavailable = 69 // a port or device could not be had
	ExitConfig      = 78 // pjsua refused an option
)

// Program is the one that callers run unless told otherwise.
const Program = "pjsua"

// Options are what a Caller needs beside its part of the configuration.
type Options struct {
	// Dir is where the configuration file is written; it is made with mode 0700.
	Dir string
	// Rate is that of the caller's device, in Hz.
	Rate int
	// NullAudio runs pjsua without a sound device.
	NullAudio bool
	// Env is pjsua's whole environment, as "KEY=value", with PULSE_SERVER,
	// PULSE_SINK and PULSE_SOURCE. Of a variable given twice the last counts.
	Env []string
	// Needs are the processes that must be ready first.
	Needs []string
	// Critical makes the caller's end the supervisor's end.
	Critical bool
	// Program is pjsua's name or path; empty means Program.
	Program string
	// Output receives pjsua's lines, without the console's menu. It must not
	// block for long; nil discards them.
	Output func(supervisor.Line)
	// Events receives what is understood of them. It must not block; nil is fine.
	Events func(Event)
	// Logger is told of failures, with cause and cure; nil means slog.Default.
	Logger *slog.Logger
}

// Caller is one pjsua with its account. Its methods may be used from several
// goroutines.
type Caller struct {
	cfg config.Caller
	opt Options

	mu  sync.Mutex
	run *run
}

// New checks everything that can be known before a start, the password file
// included, so that an error here is one of configuration.
func New(cfg config.Caller, opt Options) (*Caller, error) {
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.Program == "" {
		opt.Program = Program
	}
	if opt.Output == nil {
		opt.Output = func(supervisor.Line) {}
	}
	if cfg.Name == "" || cfg.Name != filepath.Base(cfg.Name) {
		return nil, fmt.Errorf("caller %q: the name must be that of a file, without a slash", cfg.Name)
	}
	opt.Env = lastWins(opt.Env)
	c := &Caller{cfg: cfg, opt: opt, run: newRun(isJob(cfg))}
	if _, err := c.file(); err != nil {
		return nil, err
	}
	return c, nil
}

// lastWins drops variables that are set again later: of two, C programs see the
// first.
func lastWins(env []string) []string {
	last := map[string]int{}
	for i, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		last[name] = i
	}
	var left []string
	for i, kv := range env {
		if name, _, _ := strings.Cut(kv, "="); last[name] == i {
			left = append(left, kv)
		}
	}
	return left
}

// Name is the caller's name, which is its process' name too.
func (c *Caller) Name() string { return c.cfg.Name }

// Spec says how the caller's pjsua is run.
func (c *Caller) Spec() supervisor.Spec {
	r := c.cfg.Restart
	var limit time.Duration
	if c.cfg.SIP.Registrar != "" {
		limit = registrationLimit
	}
	return supervisor.Spec{
		Name:    c.cfg.Name,
		Command: []string{c.opt.Program, "--config-file=" + c.path()},
		Env:     c.opt.Env,
		Stdin:   true,
		Prepare: c.prepare,
		Needs:   c.opt.Needs,
		Ready:   c.ready,

		ReadyTimeout: limit,

		Health:   supervisor.Health{Check: c.healthy, Interval: time.Second, Failures: 1},
		Stop:     supervisor.Stop{Ask: c.quit, Grace: StopGrace},
		ExitCode: c.exitCode,
		Output:   c.output,
		Critical: c.opt.Critical,
		Restart: supervisor.Restart{
			Policy: supervisor.Policy(r.Policy),
			Backoff: supervisor.Backoff{
				Initial: time.Duration(r.Backoff.Initial),
				Max:     time.Duration(r.Backoff.Max),
			},
			Storm: supervisor.Storm{
				Failures: r.Storm.Failures,
				Window:   time.Duration(r.Storm.Window),
			},
		},
	}
}

func (c *Caller) path() string { return filepath.Join(c.opt.Dir, c.cfg.Name+".conf") }

// file returns the configuration file as it has to be right now; the password
// may have been replaced since the last start.
func (c *Caller) file() ([]byte, error) {
	args, err := arguments(c.cfg, c.opt)
	if err != nil {
		return nil, fmt.Errorf("caller %s: %w", c.cfg.Name, err)
	}
	file, err := encode(args)
	if err != nil {
		return nil, fmt.Errorf("caller %s: cannot write pjsua's configuration file: %w", c.cfg.Name, err)
	}
	return file, nil
}

func (c *Caller) prepare(context.Context) error {
	file, err := c.file()
	if err != nil {
		return err
	}
	if err := writePrivate(c.path(), file); err != nil {
		return fmt.Errorf("caller %s: cannot write pjsua's configuration file: %w", c.cfg.Name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.run
	c.run = newRun(isJob(c.cfg))
	old.end()
	return nil
}

// isJob tells whether pjsua is to end when its call has ended.
func isJob(cfg config.Caller) bool {
	return cfg.Dial != "" && cfg.Restart.Policy == string(supervisor.Never)
}

func (c *Caller) current() *run {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.run
}

// ready waits until pjsua reads its console, and, if that is wanted, until the
// registrar has accepted the account.
func (c *Caller) ready(ctx context.Context, inst *supervisor.Instance) error {
	r := c.current()
	if err := r.console.attach(ctx, inst.Stdin); err != nil {
		return err
	}
	prompt, cancel := context.WithTimeout(ctx, supervisor.DefaultReadyTimeout)
	defer cancel()
	select {
	case <-r.started:
	case <-prompt.Done():
		if why := r.failure(); why != "" {
			return fmt.Errorf("pjsua did not start: %s", why)
		}
		return fmt.Errorf("pjsua did not start: %w", context.Cause(prompt))
	}
	if c.cfg.SIP.Registrar != "" {
		return c.awaitRegistration(ctx, r)
	}
	return nil
}

// healthy reports a sound device that is lost for this run of pjsua (measured, it
// never opens it again) and a pjsua that hangs. A registrar is no reason to restart: here, where
// time passes, the account is registered again when that is due.
func (c *Caller) healthy(ctx context.Context, _ *supervisor.Instance) error {
	r := c.current()
	if fault := r.audioFault(); fault != "" {
		return fmt.Errorf("sound is lost: %s", fault)
	}
	if r.registerAgain(time.Now()) {
		if err := r.console.send(ctx, "rr"); err != nil {
			return err
		}
	}
	return r.console.check(ctx)
}

// quit makes pjsua hang up, unregister and end; on SIGTERM it would just die.
// For a registrar that does not answer pjsua waits for 4 s. The error that quit
// returns then lets the supervisor send SIGTERM, with all said that could be.
func (c *Caller) quit(ctx context.Context, inst *supervisor.Instance) error {
	r := c.current()
	r.quits()
	if err := r.console.attach(ctx, inst.Stdin); err != nil {
		return err
	}
	if err := r.console.send(ctx, "q"); err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, quitPatience)
	defer cancel()
	if last, _, _ := r.registration(); c.cfg.SIP.Registrar != "" && last.Kind != Registered {
		r.awaitNoCalls(patience)
		if ctx.Err() != nil {
			return nil
		}
		return errors.New("not registered, so there is nothing to wait for")
	}
	<-patience.Done()
	if ctx.Err() != nil {
		return nil // it has ended
	}
	return fmt.Errorf("it has not quit within %v", quitPatience)
}

func (c *Caller) exitCode(_ *supervisor.Instance, code int) int {
	return c.current().exitCode(code)
}

// output takes one line of pjsua's: events first, so that whoever sees the line
// can rely on the state.
func (c *Caller) output(line supervisor.Line) {
	r := c.current()
	event, understood, show := r.observe(line)
	if understood {
		event.Caller = c.cfg.Name
		c.report(event)
	}
	if show != nil {
		line.Text = show
		c.opt.Output(line)
	}
	if r.jobOver() {
		if err := r.console.sendLater(context.Background(), "q"); err != nil {
			c.opt.Logger.Error("cannot end pjsua after its call", "caller", c.cfg.Name, "err", err)
		}
	}
}

// Observe takes a line of pjsua's output and returns the event that it
// completes, if any. The caller's own process is observed without it.
func (c *Caller) Observe(line supervisor.Line) (Event, bool) {
	event, understood, _ := c.current().observe(line)
	event.Caller = c.cfg.Name
	return event, understood
}

func (c *Caller) report(event Event) {
	if event.Cause != "" && c.current().first(event.Cause) {
		c.opt.Logger.Warn(event.Cause, "caller", c.cfg.Name, "cure", event.Cure,
			"pjsua", strings.TrimSpace(event.Text))
	}
	if c.opt.Events != nil {
		c.opt.Events(event)
	}
}
