package supervisor

import (
	"errors"
	"log/slog"
	"time"
)

// enter moves the process to another state and tells everybody.
func (p *process) enter(to State, cause string, exit *Exit) {
	s := p.sup
	s.events.Lock()
	defer s.events.Unlock()
	if !p.state.mayBecome(to) {
		s.log.Error("a transition that must not be: please report it", "process", p.spec.Name, "from", p.state, "to", to)
	}
	ev := Event{Time: time.Now(), Process: p.spec.Name, From: p.state, To: to, Cause: cause, Attempt: p.attempt, Exit: exit}
	if p.inst != nil {
		ev.PID = p.inst.PID
	}
	took := ev.Time.Sub(p.publish(ev))
	p.state = to
	p.tellOthers()
	p.logEvent(ev, took)
	if s.opts.Event != nil {
		s.opts.Event(ev)
	}
}

// publish makes the status true and returns since when the last state stood.
func (p *process) publish(ev Event) (since time.Time) {
	p.sup.mu.Lock()
	defer p.sup.mu.Unlock()
	st := &p.status
	since = st.Since
	st.State, st.Since, st.Cause = ev.To, ev.Time, ev.Cause
	switch ev.To {
	case Starting:
		if st.Attempt > 0 {
			st.Restarts++
		}
		st.Attempt = ev.Attempt
	case Ready:
		p.usable = ev.Attempt
	}
	if ev.Exit != nil {
		st.LastExit = ev.Exit
	}
	return since
}

func (p *process) setCause(cause string) {
	p.sup.mu.Lock()
	defer p.sup.mu.Unlock()
	p.status.Cause = cause
}

// started notes the process' number.
func (p *process) started(pid int) {
	p.sup.mu.Lock()
	p.status.PID = pid
	p.sup.mu.Unlock()
	p.sup.log.Info("process started", "process", p.spec.Name, "pid", pid, "attempt", p.attempt)
}

func (p *process) logEvent(ev Event, took time.Duration) {
	level, msg := slog.LevelDebug, "process "+string(ev.To)
	attrs := []slog.Attr{slog.String("process", ev.Process)}
	add := func(a ...slog.Attr) { attrs = append(attrs, a...) }
	switch ev.To {
	case Ready:
		level = slog.LevelInfo
		add(slog.Int("pid", ev.PID), slog.Duration("after", took.Round(100*time.Microsecond)))
	case Stopping:
		if p.ending.why != byItself {
			level = slog.LevelInfo
		}
		if p.ending.why == unfit {
			level = slog.LevelWarn
		}
		add(slog.Int("pid", ev.PID))
	case Waiting:
		if ev.From == Stopping {
			level, msg = slog.LevelInfo, "process stopped, to be started again"
		}
	case BackingOff:
		level, msg = slog.LevelWarn, "process ended, to be started again"
		add(slog.Duration("pause", p.pause.Round(time.Millisecond)))
	case Exited:
		level, msg = slog.LevelInfo, "process ended"
	case Failed:
		level, msg = slog.LevelError, "process failed"
		if p.sup.endedBy(p.spec.Name) {
			level = slog.LevelDebug // told already
		}
	}
	if ev.Attempt > 0 {
		add(slog.Int("attempt", ev.Attempt))
	}
	if ev.Cause != "" {
		add(slog.String("cause", ev.Cause))
	}
	if ev.Exit != nil && ev.From == Stopping && ev.Exit.String() != ev.Cause {
		add(slog.String("exit", ev.Exit.String()))
	}
	p.sup.log.LogAttrs(p.sup.ctx, level, msg, attrs...)
}

// Status is where all processes stand, each after those that it needs.
func (s *Supervisor) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Status, len(s.procs))
	for i, p := range s.procs {
		all[i] = p.status
		if p.out != nil {
			all[i].Dropped = p.out.droppedLines()
		}
	}
	return all
}

// Tail is the last n lines of a process, over all its runs, the oldest first;
// at most TailLines are kept.
func (s *Supervisor) Tail(name string, n int) ([]Line, error) {
	p, err := s.find(name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	out := p.out
	s.mu.Unlock()
	if out == nil {
		return nil, nil
	}
	return out.last(n), nil
}

// Orphans is how many children were reaped that no supervisor of this program
// had started.
func (s *Supervisor) Orphans() uint64 {
	n, _ := children.orphans()
	return n
}

// endedBy tells whether it was this process that ended the supervisor.
func (s *Supervisor) endedBy(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outcome == nil {
		return false
	}
	var end *EndError
	var start *StartError
	return errors.As(s.outcome.err, &end) && end.Process == name ||
		errors.As(s.outcome.err, &start) && start.Process == name
}
