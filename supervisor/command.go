package supervisor

import (
	"context"
	"fmt"
	"strings"
)

// UnknownError is a command for a process that does not exist.
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("there is no process %q: there are %s", e.Name, strings.Join(e.Known, ", "))
}

func (s *Supervisor) find(name string) (*process, error) {
	p := s.byName[name]
	if p == nil {
		known := make([]string, len(s.procs))
		for i, p := range s.procs {
			known[i] = p.spec.Name
		}
		return nil, &UnknownError{name, known}
	}
	return p, nil
}

// Start starts a process that has ended or was stopped, and ends the pause of
// one that waits for its restart. It returns once the process is ready, or
// says why it is not.
func (s *Supervisor) Start(ctx context.Context, name string) error {
	return s.command(ctx, "start", name, func(p *process) {
		p.down = false
		p.up = p.status.State != Starting && p.status.State != Ready
	}, func(st Status, attempt int) (bool, error) { return upAgain(st, attempt, false) })
}

// Restart stops a process, after those that need it, and starts it again. It
// returns once the process is ready, or says why it is not.
func (s *Supervisor) Restart(ctx context.Context, name string) error {
	return s.command(ctx, "restart", name, func(p *process) {
		p.down = false
		if p.alive {
			p.again = "restart requested"
		} else {
			p.up = true
		}
	}, func(st Status, attempt int) (bool, error) { return upAgain(st, attempt, true) })
}

// Renew is Restart for a process that has lost something that the supervisor
// does not know of: it does not wait, and a process that does not run is left
// alone. The cause is told in the log.
func (s *Supervisor) Renew(name, cause string) error {
	p, err := s.find(name)
	if err != nil {
		return fmt.Errorf("cannot renew %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.alive && p.again == "" {
		p.again = cause
		p.rouse()
		s.broadcast()
	}
	return nil
}

// Stop stops a process, after those that need it, and keeps it down until it
// is started. It returns once the process has ended.
func (s *Supervisor) Stop(ctx context.Context, name string) error {
	return s.command(ctx, "stop", name, func(p *process) {
		p.down, p.up, p.again = true, false, ""
	}, func(st Status, _ int) (bool, error) {
		return st.State == Exited || st.State == Failed, nil
	})
}

// upAgain tells whether a start or restart has come to its end.
func upAgain(st Status, attempt int, another bool) (bool, error) {
	if another && st.Attempt == attempt {
		return false, nil
	}
	switch st.State {
	case Ready:
		return true, nil
	case Exited:
		if st.Attempt == attempt {
			return false, nil // not begun yet
		}
		if st.LastExit != nil && st.LastExit.Code != 0 {
			return true, fmt.Errorf("it ended: %s", st.Cause)
		}
		return true, nil
	case Failed, BackingOff:
		if st.Attempt == attempt {
			return false, nil
		}
		return true, fmt.Errorf("it failed: %s", st.Cause)
	}
	return false, nil
}

// command gives an order and waits until met says that it has been followed.
func (s *Supervisor) command(ctx context.Context, verb, name string, give func(*process), met func(Status, int) (bool, error)) error {
	p, err := s.find(name)
	if err != nil {
		return fmt.Errorf("cannot %s %s: %w", verb, name, err)
	}
	s.mu.Lock()
	attempt := p.status.Attempt
	if !s.ran || s.stopping {
		s.mu.Unlock()
		return fmt.Errorf("cannot %s %s: the supervisor does not run, or is about to end", verb, name)
	}
	give(p)
	p.rouse()
	s.broadcast()
	s.mu.Unlock()
	for {
		s.mu.Lock()
		st, changed, over := p.status, s.changed, s.over || s.stopping
		s.mu.Unlock()
		done, err := met(st, attempt)
		switch {
		case err != nil:
			return fmt.Errorf("cannot %s %s: %w", verb, name, err)
		case done:
			return nil
		case over:
			return fmt.Errorf("cannot %s %s: the supervisor is about to end", verb, name)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("cannot %s %s: it is %s: %w", verb, name, st.State, context.Cause(ctx))
		}
	}
}
