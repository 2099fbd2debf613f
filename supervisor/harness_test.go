package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// run is a supervisor under test.
type run struct {
	*Supervisor
	t       *testing.T
	signals chan os.Signal
	code    int
	err     error
	done    chan struct{}

	mu     sync.Mutex
	more   chan struct{}
	events []Event
	lines  []Line
}

// begin runs specs until the end of the test at the latest. Specs without an
// environment get the helper's, without a restart pause a short one.
func begin(t *testing.T, opts Options, specs ...Spec) *run {
	t.Helper()
	r := &run{t: t, signals: make(chan os.Signal, 8), done: make(chan struct{}), more: make(chan struct{})}
	opts.Signals = r.signals
	opts.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	opts.Event = func(e Event) { r.note(func() { r.events = append(r.events, e) }) }
	if opts.Output == nil {
		opts.Output = func(l Line) { r.note(func() { r.lines = append(r.lines, l) }) }
	}
	for i := range specs {
		if specs[i].Env == nil {
			specs[i].Env = helperEnv()
		}
		if specs[i].Restart.Backoff.Initial == 0 {
			specs[i].Restart.Backoff.Initial = time.Millisecond
		}
	}
	s, err := New(opts, specs)
	if err != nil {
		t.Fatal(err)
	}
	r.Supervisor = s
	go func() {
		defer close(r.done)
		r.code, r.err = s.Run(t.Context())
	}()
	t.Cleanup(func() { <-r.done }) // t.Context has ended by then
	return r
}

func (r *run) note(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.more)
	r.more = make(chan struct{})
}

const patience = 20 * time.Second

// until waits for something to become true of events and lines.
func (r *run) until(what string, f func() bool) {
	r.t.Helper()
	limit := time.After(patience)
	for {
		r.mu.Lock()
		ok, more := f(), r.more
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-more:
		case <-r.done:
			r.mu.Lock()
			ok := f()
			r.mu.Unlock()
			if !ok {
				r.t.Fatalf("no %s until the end: %v; %s", what, r.err, r.story())
			}
			return
		case <-limit:
			r.t.Fatalf("no %s within %v; %s", what, patience, r.story())
		}
	}
}

// reached waits until a process has entered a state for the nth time.
func (r *run) reached(process string, st State, nth int) Event {
	r.t.Helper()
	var at Event
	r.until(fmt.Sprintf("%s %s for the %dth time", process, st, nth), func() bool {
		n := 0
		for _, e := range r.events {
			if e.Process == process && e.To == st {
				if n++; n == nth {
					at = e
					return true
				}
			}
		}
		return false
	})
	return at
}

// said waits for a line.
func (r *run) said(text string) {
	r.t.Helper()
	r.until(fmt.Sprintf("line %q", text), func() bool {
		return slices.ContainsFunc(r.lines, func(l Line) bool { return string(l.Text) == text })
	})
}

// path is the states a process has been through.
func (r *run) path(process string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var p []string
	for _, e := range r.events {
		if e.Process == process {
			p = append(p, string(e.To))
		}
	}
	return strings.Join(p, " ")
}

func (r *run) story() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("events: %+v", r.events)
}

// order is the "process state" pairs among wanted, in the order they came.
func (r *run) order(wanted ...string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var got []string
	for _, e := range r.events {
		if s := e.Process + " " + string(e.To); slices.Contains(wanted, s) {
			got = append(got, s)
		}
	}
	return got
}

// end waits for Run.
func (r *run) end() (int, error) {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		r.t.Fatalf("Run does not end; %s", r.story())
	}
	return r.code, r.err
}

func (r *run) expect(code int) {
	r.t.Helper()
	if got, err := r.end(); got != code {
		r.t.Errorf("exit code %d (%v), want %d", got, err, code)
	}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
