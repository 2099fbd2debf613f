package supervisor

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// stopping ends the run that is on and whatever its leader left behind.
func (p *process) stopping() stateFunc {
	in, e := p.inst, p.ending
	if e.kill {
		// First of all: its dependents cannot quit while they hang on it.
		p.killGroup()
	}
	p.enter(Stopping, e.cause, in.exit)
	in.cancel(errors.New(e.cause))
	if e.kill {
		ctx, cancel := context.WithTimeout(p.sup.ctx, killWait)
		_ = in.group.awaitEmpty(ctx)
		cancel()
	}
	p.withdraw()

	killed := e.kill
	if in.exit == nil && !e.kill {
		p.awaitDependents()
	}
	killed = p.end(killed)

	in.group.close() // also what probes may hang on
	p.awaitTasks()
	p.rest()
	return p.concluded(killed)
}

// awaitDependents waits until no run of a dependent is on, so that they can
// say goodbye over what this process gives them.
func (p *process) awaitDependents() {
	late := time.NewTimer(0)
	defer late.Stop()
	for {
		o := p.attend()
		if !o.dependents || o.force {
			return
		}
		late.Stop()
		if !o.killAt.IsZero() {
			late.Reset(time.Until(o.killAt))
		}
		select {
		case ex := <-p.inst.group.exited(): // nothing left to rely on
			p.inst.exit = &ex
			return
		case <-late.C:
			return
		case <-p.wake:
		}
	}
}

// end asks the process to end and kills its group after its grace. It returns
// whether that was needed, once the group is empty.
func (p *process) end(killed bool) bool {
	in := p.inst
	began, grace := time.Now(), p.spec.Stop.Grace
	if killed {
		grace = killWait
	}
	var asked, gone <-chan error
	signalled := false
	sendSignal := func() {
		if signalled || killed {
			return
		}
		signalled = true
		if err := in.group.signal(p.spec.Stop.Signal); err != nil {
			p.sup.log.Warn("process not asked to stop", "process", p.spec.Name, "error", err)
		}
		// What is suspended acts on no signal until continued.
		_ = in.group.signal(syscall.SIGCONT)
	}
	askCtx, cancelAsk := context.WithTimeout(p.sup.ctx, grace)
	defer cancelAsk()
	gctx, cancelGone := context.WithCancel(p.sup.ctx)
	defer cancelGone()

	switch {
	case in.exit != nil || killed:
	case p.spec.Stop.Ask != nil:
		asked = in.task(func() error { return p.spec.Stop.Ask(askCtx, &in.Instance) })
	default:
		sendSignal()
	}
	exited := in.group.exited()
	limit := time.NewTimer(0)
	defer limit.Stop()
	for {
		if in.exit != nil {
			exited = nil
			if in.group.empty() {
				return killed
			}
			sendSignal()
			if gone == nil {
				gone = in.task(func() error { return in.group.awaitEmpty(gctx) })
			}
		}
		o := p.attend()
		until := began.Add(grace)
		if !killed && !o.killAt.IsZero() && o.killAt.Before(until) {
			until = o.killAt
		}
		switch now := time.Now(); {
		case !killed && (o.force || !now.Before(until)):
			killed = true
			cancelAsk()
			p.killGroup()
			began, grace = now, killWait
			until = now.Add(killWait)
		case killed && !now.Before(until):
			p.sup.log.Error("process group does not end, though killed: a member hangs in the kernel; left behind",
				"process", p.spec.Name, "pgid", in.PID)
			return killed
		}
		limit.Reset(time.Until(until))
		select {
		case ex := <-exited:
			in.exit = &ex
		case err := <-gone:
			if err == nil {
				return killed
			}
		case err := <-asked:
			asked = nil
			if err != nil && in.exit == nil {
				p.sup.log.Warn("process could not be asked to stop, signalled instead", "process", p.spec.Name, "error", err)
				sendSignal()
			}
		case <-limit.C:
		case <-p.wake:
		}
	}
}

func (p *process) killGroup() {
	if err := p.inst.group.signal(syscall.SIGKILL); err != nil {
		p.sup.log.Error("process not killed", "process", p.spec.Name, "error", err)
	}
}

// withdraw tells dependents that this run is not to be relied on any more.
func (p *process) withdraw() {
	p.sup.mu.Lock()
	p.usable, p.gone = 0, p.ending.cause
	p.sup.mu.Unlock()
	p.tellOthers()
}

// concluded says what follows a run that has ended.
func (p *process) concluded(killed bool) stateFunc {
	in, e := p.inst, p.ending
	exit := in.exit
	if exit == nil { // it could not be killed
		exit = &Exit{Code: 128 + int(syscall.SIGKILL), Signal: syscall.SIGKILL}
	}
	var healthy time.Duration
	if !in.ready.IsZero() {
		healthy = time.Since(in.ready)
	}
	success := p.spec.Restart.success(exit.Code)
	if o := p.look(); o.stop && (o.why == supStopping || o.why == toldToStop) {
		cause := o.cause
		switch {
		case e.why == byItself:
			cause = e.cause
		case killed:
			cause += "; killed, because it did not end in time"
		}
		p.setEndCode(killed, exit)
		p.enter(Exited, cause, exit)
		return p.ended
	}
	if e.why == byItself && p.spec.ExitCode != nil {
		settled, cancel := context.WithTimeout(p.sup.ctx, taskPatience)
		p.out.settle(settled)
		cancel()
		if code := p.spec.ExitCode(&in.Instance, exit.Code); code != exit.Code {
			counted := *exit // others may hold the original
			counted.Code = code
			exit = &counted
			e.cause = fmt.Sprintf("%s, counted as exit code %d", e.cause, code)
			success = p.spec.Restart.success(code)
		}
	}
	switch e.why {
	case needLost, toldToGoOn, toldToStop: // told to stop, but to start since
		p.enter(Waiting, e.cause, exit)
		return p.waiting
	case byItself:
		if p.spec.Oneshot && success {
			p.sup.mu.Lock()
			p.usable = in.Attempt
			p.sup.mu.Unlock()
			if p.spec.Critical {
				p.sup.finish(p.spec.Name, 0, nil)
			}
			p.enter(Exited, "done", exit)
			return p.ended
		}
		return p.next(!success, e.cause, exit, healthy)
	default:
		return p.next(true, e.cause, exit, healthy)
	}
}

// setEndCode notes what this process makes of the exit code of a requested
// stop: a process that obeys the signal it was sent has done well.
func (p *process) setEndCode(killed bool, exit *Exit) {
	code := 0
	obeyed := exit.Code == 128+int(p.spec.Stop.Signal)
	switch {
	case killed:
		code = 128 + int(syscall.SIGKILL)
	case p.spec.Critical && !obeyed && !p.spec.Restart.success(exit.Code):
		code = exit.Code
	}
	p.sup.mu.Lock()
	p.endCode = code
	p.sup.mu.Unlock()
}
