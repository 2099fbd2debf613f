package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// actors launches no processes, but what a test has written for them, so that
// time can be the test's own.
type actors struct {
	play map[string]func(*actor)
	mu   sync.Mutex
	pid  int
}

func (a *actors) launch(spec *Spec, _ *output) (group, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pid++
	act := &actor{number: a.pid, exit: make(chan Exit, 1), signals: make(chan syscall.Signal, 16), gone: make(chan struct{})}
	go func() {
		play := a.play[spec.Name]
		if play == nil {
			play = func(a *actor) { a.until(syscall.SIGTERM) }
		}
		play(act)
		close(act.gone)
	}()
	return act, nil
}

// actor is one run; it ends when its play does.
type actor struct {
	number  int
	exit    chan Exit
	signals chan syscall.Signal
	gone    chan struct{}
}

func (a *actor) end(code int)        { a.exit <- Exit{Code: code} }
func (a *actor) pid() int            { return a.number }
func (a *actor) stdin() io.Writer    { return nil }
func (a *actor) exited() <-chan Exit { return a.exit }
func (a *actor) close()              {}

func (a *actor) notified(context.Context) error { return nil }

func (a *actor) signal(sig syscall.Signal) error {
	if sig != syscall.SIGCONT && !a.empty() {
		a.signals <- sig
	}
	return nil
}

func (a *actor) empty() bool {
	select {
	case <-a.gone:
		return true
	default:
		return false
	}
}

func (a *actor) awaitEmpty(ctx context.Context) error {
	select {
	case <-a.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// until ends the run by the first signal that is sig or SIGKILL.
func (a *actor) until(sig syscall.Signal) {
	for s := range a.signals {
		if s == sig || s == syscall.SIGKILL {
			a.exit <- Exit{Code: 128 + int(s), Signal: s}
			return
		}
	}
}

// obey ends d after SIGTERM.
func obey(d time.Duration) func(*actor) {
	return func(a *actor) {
		for s := range a.signals {
			switch s {
			case syscall.SIGKILL:
				a.exit <- Exit{Code: 137, Signal: s}
				return
			case syscall.SIGTERM:
				select {
				case <-time.After(d):
					a.end(0)
				case <-a.signals:
					a.exit <- Exit{Code: 137, Signal: syscall.SIGKILL}
				}
				return
			}
		}
	}
}

// failAfter ends with code 1 after d.
func failAfter(d time.Duration) func(*actor) {
	return func(a *actor) {
		select {
		case <-time.After(d):
			a.end(1)
		case s := <-a.signals:
			a.exit <- Exit{Code: 128 + int(s), Signal: s}
		}
	}
}

// scene is a supervisor of actors, in a bubble of fake time.
type scene struct {
	*Supervisor
	signals chan os.Signal
	began   time.Time
	events  []string // "12.5s process state"
}

func stage(t *testing.T, opts Options, play map[string]func(*actor), specs ...Spec) *scene {
	sc := &scene{signals: make(chan os.Signal, 4), began: time.Now()}
	opts.Signals = sc.signals
	opts.Logger = slog.New(slog.DiscardHandler)
	opts.Event = func(e Event) {
		sc.events = append(sc.events, fmt.Sprintf("%v %s %s", e.Time.Sub(sc.began), e.Process, e.To))
	}
	for i := range specs {
		specs[i].Command = []string{"actor"}
	}
	s, err := New(opts, specs)
	must(t, err)
	s.launcher = &actors{play: play}
	s.random = func() float64 { return 0.5 }
	sc.Supervisor = s
	return sc
}

// times are when a process entered a state.
func (sc *scene) times(process string, st State) (at []string) {
	for _, e := range sc.events {
		var when, p, state string
		fmt.Sscan(e, &when, &p, &state)
		if p == process && state == string(st) {
			at = append(at, when)
		}
	}
	return at
}

func TestBackoffInTime(t *testing.T) {
	for name, c := range map[string]struct {
		life    time.Duration
		restart Restart
		starts  []string // until the end of the test after a minute, or the storm
		code    int
	}{
		"doubles up to the maximum": {0,
			Restart{Backoff: Backoff{Initial: time.Second, Max: 4 * time.Second}, Storm: Storm{Failures: 6}},
			[]string{"0s", "500ms", "1.5s", "3.5s", "5.5s", "7.5s"}, 1},
		"begins anew after a healthy run": {10 * time.Second,
			Restart{Backoff: Backoff{Initial: 2 * time.Second, Max: time.Hour, Reset: 10 * time.Second}},
			[]string{"0s", "11s", "22s", "33s", "44s", "55s"}, 0},
		"goes on after a short run": {9 * time.Second,
			Restart{Backoff: Backoff{Initial: 2 * time.Second, Max: time.Hour, Reset: 10 * time.Second}},
			[]string{"0s", "10s", "21s", "34s", "51s"}, 0},
		"no storm when failures are far between": {5 * time.Second,
			Restart{Backoff: Backoff{Initial: 10 * time.Second, Max: 10 * time.Second}, Storm: Storm{Failures: 3, Window: 20 * time.Second}},
			[]string{"0s", "10s", "20s", "30s", "40s", "50s"}, 0},
		"storm when they are not": {5 * time.Second,
			Restart{Backoff: Backoff{Initial: 8 * time.Second, Max: 8 * time.Second}, Storm: Storm{Failures: 3, Window: 20 * time.Second}},
			[]string{"0s", "9s", "18s"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := stage(t, Options{}, map[string]func(*actor){"it": failAfter(c.life)}, Spec{Name: "it", Restart: c.restart})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute-time.Millisecond)
				defer cancel()
				code, _ := sc.Run(ctx)
				if got := sc.times("it", Starting); !slices.Equal(got, c.starts) || code != c.code {
					t.Errorf("started at %v, exit code %d, want %v and %d", got, code, c.starts, c.code)
				}
			})
		})
	}
}

func TestStopInTime(t *testing.T) {
	chain := func(graces ...time.Duration) (specs []Spec) {
		for i, g := range graces {
			s := Spec{Name: string(rune('a' + i)), Stop: Stop{Grace: g}}
			if i > 0 {
				s.Needs = []string{specs[i-1].Name}
			}
			specs = append(specs, s)
		}
		return specs
	}
	for name, c := range map[string]struct {
		specs  []Spec
		play   map[string]func(*actor)
		budget time.Duration
		ends   map[string]string // time after the signal
		code   int
	}{
		"nothing waits": {chain(5*time.Second, 5*time.Second), nil, 0,
			map[string]string{"a": "0s", "b": "0s"}, 0},
		"one after the other": {chain(5*time.Second, 5*time.Second),
			map[string]func(*actor){"a": obey(time.Second), "b": obey(2 * time.Second)}, 20 * time.Second,
			map[string]string{"b": "2s", "a": "3s"}, 0},
		"side by side": {[]Spec{{Name: "a"}, {Name: "b"}},
			map[string]func(*actor){"a": obey(time.Second), "b": obey(2 * time.Second)}, 0,
			map[string]string{"a": "1s", "b": "2s"}, 0},
		"killed after the grace": {chain(time.Second, 3*time.Second),
			map[string]func(*actor){"b": obey(time.Hour)}, 20 * time.Second,
			map[string]string{"b": "3s", "a": "3s"}, 137},
		"graces cut to the budget": {chain(10*time.Second, 10*time.Second),
			map[string]func(*actor){"a": obey(time.Hour), "b": obey(time.Hour)}, 8250 * time.Millisecond,
			map[string]string{"b": "4s", "a": "8s"}, 137},
		"what one leaves goes to the next": {chain(6*time.Second, 6*time.Second),
			map[string]func(*actor){"a": obey(5 * time.Second), "b": obey(time.Second)}, 8250 * time.Millisecond,
			map[string]string{"b": "1s", "a": "6s"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := stage(t, Options{StopBudget: c.budget}, c.play, c.specs...)
				sc.began = sc.began.Add(time.Minute)
				go func() {
					time.Sleep(time.Minute)
					sc.signals <- syscall.SIGTERM
				}()
				code, err := sc.Run(t.Context())
				got := map[string]string{}
				for _, s := range c.specs {
					at := sc.times(s.Name, Exited)
					got[s.Name] = at[len(at)-1]
				}
				if fmt.Sprint(got) != fmt.Sprint(c.ends) || code != c.code {
					t.Errorf("ended at %v, exit code %d (%v), want %v and %d", got, code, err, c.ends, c.code)
				}
			})
		})
	}
}

func TestReadyTimeoutInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := stage(t, Options{}, nil, Spec{Name: "it", Ready: blocked, Restart: Restart{Policy: Never}})
		_, err := sc.Run(t.Context())
		if got := sc.times("it", Failed); !slices.Equal(got, []string{DefaultReadyTimeout.String()}) {
			t.Errorf("failed at %v: %v", got, err)
		}
	})
}

func TestHealthInTime(t *testing.T) {
	bad := func(context.Context, *Instance) error { return errors.New("bad") }
	for name, c := range map[string]struct {
		health Health
		lost   string
	}{
		"at the third failure": {Health{Check: bad, Interval: time.Second, Failures: 3}, "3s"},
		"grace":                {Health{Check: bad, Interval: time.Second, Failures: 2, Grace: 10 * time.Second}, "11s"},
		"hanging":              {Health{Check: blocked, Interval: 10 * time.Second, Timeout: 3 * time.Second, Failures: 2}, "23s"},
		"defaults":             {Health{Check: bad}, "30s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := stage(t, Options{}, nil, Spec{Name: "it", Health: c.health, Restart: Restart{Policy: Never}})
				_, err := sc.Run(t.Context())
				if got := sc.times("it", Stopping); !slices.Equal(got, []string{c.lost}) {
					t.Errorf("lost at %v: %v", got, err)
				}
			})
		})
	}
}

// A lost need is started again while its dependents still say goodbye; they
// start when both are done.
func TestCascadeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		play := map[string]func(*actor){
			"server": func(a *actor) {
				if first {
					first = false
					failAfter(10 * time.Second)(a)
					return
				}
				a.until(syscall.SIGTERM)
			},
			"slow":  obey(3 * time.Second),
			"quick": obey(time.Second),
		}
		needs := []string{"server"}
		sc := stage(t, Options{}, play,
			Spec{Name: "server", Restart: Restart{Backoff: Backoff{Initial: 4 * time.Second}}},
			Spec{Name: "slow", Needs: needs}, Spec{Name: "quick", Needs: needs})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		sc.Run(ctx)
		for process, want := range map[string]string{"server": "12s", "quick": "12s", "slow": "13s"} {
			if got := sc.times(process, Ready); len(got) != 2 || got[1] != want {
				t.Errorf("%s ready at %v, want %s", process, got, want)
			}
		}
	})
}

func TestSplitStop(t *testing.T) {
	spec := func(name string, grace time.Duration, needs ...string) Spec {
		return Spec{Name: name, Stop: Stop{Grace: grace}, Needs: needs}
	}
	const s = time.Second
	for name, c := range map[string]struct {
		specs  []Spec
		budget time.Duration
		kill   map[string]time.Duration
		worst  time.Duration
		fits   bool
	}{
		"none":      {nil, s, map[string]time.Duration{}, budgetReserve, true},
		"one":       {[]Spec{spec("a", 0)}, 8 * s, map[string]time.Duration{"a": 5 * s}, 5*s + budgetReserve, true},
		"chain":     {[]Spec{spec("a", s), spec("b", 2*s, "a"), spec("c", 3*s, "b")}, 8 * s, map[string]time.Duration{"c": 3 * s, "b": 5 * s, "a": 6 * s}, 6*s + budgetReserve, true},
		"diamond":   {[]Spec{spec("a", s), spec("b", 2*s, "a"), spec("c", 3*s, "a"), spec("d", s, "b", "c")}, 8 * s, map[string]time.Duration{"d": s, "b": 3 * s, "c": 4 * s, "a": 5 * s}, 5*s + budgetReserve, true},
		"too long":  {[]Spec{spec("a", 6*s), spec("b", 2*s, "a")}, 4*s + budgetReserve, map[string]time.Duration{"b": s, "a": 4 * s}, 8*s + budgetReserve, false},
		"no budget": {[]Spec{spec("a", s)}, 0, map[string]time.Duration{"a": 0}, s + budgetReserve, false},
		"just fits": {[]Spec{spec("a", s)}, s + budgetReserve, map[string]time.Duration{"a": s}, s + budgetReserve, true},
		"a task": {[]Spec{spec("a", s), {Name: "b", Stop: Stop{Grace: 4 * s}, Oneshot: true, Needs: []string{"a"}}, spec("c", 2*s, "b")}, 8 * s,
			map[string]time.Duration{"c": 2 * s, "b": 4 * s, "a": 5 * s}, 5*s + budgetReserve, true},
		"a circle": {[]Spec{spec("a", s, "b"), spec("b", 2*s, "a")}, 8 * s, map[string]time.Duration{"a": 3 * s, "b": 2 * s}, 3*s + budgetReserve, true},
		"a loner":  {[]Spec{spec("a", s), spec("b", s, "a"), spec("x", 4*s)}, 8 * s, map[string]time.Duration{"b": s, "a": 2 * s, "x": 4 * s}, 4*s + budgetReserve, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := SplitStop(c.specs, c.budget)
			if fmt.Sprint(got.Kill) != fmt.Sprint(c.kill) || got.Worst != c.worst || got.Fits != c.fits {
				t.Errorf("got %v, want %v, %v, %v", got, c.kill, c.worst, c.fits)
			}
		})
	}
}

func TestCeiling(t *testing.T) {
	b := Backoff{Initial: 500 * time.Millisecond, Max: 3 * time.Second}
	for n, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} {
		if got := b.ceiling(n); got != want {
			t.Errorf("%d: %v, want %v", n, got, want)
		}
	}
	if got := b.ceiling(1 << 40); got != b.Max {
		t.Errorf("after many: %v", got)
	}
	huge := Backoff{Initial: 1 << 62, Max: 1<<63 - 1}
	if got := huge.ceiling(5); got != huge.Max {
		t.Errorf("huge: %v", got)
	}
}
