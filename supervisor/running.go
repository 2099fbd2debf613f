package supervisor

import (
	"context"
	"fmt"
	"sync"
	"time"
)

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

// lastWord is how long a probe may take to say what it was waiting for after
// its time was up.
const lastWord = 100 * time.Millisecond

// taskPatience is how long a probe or check may take to notice that its context
// ended. On a virtual machine whose host was busy, checks in two containers were
// seen to take more than a second at once.
const taskPatience = 2 * time.Second

// awaitTasks waits for the probes of a run, which has been cancelled.
func (p *process) awaitTasks() {
	done := make(chan struct{})
	go func() { p.inst.tasks.Wait(); close(done) }()
	t := time.NewTimer(p.sup.within(taskPatience))
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
