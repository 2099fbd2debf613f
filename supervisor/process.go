package supervisor

import (
	"fmt"
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
	again   string // why the run that is on is to be replaced, if it is
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

// orders is what a process has been told and must know, read in one go.
type orders struct {
	why        reason // with cause, when stop is set
	stop       bool
	cause      string
	force      bool
	killAt     time.Time // zero unless the supervisor stops
	up         bool
	missing    string // what the process waits for; empty when all needs are usable
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
			o.missing = n.absence()
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
	case p.again != "":
		o.stop, o.why, o.cause = true, toldToGoOn, p.again
	case lost != "":
		o.stop, o.why, o.cause = true, needLost, lost
	}
	return o
}

// absence tells that the process cannot be relied on, and why if it will not
// come by itself.
func (p *process) absence() string {
	switch st := p.status; {
	case st.State == Failed:
		return fmt.Sprintf("%s, which failed: %s", p.spec.Name, st.Cause)
	case st.State == Exited:
		return fmt.Sprintf("%s, which has ended: %s", p.spec.Name, st.Cause)
	}
	return p.spec.Name
}

// claim begins a run, unless something speaks against it.
func (p *process) claim() (orders, bool) {
	p.sup.mu.Lock()
	defer p.sup.mu.Unlock()
	p.again = ""
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

// rest tells that no run is on.
func (p *process) rest() {
	p.sup.mu.Lock()
	p.alive, p.usable, p.status.PID = false, 0, 0
	p.sup.mu.Unlock()
	p.tellOthers()
}
