package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

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
		p.setCause("waits for " + o.missing)
		<-p.wake
	}
}

func (p *process) starting() stateFunc {
	p.attempt++
	ctx, cancel := context.WithCancelCause(p.sup.ctx)
	in := &instance{ctx: ctx, cancel: cancel}
	in.Attempt, in.spec, in.out, in.firstLine = p.attempt, &p.spec, p.out, p.out.total()
	p.inst, p.ending = in, ending{}
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
		p.sup.finish(p.spec.Name, se.Code, se)
		p.enter(Failed, err.Error(), exit)
		return p.ended
	}
	return p.next(true, err.Error(), exit, 0)
}
