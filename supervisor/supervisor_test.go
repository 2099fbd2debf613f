package supervisor

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestExitCode(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	must(t, os.WriteFile(plain, []byte("no program"), 0o644))
	garbage := filepath.Join(dir, "garbage")
	must(t, os.WriteFile(garbage, []byte("no program"), 0o755))
	orphaned := filepath.Join(dir, "orphaned")
	must(t, os.WriteFile(orphaned, []byte("#!/does/not/exist\n"), 0o755))
	never := Restart{Policy: Never}
	var sorry apology
	for name, c := range map[string]struct {
		spec Spec
		code int
		says string // in the error
	}{
		"success":              {Spec{Command: self("exit 0"), Critical: true, Restart: never}, 0, ""},
		"own code":             {Spec{Command: self("exit 3"), Critical: true, Restart: never}, 3, "exit code 3"},
		"code 255":             {Spec{Command: self("exit 255"), Critical: true, Restart: never}, 255, "exit code 255"},
		"signal":               {Spec{Command: self("die 9"), Critical: true, Restart: never}, 137, "SIGKILL"},
		"on-failure, success":  {Spec{Command: self("exit 0"), Critical: true, Restart: Restart{Policy: OnFailure}}, 0, ""},
		"success code":         {Spec{Command: self("exit 4"), Critical: true, Restart: Restart{Policy: OnFailure, SuccessExitCodes: []int{4}}}, 4, "exit code 4"},
		"not critical":         {Spec{Command: self("exit 5"), Restart: never}, 5, "nothing is left to run"},
		"missing":              {Spec{Command: []string{"no-such-program"}}, 127, "PATH"},
		"missing path":         {Spec{Command: []string{"/no/such/program"}}, 127, "there is no program"},
		"missing interpreter":  {Spec{Command: []string{orphaned}}, 127, "interpreter"},
		"not executable":       {Spec{Command: []string{plain}}, 126, "chmod +x"},
		"directory":            {Spec{Command: []string{dir}}, 126, "directory"},
		"not a program":        {Spec{Command: []string{garbage}}, 126, "#! line"},
		"no working directory": {Spec{Command: self("exit 0"), Dir: dir + "/none"}, 126, "working directory"},
		"storm":                {Spec{Command: self("err last words", "exit 6"), Restart: Restart{Storm: Storm{Failures: 3}}}, 6, "last words"},
		"storm by signal":      {Spec{Command: self("die 1"), Restart: Restart{Storm: Storm{Failures: 2}}}, 129, "SIGHUP"},
		"never ready":          {Spec{Command: self("on 15 0", "sleep"), ReadyTimeout: 50 * time.Millisecond, Ready: blocked, Restart: Restart{Storm: Storm{Failures: 2}}}, 1, "not ready within"},
		"prepare":              {Spec{Command: self("sleep"), Prepare: func(context.Context) error { return errors.New("no room") }, Restart: Restart{Storm: Storm{Failures: 2}}}, 1, "no room"},
		"prepare, permanent":   {Spec{Command: self("sleep"), Prepare: func(context.Context) error { return Permanent(78, errors.New("no room")) }}, 78, "no room"},
		"counted otherwise":    {Spec{Command: self("say sorry", "exit 0"), Critical: true, Restart: never, Output: sorry.line, ExitCode: sorry.code}, 1, "counted as exit code 1"},
		"oneshot":              {Spec{Command: self("exit 0"), Oneshot: true}, 0, ""},
		"oneshot, failing":     {Spec{Command: self("exit 7"), Oneshot: true, Restart: never}, 7, "exit code 7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.spec.Name = "it"
			r := begin(t, Options{}, c.spec)
			r.expect(c.code)
			switch {
			case c.says == "" && r.err != nil:
				t.Errorf("error %v, want none", r.err)
			case c.says != "" && (r.err == nil || !strings.Contains(r.err.Error(), c.says)):
				t.Errorf("error %v, want one with %q", r.err, c.says)
			}
		})
	}
}

// apology makes an exit code of what was said last.
type apology struct{ last atomic.Value }

func (a *apology) line(l Line) { a.last.Store(string(l.Text)) }

func (a *apology) code(_ *Instance, code int) int {
	if a.last.Load() == "sorry" {
		return 1
	}
	return code
}

func blocked(ctx context.Context, _ *Instance) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestRequestedStop(t *testing.T) {
	for name, c := range map[string]struct {
		steps  []string
		grace  time.Duration
		again  bool // a second signal
		code   int
		cancel bool
	}{
		"dies of TERM":          {steps: []string{"say up", "sleep"}},
		"exits 143 on TERM":     {steps: []string{"on 15 143", "say up", "sleep"}},
		"exits 0 on TERM":       {steps: []string{"on 15 0", "say up", "sleep"}},
		"exits 4 on TERM":       {steps: []string{"on 15 4", "say up", "sleep"}, code: 4},
		"ignores TERM":          {steps: []string{"ignore 15", "say up", "sleep"}, grace: 100 * time.Millisecond, code: 137},
		"second signal":         {steps: []string{"ignore 15", "say up", "sleep"}, grace: time.Hour, again: true, code: 137},
		"member ignores TERM":   {steps: []string{"fork ignore 15/say up/sleep", "sleep"}, grace: 100 * time.Millisecond, code: 137},
		"member is slow to die": {steps: []string{"fork on 15 0/say up/sleep", "sleep"}},
		"suspended":             {steps: []string{"say up", "die 19", "sleep"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := begin(t, Options{StopBudget: time.Hour}, Spec{Name: "it", Command: self(c.steps...), Critical: true, Stop: Stop{Grace: c.grace}})
			r.said("up")
			pid := r.Status()[0].PID
			r.signals <- syscall.SIGTERM
			if c.again {
				r.signals <- syscall.SIGINT
			}
			r.expect(c.code)
			if syscall.Kill(-pid, 0) != syscall.ESRCH {
				t.Error("the group lives on")
			}
		})
	}
}

func TestStopBudget(t *testing.T) {
	stubborn := self("ignore 15", "say up", "sleep")
	r := begin(t, Options{StopBudget: 600 * time.Millisecond},
		Spec{Name: "a", Command: stubborn, Stop: Stop{Grace: time.Hour}},
		Spec{Name: "b", Command: stubborn, Stop: Stop{Grace: time.Hour}, Needs: []string{"a"}})
	r.until("two lines", func() bool { return len(r.lines) == 2 })
	r.signals <- syscall.SIGTERM
	r.expect(137)
	if got, want := r.order("a exited", "b exited"), []string{"b exited", "a exited"}; !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
}

func TestStopInAnyState(t *testing.T) {
	hang := Spec{Name: "need", Command: self("sleep"), Ready: blocked, ReadyTimeout: time.Hour}
	for name, c := range map[string]struct {
		specs []Spec
		state State
		last  string
	}{
		"preparing": {[]Spec{{Name: "it", Command: self("sleep"), ReadyTimeout: time.Hour, Prepare: func(ctx context.Context) error { return blocked(ctx, nil) }}}, Starting, "waiting starting exited"},
		"starting":  {[]Spec{{Name: "it", Command: self("sleep"), Ready: blocked, ReadyTimeout: time.Hour}}, Starting, "waiting starting stopping exited"},
		"ready":     {[]Spec{{Name: "it", Command: self("sleep")}}, Ready, "waiting starting ready stopping exited"},
		"waiting":   {[]Spec{hang, {Name: "it", Command: self("sleep"), Needs: []string{"need"}}}, Waiting, "waiting exited"},
		"backoff":   {[]Spec{{Name: "it", Command: self("exit 1"), Restart: Restart{Backoff: Backoff{Initial: time.Hour, Max: time.Hour}}}}, BackingOff, "waiting starting ready stopping backoff exited"},
		"stopping":  {[]Spec{{Name: "it", Command: self("fork ignore 15/wait 1s", "exit 1"), Stop: Stop{Grace: time.Hour}}}, Stopping, "waiting starting ready stopping exited"},
		"failed":    {[]Spec{{Name: "it", Command: self("exit 1"), Restart: Restart{Policy: Never}}, {Name: "other", Command: self("sleep")}}, Failed, "waiting starting ready stopping failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := begin(t, Options{}, c.specs...)
			r.reached("it", c.state, 1)
			r.signals <- syscall.SIGTERM
			r.end()
			if got := r.path("it"); got != c.last {
				t.Errorf("path %q, want %q", got, c.last)
			}
		})
	}
}

func TestRestart(t *testing.T) {
	r := begin(t, Options{}, Spec{Name: "it", Command: self("say up", "sleep")})
	r.reached("it", Ready, 1)
	pid := r.Status()[0].PID
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	r.reached("it", Ready, 2)
	st := r.Status()[0]
	if st.Restarts != 1 || st.Attempt != 2 || st.PID == pid || st.LastExit.Signal != syscall.SIGKILL {
		t.Errorf("status %+v", st)
	}
	r.signals <- syscall.SIGTERM
	r.expect(0)
	if got, want := r.path("it"), "waiting starting ready stopping backoff waiting starting ready stopping exited"; got != want {
		t.Errorf("path %q, want %q", got, want)
	}
}

// A process that is renewed is asked to end and starts again without a pause;
// one that does not run stays as it is.
func TestRenew(t *testing.T) {
	r := begin(t, Options{}, Spec{Name: "it", Command: self("sleep"), Restart: Restart{Backoff: Backoff{Initial: time.Hour, Max: time.Hour}}},
		Spec{Name: "done", Command: self("exit 0"), Restart: Restart{Policy: Never}})
	r.reached("it", Ready, 1)
	r.reached("done", Exited, 1)
	must(t, r.Renew("it", "its device went"))
	must(t, r.Renew("done", "its device went"))
	r.reached("it", Ready, 2)
	if err := r.Renew("other", ""); err == nil {
		t.Error("a process that does not exist was renewed")
	}
	r.signals <- syscall.SIGTERM
	r.expect(0)
	if got, want := r.path("it"), "waiting starting ready stopping waiting starting ready stopping exited"; got != want {
		t.Errorf("path %q, want %q", got, want)
	}
	if got, want := r.path("done"), "waiting starting ready stopping exited"; got != want {
		t.Errorf("path of what had ended %q, want %q", got, want)
	}
}

// The playbook for a lost need: it is killed first, its dependents say goodbye
// while it starts again, and they start once it is ready and they have ended.
func TestCascade(t *testing.T) {
	sick := make(chan struct{})
	server := Spec{Name: "server", Command: self("ignore 15", "sleep"), Stop: Stop{Grace: time.Hour},
		Health: Health{Interval: time.Millisecond, Failures: 2, Kill: true, Check: func(_ context.Context, in *Instance) error {
			select {
			case <-sick:
				if in.Attempt == 1 {
					return errors.New("sick")
				}
			default:
			}
			return nil
		}}}
	var serverPID int
	goodbyes := make(chan bool, 4)
	app := Spec{Name: "app", Command: self("read"), Stdin: true, Needs: []string{"server"},
		Stop: Stop{Grace: time.Hour, Ask: func(_ context.Context, in *Instance) error {
			goodbyes <- alive(serverPID)
			_, err := io.WriteString(in.Stdin, "q\n")
			return err
		}}}
	far := Spec{Name: "far", Command: self("sleep"), Needs: []string{"app"}}
	r := begin(t, Options{}, far, app, server)
	r.reached("far", Ready, 1)
	serverPID = r.Status()[0].PID
	close(sick)
	r.reached("server", Ready, 2)
	r.reached("far", Ready, 2)
	if <-goodbyes {
		t.Error("the app was asked to stop while the hung server still lived")
	}
	got := r.order("server stopping", "server ready", "app waiting", "app ready", "far waiting", "far ready")
	at := func(s string, nth int) int {
		for i, g := range got {
			if g == s {
				if nth--; nth == 0 {
					return i
				}
			}
		}
		t.Fatalf("no %q in %q", s, got)
		return 0
	}
	for _, pair := range [][2]int{
		{at("server stopping", 1), at("far waiting", 2)},
		{at("far waiting", 2), at("app waiting", 2)},
		{at("app waiting", 2), at("app ready", 2)},
		{at("server ready", 2), at("app ready", 2)},
		{at("app ready", 2), at("far ready", 2)},
	} {
		if pair[0] > pair[1] {
			t.Errorf("wrong order: %q", got)
		}
	}
	r.signals <- syscall.SIGTERM
	r.signals <- syscall.SIGTERM // the server would not go otherwise
	r.expect(137)
}

func TestCommands(t *testing.T) {
	r := begin(t, Options{},
		Spec{Name: "need", Command: self("sleep")},
		Spec{Name: "it", Command: self("sleep"), Needs: []string{"need"}})
	ctx := within(t, patience)
	r.reached("it", Ready, 1)
	must(t, r.Start(ctx, "it")) // runs already
	must(t, r.Restart(ctx, "it"))
	must(t, r.Restart(ctx, "need"))
	r.reached("it", Ready, 3)
	must(t, r.Stop(ctx, "need"))
	for r.Status()[1].Cause != "waits for need, which has ended: stop requested" {
		select {
		case <-ctx.Done():
			t.Fatalf("status %+v", r.Status()[1])
		case <-time.After(time.Millisecond):
		}
	}
	if got := r.Status()[1]; got.State != Waiting || got.PID != 0 {
		t.Errorf("status %+v", got)
	}
	must(t, r.Start(ctx, "need"))
	r.reached("it", Ready, 4)
	var unknown *UnknownError
	if err := r.Stop(ctx, "nobody"); !errors.As(err, &unknown) {
		t.Errorf("error %v", err)
	}
	// Orders that arrive together make one instance.
	errs := make(chan error)
	for range 8 {
		go func() { errs <- r.Restart(ctx, "it") }()
	}
	for range 8 {
		must(t, <-errs)
	}
	if st := r.Status()[1]; st.State != Ready && st.State != Starting && st.State != Stopping && st.State != Waiting {
		t.Errorf("status %+v", st)
	}
	r.signals <- syscall.SIGTERM
	r.expect(0)
	if err := r.Start(ctx, "it"); err == nil {
		t.Error("started something after the end")
	}
}

func TestForwardedSignals(t *testing.T) {
	r := begin(t, Options{},
		Spec{Name: "server", Command: self("say server up", "sleep")}, // would die of any
		Spec{Name: "app", Command: self("tell 1", "tell 10", "tell 12", "say up", "sleep"), Forward: true})
	r.said("up")
	r.said("server up")
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGWINCH, syscall.SIGUSR2} {
		r.signals <- sig
	}
	for _, s := range []string{"signal 1", "signal 10", "signal 12"} {
		r.said(s)
	}
	for _, st := range r.Status() {
		if st.State != Ready || st.Restarts != 0 {
			t.Errorf("%+v", st)
		}
	}
}

func TestOneshotBeforeDependents(t *testing.T) {
	r := begin(t, Options{},
		Spec{Name: "setup", Command: self("wait 20ms", "exit 0"), Oneshot: true},
		Spec{Name: "it", Command: self("exit 0"), Needs: []string{"setup"}, Critical: true, Restart: Restart{Policy: Never}})
	r.expect(0)
	if got, want := r.order("setup exited", "it starting"), []string{"setup exited", "it starting"}; !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
}

func TestOrder(t *testing.T) {
	ok := []string{"true"}
	for name, c := range map[string]struct {
		specs []Spec
		says  []string
	}{
		"fine":   {[]Spec{{Name: "b", Command: ok, Needs: []string{"a"}}, {Name: "a", Command: ok}}, nil},
		"circle": {[]Spec{{Name: "a", Command: ok, Needs: []string{"b"}}, {Name: "b", Command: ok, Needs: []string{"c"}}, {Name: "c", Command: ok, Needs: []string{"b"}}}, []string{"b needs c needs b"}},
		"itself": {[]Spec{{Name: "a", Command: ok, Needs: []string{"a"}}}, []string{"a needs a"}},
		"nonsense": {[]Spec{{Name: "a", Command: ok, Notify: Notify{FD: 2}, Stop: Stop{Grace: -1}, Limits: Limits{Nice: 30}, Restart: Restart{Policy: "often", Backoff: Backoff{Max: -1}}}},
			[]string{"descriptor 2", "stop grace -1ns", "nice 30", `"often"`, "backoff -1ns"}},
		"unknown": {[]Spec{{Name: "a", Command: ok, Needs: []string{"x"}}, {Name: "a"}, {Command: ok}}, []string{`"x", which does not exist`, "used twice", "no command", "has no name"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(Options{}, c.specs)
			if (err == nil) != (c.says == nil) {
				t.Fatalf("error %v", err)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error %v does not say %q", err, s)
				}
			}
		})
	}
}
