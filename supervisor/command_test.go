package supervisor

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestCommandsThatFail(t *testing.T) {
	gate := t.TempDir() + "/gate"
	var broken atomic.Bool
	r := begin(t, Options{},
		Spec{Name: "need", Command: self("sleep")},
		Spec{Name: "it", Command: self("sleep"), Needs: []string{"need"}},
		Spec{Name: "fails", Command: self("exit 3"), Restart: Restart{Policy: Never}},
		Spec{Name: "ends", Command: self("until "+gate, "exit 0"), Restart: Restart{Policy: OnFailure}},
		Spec{Name: "breaks", Command: self("sleep"), Prepare: func(context.Context) error {
			if broken.Load() {
				return errors.New("no room")
			}
			return nil
		}, Restart: Restart{Backoff: Backoff{Initial: time.Hour, Max: time.Hour}}})
	ctx := within(t, patience)
	r.reached("it", Ready, 1)
	r.reached("fails", Failed, 1)
	r.reached("breaks", Ready, 1)
	expect := func(err error, says string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one with %q", err, says)
		}
	}

	// It is ready for a moment, then failed: the command may see either.
	if err := r.Restart(ctx, "fails"); err != nil {
		expect(err, "it failed: exit code 3")
	}
	broken.Store(true)
	expect(r.Restart(ctx, "breaks"), "it failed: cannot prepare: no room")
	broken.Store(false)
	must(t, r.Start(ctx, "breaks")) // which ends the pause

	must(t, os.WriteFile(gate, nil, 0o600))
	r.reached("ends", Exited, 1)
	must(t, r.Start(ctx, "ends"))

	must(t, r.Stop(ctx, "need"))
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	expect(r.Restart(short, "it"), "cannot restart it: it is waiting")
	must(t, r.Stop(ctx, "it"))
	must(t, r.Stop(ctx, "it")) // is no mistake
	if _, err := r.Tail("nobody", 1); err == nil {
		t.Error("somebody's lines were given")
	}
}

func TestAskThatFails(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *Instance) error{
		"at once":    func(context.Context, *Instance) error { return errors.New("not now") },
		"hangs":      blocked,
		"is ignored": func(context.Context, *Instance) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			grace, code := 100*time.Millisecond, 137
			if name == "at once" {
				grace, code = time.Hour, 0 // by signal instead
			}
			r := begin(t, Options{}, Spec{Name: "it", Command: self("sleep"), Stop: Stop{Ask: ask, Grace: grace}})
			r.reached("it", Ready, 1)
			r.signals <- syscall.SIGTERM
			r.expect(code)
		})
	}
}

// A probe that ignores its context is left behind, within the stop budget.
func TestProbeThatIgnoresItsContext(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	r := begin(t, Options{StopBudget: 500 * time.Millisecond}, Spec{Name: "it", Command: self("sleep"), ReadyTimeout: time.Hour,
		Ready: func(context.Context, *Instance) error { <-release; return nil }})
	r.reached("it", Starting, 1)
	r.signals <- syscall.SIGTERM
	began := time.Now()
	r.expect(0)
	if took := time.Since(began); took > taskPatience {
		t.Errorf("it took %v", took)
	}
}

// An Ask that writes more than the process reads must not hold up the end.
func TestAskThatBlocksOnStdin(t *testing.T) {
	r := begin(t, Options{}, Spec{Name: "it", Command: self("sleep"), Stdin: true, Stop: Stop{Grace: 100 * time.Millisecond,
		Ask: func(_ context.Context, in *Instance) error {
			_, err := in.Stdin.Write(make([]byte, 1<<20))
			return err
		}}})
	r.reached("it", Ready, 1)
	r.signals <- syscall.SIGTERM
	began := time.Now()
	r.expect(137)
	if took := time.Since(began); took > taskPatience {
		t.Errorf("it took %v: the writer was waited for in vain", took)
	}
}
