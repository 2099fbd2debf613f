package supervisor

import (
	"fmt"
	"syscall"
	"time"
)

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
	if p.ending.why == unfit && (p.spec.Restart.success(code) || code == 128+int(p.spec.Stop.Signal) || exit.Signal == syscall.SIGKILL) {
		code = 1 // it only did as it was told
	}
	switch {
	case p.ending.final:
		p.sup.finish(p.spec.Name, code, &EndError{Process: p.spec.Name, Exit: *exit, Cause: "was lost: " + cause, Tail: p.out.last(stormTail)})
		p.enter(Failed, cause, exit)
	case v.again:
		p.pause = v.pause
		p.enter(BackingOff, cause, exit)
		return p.backoff
	case v.storm:
		storm := p.spec.Restart.Storm
		p.sup.finish(p.spec.Name, code, &EndError{Process: p.spec.Name, Exit: *exit, Tail: p.out.last(stormTail),
			Cause: fmt.Sprintf("failed %d times within %v, the last time with: %s", storm.Failures, storm.Window, cause)})
		p.enter(Failed, fmt.Sprintf("%d failures within %v, the last: %s", storm.Failures, storm.Window, cause), exit)
	case failed:
		if p.spec.Critical {
			p.sup.finish(p.spec.Name, code, &EndError{Process: p.spec.Name, Exit: *exit, Cause: "failed: " + cause})
		}
		p.enter(Failed, cause, exit)
	default:
		if p.spec.Critical {
			var err error
			if code != 0 {
				err = &EndError{Process: p.spec.Name, Exit: *exit, Cause: "ended: " + cause}
			}
			p.sup.finish(p.spec.Name, code, err)
		}
		p.enter(Exited, cause, exit)
	}
	return p.ended
}
