package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stormTail is how many of its last lines explain a failed process.
const stormTail = 20

// tailClip is how much of each is shown, in bytes.
const tailClip = 400

// Options are what a Supervisor needs beside the processes. The zero value is
// usable.
type Options struct {
	// StopBudget is the time from the first stop signal until Run returns; 0
	// means DefaultStopBudget.
	StopBudget time.Duration
	// Signals delivers what CatchSignals caught: SIGTERM, SIGINT and SIGQUIT
	// stop, a second one of them stops at once with SIGKILL; SIGHUP, SIGUSR1
	// and SIGUSR2 go to the processes with Spec.Forward; others are ignored.
	Signals <-chan os.Signal
	// Logger gets one line for each event that an operator would act on; nil
	// means slog.Default(). Lines are written behind the events, by a goroutine
	// of their own: a log that is stuck holds up nothing.
	Logger *slog.Logger
	// Output is the sink for lines of processes whose Spec has none; nil
	// means that the last lines are kept for Tail, and that is all. The lines
	// of one process come one after the other, those of several at once.
	Output func(Line)
	// Event is told of every change of state, one after the other. It must
	// not block, nor wait for a process by Start, Stop or Restart.
	Event func(Event)
}

// Supervisor runs a fixed set of processes once.
type Supervisor struct {
	opts     Options
	log      *slog.Logger
	procs    []*process // each after all that it needs
	byName   map[string]*process
	plan     StopPlan
	launcher launcher
	random   func() float64
	ctx      context.Context // ends when Run does

	events sync.Mutex // keeps events in order

	mu        sync.Mutex
	changed   chan struct{} // closed when anything below or a status changes
	ran       bool
	over      bool
	stopping  bool
	force     bool
	stopCause string
	stopBegan time.Time
	outcome   *outcome // what ends Run, other than a request
}

type outcome struct {
	code int
	err  error
}

// EndError is a process whose end ended the supervisor.
type EndError struct {
	Process string
	Cause   string
	Exit    Exit
	Tail    []Line // its last lines
}

// Error has the last lines of the process below the cause.
func (e *EndError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.Process, e.Cause)
	if len(e.Tail) > 0 {
		b.WriteString("; its last lines were:")
		for _, l := range e.Tail {
			fmt.Fprintf(&b, "\n  %s", clip(l.Text, tailClip))
		}
	}
	return b.String()
}

func clip(b []byte, n int) string {
	if len(b) > n {
		return strings.ToValidUTF8(string(b[:n]), "�") + "…"
	}
	return strings.ToValidUTF8(string(b), "�")
}

// New checks specs as a whole and reports all problems at once: names that
// are missing or taken, unknown needs, needs in a circle.
func New(opts Options, specs []Spec) (*Supervisor, error) {
	sorted, err := order(specs)
	if err != nil {
		return nil, err
	}
	setDefault(&opts.StopBudget, DefaultStopBudget)
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	s := &Supervisor{
		opts:     opts,
		log:      opts.Logger,
		byName:   map[string]*process{},
		launcher: processes{},
		random:   rand.Float64,
		changed:  make(chan struct{}),
	}
	for _, i := range sorted {
		p := &process{spec: specs[i].withDefaults(), sup: s, wake: make(chan struct{}, 1)}
		for _, n := range p.spec.Needs {
			need := s.byName[n]
			p.needs = append(p.needs, need)
			need.dependents = append(need.dependents, p)
		}
		p.status = Status{Name: p.spec.Name, Needs: p.spec.Needs, Critical: p.spec.Critical}
		s.procs = append(s.procs, p)
		s.byName[p.spec.Name] = p
	}
	s.plan = SplitStop(specs, opts.StopBudget)
	return s, nil
}

func (s Spec) withDefaults() Spec {
	setDefault(&s.ReadyTimeout, DefaultReadyTimeout)
	setDefault(&s.Health.Interval, DefaultHealthInterval)
	setDefault(&s.Health.Timeout, DefaultHealthTimeout)
	setDefault(&s.Health.Failures, DefaultFailures)
	setDefault(&s.Stop.Signal, syscall.SIGTERM)
	setDefault(&s.Stop.Grace, DefaultGrace)
	s.Restart = s.Restart.withDefaults()
	return s
}

// Run starts the processes and keeps them running until it is told to stop by
// a signal or the end of ctx, a critical process has ended for good, one has
// failed too often, or nothing is left to run. It can be called once.
//
// The exit code is meant for os.Exit; docs/exit-codes.md has the table. The
// error tells why, and is nil after a requested stop and when a critical
// process ended with code 0.
func (s *Supervisor) Run(ctx context.Context) (exitCode int, err error) {
	s.mu.Lock()
	ran := s.ran
	s.ran = true
	s.mu.Unlock()
	if ran {
		return exitInternal, errors.New("cannot run: this supervisor has run before")
	}
	late := newLateLog()
	s.log = late.logger(s.opts.Logger)
	if err := adoptOrphans(); err != nil {
		s.log.Warn("orphans are not ours: this is not PID 1 and the system refuses a subreaper; what processes leave behind outside their groups may go on after the end", "error", err)
	}
	if _, real := s.launcher.(processes); real {
		children.acquire()
		defer children.release()
	}
	var cancel context.CancelFunc
	// Not ended by ctx: its end begins an orderly stop.
	s.ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.openOutputs()
	var loops sync.WaitGroup
	for _, p := range s.procs {
		loops.Go(p.loop)
	}
	ended := make(chan struct{})
	go func() { loops.Wait(); close(ended) }()

	s.attend(ctx, ended)
	defer s.flush(late)
	return s.result()
}

// result is what all has come to.
func (s *Supervisor) result() (exitCode int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.broadcast()
	if s.outcome != nil {
		return s.outcome.code, s.outcome.err
	}
	for _, p := range s.procs {
		if p.endCode != 0 {
			s.log.Error("not stopped well", "process", p.spec.Name, "cause", p.status.Cause, "exit_code", p.endCode)
			return p.endCode, fmt.Errorf("%s did not stop well: %s", p.spec.Name, p.status.Cause)
		}
	}
	return 0, nil
}

func (s *Supervisor) openOutputs() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.procs {
		sink := p.spec.Output
		if sink == nil {
			sink = s.opts.Output
		}
		p.out = newOutput(p.spec.Name, sink, func(lines, bytes uint64) {
			s.log.Warn("output dropped: its sink is too slow", "process", p.spec.Name, "lines", lines, "bytes", bytes)
		})
	}
}

// exitInternal is the exit code for a fault of the supervisor (sysexits.h).
const exitInternal = 70

// attend acts on signals and on what processes come to, until all have ended.
func (s *Supervisor) attend(ctx context.Context, ended <-chan struct{}) {
	done, signals := ctx.Done(), s.opts.Signals
	for {
		changed := s.verdict()
		select {
		case <-ended:
			return
		case <-done:
			done = nil
			s.stop(context.Cause(ctx).Error())
		case <-changed:
		case sig, ok := <-signals:
			if !ok {
				signals = nil
			}
			switch roleOf(sig) {
			case stopAsked:
				s.stop("got " + SignalName(sig.(syscall.Signal)))
			case forwarded:
				s.forward(sig.(syscall.Signal))
			}
		}
	}
}

// stop begins an orderly stop; a second one forces.
func (s *Supervisor) stop(cause string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		if !s.force && s.outcome == nil {
			s.log.Warn("stopping at once", "cause", cause)
		}
		s.force = true
	} else {
		s.log.Info("stopping", "cause", cause, "budget", s.opts.StopBudget)
		s.beginStop(cause)
	}
	s.wakeAll()
}

func (s *Supervisor) beginStop(cause string) {
	s.stopping, s.stopCause, s.stopBegan = true, cause, time.Now()
}

// finish is how a process ends the supervisor; the first one counts.
func (s *Supervisor) finish(process string, code int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return
	}
	s.outcome = &outcome{code, err}
	cause := process + " has ended with success"
	var end *EndError
	switch {
	case err == nil:
		s.log.Info("stopping", "cause", cause, "exit_code", code)
	case errors.As(err, &end):
		cause = end.Process + " " + end.Cause
		s.log.Error("stopping", "cause", cause, "exit_code", code)
		for _, l := range end.Tail {
			s.log.Error("last lines", "process", l.Process, "stream", l.Stream, "line", clip(l.Text, tailClip))
		}
	default:
		cause = err.Error()
		s.log.Error("stopping", "cause", cause, "exit_code", code)
	}
	s.beginStop(cause)
	s.wakeAll()
}

// verdict begins a stop when nothing is left to run, and returns the channel
// that tells of the next change.
func (s *Supervisor) verdict() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return s.changed
	}
	live := map[*process]bool{}
	any := false
	var failed *process
	for _, p := range s.procs {
		switch p.status.State {
		case Exited, Failed:
			live[p] = p.up || p.down || p.usable != 0
			any = any || p.up || p.down
			if failed == nil && p.status.State == Failed {
				failed = p
			}
			continue
		case Waiting:
			live[p] = true
			for _, n := range p.needs {
				live[p] = live[p] && live[n]
			}
		default:
			live[p] = true
		}
		any = any || live[p]
	}
	if any {
		return s.changed
	}
	s.outcome = &outcome{}
	cause := "nothing is left to run"
	if failed != nil {
		st := failed.status
		s.outcome.code = 1
		if st.LastExit != nil && !failed.spec.Restart.success(st.LastExit.Code) {
			s.outcome.code = st.LastExit.Code
		}
		cause += ": " + failed.spec.Name + " failed: " + st.Cause
		s.outcome.err = errors.New(cause)
	}
	s.log.Info("stopping", "cause", cause, "exit_code", s.outcome.code)
	s.beginStop(cause)
	s.wakeAll()
	return s.changed
}

func (s *Supervisor) forward(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.procs {
		if p.spec.Forward && p.alive && len(p.forward) < 16 {
			p.forward = append(p.forward, sig)
			p.rouse()
		}
	}
}

// flush gives sinks what is left of the stop budget, at least a moment.
func (s *Supervisor) flush(late *lateLog) {
	s.mu.Lock()
	left := time.Until(s.stopBegan.Add(s.opts.StopBudget))
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, max(left, budgetReserve))
	defer cancel()
	var wg sync.WaitGroup
	for _, p := range s.procs {
		wg.Go(func() { p.out.close(ctx) })
	}
	wg.Wait()
	late.close(ctx)
}

// within is d, cut to what is left of the stop budget while stopping.
func (s *Supervisor) within(d time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping {
		return d
	}
	return min(d, max(lastWord, time.Until(s.stopBegan.Add(s.opts.StopBudget))))
}

// rouse makes a process read its orders. It never blocks.
func (p *process) rouse() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (s *Supervisor) wakeAll() {
	for _, p := range s.procs {
		p.rouse()
	}
	s.broadcast()
}

func (s *Supervisor) broadcast() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// tellOthers wakes those that a change of p concerns.
func (p *process) tellOthers() {
	for _, d := range p.dependents {
		d.rouse()
	}
	for _, n := range p.needs {
		n.rouse()
	}
	p.sup.mu.Lock()
	defer p.sup.mu.Unlock()
	p.sup.broadcast()
}
