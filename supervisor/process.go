package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// process is owned by the goroutine that runs its loop; what others read or
// ask for is guarded by the supervisor's lock.
type process struct {
	spec              Spec // with defaults
	sup               *Supervisor
	out               *output
	needs, dependents []*process
	wake              chan struct{} // something under the lock has changed

	// Guarded by sup.mu.
	status  Status
	gone    string // why the last run that was relied on is not usable
	usable  int    // the run that dependents may rely on; 0 means none
	alive   bool   // a run is on, from its preparation to its last member's end
	down    bool   // told to stay down
	again   bool   // told to replace the run that is on
	up      bool   // told to start, though ended
	forward []syscall.Signal
	endCode int // what a stop of the whole makes of this process

	// The goroutine's own.
	state    State
	attempt  int
	hist     history
	relies   []int // per need, the run that this one was started with
	pause    time.Duration
	inst     *instance
	ending   ending
	ranOnce  bool
	reported bool
}

// instance is a run with what belongs to it.
type instance struct {
	Instance
	group  group
	ctx    context.Context // ends when the run is over or to be ended
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup
	exit   *Exit
	ready  time.Time // zero until ready
}

// reason is why a run ends.
type reason int

const (
	byItself    reason = iota
	unfit              // not ready in time, or not healthy any more
	needLost           // something that it needs was lost
	toldToStop         // by a command
	toldToGoOn         // by a command, with another run
	supStopping        // with the whole supervisor
)

type ending struct {
	why   reason
	cause string
	kill  bool // at once: it is too far gone to be asked
	final bool // of the supervisor as well
}

// orders is what a process has been told and must know, read in one go.
type orders struct {
	why        reason // with cause, when stop is set
	stop       bool
	cause      string
	force      bool
	killAt     time.Time // zero unless the supervisor stops
	up         bool
	missing    string // a need that is not usable; empty when all are
	dependents bool   // a run of a dependent is on
	forward    []syscall.Signal
}

type stateFunc func() stateFunc

func (p *process) loop() {
	p.enter(Waiting, "", nil)
	for f := stateFunc(p.waiting); f != nil; {
		f = f()
	}
}

// look reads the orders.
func (p *process) look() orders {
	p.sup.mu.Lock()
	defer p.sup.mu.Unlock()
	return p.lookLocked()
}

func (p *process) lookLocked() orders {
	o := orders{up: p.up, force: p.sup.force, forward: p.forward}
	p.forward = nil
	for _, d := range p.dependents {
		o.dependents = o.dependents || d.alive
	}
	var lost string
	for i, n := range p.needs {
		if n.usable == 0 {
			o.missing = n.spec.Name
		}
		if p.alive && n.usable != p.relies[i] {
			lost = fmt.Sprintf("lost %s, which it needs: %s", n.spec.Name, n.gone)
		}
	}
	switch {
	case p.sup.stopping:
		o.stop, o.why, o.cause = true, supStopping, p.sup.stopCause
		o.killAt = p.sup.stopBegan.Add(p.sup.plan.Kill[p.spec.Name])
	case p.down:
		o.stop, o.why, o.cause = true, toldToStop, "stop requested"
	case p.again:
		o.stop, o.why, o.cause = true, toldToGoOn, "restart requested"
	case lost != "":
		o.stop, o.why, o.cause = true, needLost, lost
	}
	return o
}

// claim begins a run, unless something speaks against it.
func (p *process) claim() (orders, bool) {
	p.sup.mu.Lock()
	defer p.sup.mu.Unlock()
	p.again = false
	o := p.lookLocked()
	if o.stop || o.missing != "" {
		return o, false
	}
	p.alive, p.up, p.endCode = true, false, 0
	p.relies = make([]int, len(p.needs))
	for i, n := range p.needs {
		p.relies[i] = n.usable
	}
	return o, true
}

func (p *process) waiting() stateFunc {
	for {
		o, ok := p.claim()
		switch {
		case ok:
			return p.starting
		case o.stop:
			p.enter(Exited, o.cause, nil)
			return p.ended
		}
		p.setCause(fmt.Sprintf("waits for %s", o.missing))
		<-p.wake
	}
}

func (p *process) starting() stateFunc {
	p.attempt++
	ctx, cancel := context.WithCancelCause(p.sup.ctx)
	in := &instance{ctx: ctx, cancel: cancel}
	in.Attempt, in.spec, in.out, in.firstLine = p.attempt, &p.spec, p.out, p.out.total()
	p.inst = in
	p.enter(Starting, "", nil)

	if p.spec.Prepare != nil {
		ctx, cancel := context.WithTimeout(ctx, p.spec.ReadyTimeout)
		prepared := in.task(func() error { return p.spec.Prepare(ctx) })
		for waiting := true; waiting; {
			select {
			case err := <-prepared:
				if err != nil {
					cancel()
					return p.notStarted(fmt.Errorf("cannot prepare: %w", err))
				}
				waiting = false
			case <-p.wake:
				if o := p.look(); o.stop {
					in.cancel(errors.New(o.cause))
					p.awaitTasks()
					cancel()
					return p.calledOff(o)
				}
			}
		}
		cancel()
	}
	if o := p.look(); o.stop {
		return p.calledOff(o)
	}

	g, err := p.sup.launcher.launch(&p.spec, p.out)
	if err != nil {
		return p.notStarted(err)
	}
	p.ranOnce = true
	in.group = g
	in.PID, in.Started, in.Stdin = g.pid(), time.Now(), g.stdin()
	p.started(in.PID)

	ctx, cancelProbes := context.WithTimeoutCause(in.ctx, p.spec.ReadyTimeout, fmt.Errorf("not ready within %v", p.spec.ReadyTimeout))
	defer cancelProbes()
	probes := p.probes(ctx)
	if len(probes) == 0 && !p.spec.Oneshot {
		return p.ready
	}
	var probe <-chan error
	var late <-chan time.Time
	if len(probes) > 0 && !p.spec.Oneshot {
		probe = in.task(func() error {
			for _, f := range probes {
				if err := f(); err != nil {
					return err
				}
			}
			return nil
		})
		t := time.NewTimer(p.spec.ReadyTimeout + lastWord)
		defer t.Stop()
		late = t.C
	}
	for {
		select {
		case ex := <-g.exited():
			return p.stop(p.ownEnd(ex))
		case err := <-probe:
			if err == nil {
				return p.ready
			}
			select {
			case ex := <-g.exited(): // the better explanation
				return p.stop(p.ownEnd(ex))
			default:
			}
			return p.stop(ending{why: unfit, cause: "not ready: " + err.Error()})
		case <-late:
			return p.stop(ending{why: unfit, cause: fmt.Sprintf("not ready within %v", p.spec.ReadyTimeout)})
		case <-p.wake:
			if o := p.attend(); o.stop {
				return p.stop(ending{why: o.why, cause: o.cause})
			}
		}
	}
}

// probes are what must succeed for a run to be ready.
func (p *process) probes(ctx context.Context) (probes []func() error) {
	if p.spec.Notify.wanted() {
		probes = append(probes, func() error { return p.inst.group.notified(ctx) })
	}
	if p.spec.Ready != nil {
		probes = append(probes, func() error { return p.spec.Ready(ctx, &p.inst.Instance) })
	}
	return probes
}

// attend reads the orders while a process is there, and forwards signals.
func (p *process) attend() orders {
	o := p.look()
	for _, sig := range o.forward {
		if err := p.inst.group.signal(sig); err != nil {
			p.sup.log.Warn("signal not forwarded", "process", p.spec.Name, "error", err)
		}
	}
	return o
}

func (p *process) ownEnd(ex Exit) ending {
	p.inst.exit = &ex
	return ending{why: byItself, cause: ex.String()}
}

func (p *process) ready() stateFunc {
	in := p.inst
	in.ready = time.Now()
	p.enter(Ready, "", nil)
	h := newHealthWatch(p.spec.Health, in)
	defer h.stop()
	for {
		select {
		case ex := <-in.group.exited():
			return p.stop(p.ownEnd(ex))
		case <-p.wake:
			if o := p.attend(); o.stop {
				return p.stop(ending{why: o.why, cause: o.cause})
			}
		case <-h.tick():
			h.begin()
		case err := <-h.result():
			h.returned(err)
		case <-h.overdue():
			h.late()
		}
		if h.problem == nil {
			continue
		}
		p.sup.log.Warn("health check failed", "process", p.spec.Name, "failures", h.failures, "of", p.spec.Health.Failures, "error", h.problem)
		if h.lost() {
			return p.stop(ending{
				why:   unfit,
				cause: fmt.Sprintf("health check failed %d times: %v", h.failures, h.problem),
				kill:  p.spec.Health.Kill,
				final: p.spec.Health.Exit,
			})
		}
		h.problem = nil
	}
}

// stop remembers why and goes on to stopping.
func (p *process) stop(e ending) stateFunc {
	p.ending = e
	return p.stopping
}

// task runs f beside the process' goroutine, for as long as the instance.
func (in *instance) task(f func() error) <-chan error {
	result := make(chan error, 1)
	in.tasks.Go(func() { result <- f() })
	return result
}

// lastWord is how long a probe or check may take to say what it was waiting
// for after its time was up.
const lastWord = 100 * time.Millisecond

// taskPatience is how long a probe may take to notice that its context ended.
const taskPatience = 2 * time.Second

// awaitTasks waits for the probes of a run, which has been cancelled.
func (p *process) awaitTasks() {
	done := make(chan struct{})
	go func() { p.inst.tasks.Wait(); close(done) }()
	t := time.NewTimer(taskPatience)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		if !p.reported {
			p.reported = true
			p.sup.log.Error("a probe goes on though its context has ended; left behind", "process", p.spec.Name)
		}
	}
}

// calledOff ends a start of which no process came.
func (p *process) calledOff(o orders) stateFunc {
	p.inst.cancel(errors.New(o.cause))
	p.rest()
	if o.why == supStopping || o.why == toldToStop {
		p.enter(Exited, o.cause, nil)
		return p.ended
	}
	p.enter(Waiting, o.cause, nil)
	return p.waiting
}

// notStarted ends a start that failed.
func (p *process) notStarted(err error) stateFunc {
	p.inst.cancel(err)
	p.awaitTasks()
	p.rest()
	var perm *permanentError
	permanent := errors.As(err, &perm)
	se := startError(p.spec.Name, err)
	if se.Process == "" {
		se.Process = p.spec.Name
	}
	exit := &Exit{Code: se.Code}
	if permanent && !p.ranOnce {
		p.sup.finish(se.Code, se)
		p.enter(Failed, err.Error(), exit)
		return p.ended
	}
	return p.next(true, err.Error(), exit, 0)
}

// rest tells that no run is on.
func (p *process) rest() {
	p.sup.mu.Lock()
	p.alive, p.usable, p.status.PID = false, 0, 0
	p.sup.mu.Unlock()
	p.tellOthers()
}

func (p *process) backoff() stateFunc {
	t := time.NewTimer(p.pause)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.enter(Waiting, "", nil)
			return p.waiting
		case <-p.wake:
			o := p.look()
			switch {
			case o.stop && (o.why == supStopping || o.why == toldToStop):
				p.enter(Exited, o.cause, nil)
				return p.ended
			case o.up || o.why == toldToGoOn && o.stop:
				p.enter(Waiting, "start requested", nil)
				return p.waiting
			}
		}
	}
}

// ended waits in exited or failed for another start.
func (p *process) ended() stateFunc {
	for {
		o := p.look()
		switch {
		case o.stop && o.why == supStopping:
			return nil
		case o.up:
			p.hist = history{}
			p.enter(Waiting, "start requested", nil)
			return p.waiting
		}
		<-p.wake
	}
}

// next follows a run that ended by itself or that was unfit. What ends the
// supervisor is told before the state: else nothing might be left to run.
func (p *process) next(failed bool, cause string, exit *Exit, healthy time.Duration) stateFunc {
	v := p.spec.Restart.decide(&p.hist, time.Now(), failed, healthy, p.sup.random())
	code := exit.Code
	if failed && p.spec.Restart.success(code) {
		code = 1 // it was asked to end because it was unfit: no success
	}
	switch {
	case p.ending.final:
		p.sup.finish(code, &EndError{Process: p.spec.Name, Exit: *exit, Cause: "was lost: " + cause, Tail: p.out.last(stormTail)})
		p.enter(Failed, cause, exit)
	case v.again:
		p.pause = v.pause
		p.enter(BackingOff, cause, exit)
		return p.backoff
	case v.storm:
		storm := p.spec.Restart.Storm
		p.sup.finish(code, &EndError{Process: p.spec.Name, Exit: *exit, Tail: p.out.last(stormTail),
			Cause: fmt.Sprintf("failed %d times within %v, the last time with: %s", storm.Failures, storm.Window, cause)})
		p.enter(Failed, fmt.Sprintf("%d failures within %v, the last: %s", storm.Failures, storm.Window, cause), exit)
	case failed:
		if p.spec.Critical {
			p.sup.finish(code, &EndError{Process: p.spec.Name, Exit: *exit, Cause: "failed: " + cause})
		}
		p.enter(Failed, cause, exit)
	default:
		if p.spec.Critical {
			var err error
			if code != 0 {
				err = &EndError{Process: p.spec.Name, Exit: *exit, Cause: "ended: " + cause}
			}
			p.sup.finish(code, err)
		}
		p.enter(Exited, cause, exit)
	}
	return p.ended
}
