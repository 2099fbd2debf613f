package audio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func TestPatience(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	process := func(command ...string) int {
		t.Helper()
		c := exec.Command(command[0], command[1:]...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Process.Kill(); c.Wait() })
		return c.Process.Pid
	}
	busy, idle, stopped := process("sh", "-c", "while :; do :; done"), process("sleep", "60"), process("sh", "-c", "while :; do :; done")
	if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for runnable(stopped) || runnable(idle) || !runnable(busy) {
		time.Sleep(time.Millisecond)
		if t.Context().Err() != nil {
			t.Fatal("the processes do not come to their states")
		}
	}
	if runnable(1 << 30) {
		t.Error("a process that there is not is runnable")
	}

	noAnswer := fmt.Errorf("no answer: %w", context.DeadlineExceeded)
	due := func(ago time.Duration) context.Context {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-ago))
		t.Cleanup(cancel)
		return ctx
	}
	var p patience
	for _, test := range []struct {
		what string
		ago  time.Duration
		pid  int
		err  error
		lost bool
	}{
		{"well", 0, idle, nil, false},
		{"hangs", 0, idle, noAnswer, true},
		{"stopped", 0, stopped, noAnswer, true},
		{"busy", 0, busy, noAnswer, false},
		{"hangs, or we were late", time.Second, idle, noAnswer, false},
		{"another error", 0, busy, errors.New("gone"), true},
	} {
		if err := p.judge(due(test.ago), test.pid, test.err, log); (err != nil) != test.lost {
			t.Errorf("%s: %v", test.what, err)
		}
	}
	p.since = time.Now().Add(-2 * longestBusy)
	if err := p.judge(due(0), busy, noAnswer, log); err == nil {
		t.Error("busy for ever is no error")
	}
	if err := p.judge(due(0), idle, nil, log); err != nil || !p.since.IsZero() {
		t.Errorf("an answer does not end the patience (%v)", err)
	}
}
