package integration

import (
	"context"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/integration/stack"
)

// The error that nullcard exists for: pjsua alone fails when its call
// connects; under nullcard the same call stands.
func TestPjsuaFailsWithoutAndWorksUnderNullcard(t *testing.T) {
	ctx := t.Context()
	s := stack.New(t)
	callee(ctx, s)
	alone := s.Run(ctx, *image, stack.Name("alone"), stack.StdinOpen(), stack.Entrypoint("pjsua", "sip:callee"))
	alone.WaitLog(ctx, regexp.MustCompile(`\[status=420006\]`))
	alone.Kill(ctx)

	under := caller(ctx, s)
	under.WaitLog(ctx, confirmed)
	if log := under.Logs(ctx).All; strings.Contains(log, "4200") {
		t.Errorf("an audio error under nullcard:\n%s", log)
	}
}

func TestCall(t *testing.T) {
	ctx := t.Context()
	s := stack.New(t)
	to := callee(ctx, s)
	from := caller(ctx, s)
	from.WaitLog(ctx, confirmed)
	to.WaitLog(ctx, confirmed)

	t.Run("processes", func(t *testing.T) {
		for _, c := range []*stack.Container{from, to} {
			wantProcesses(ctx, t, c, "nullcard", "pulseaudio", "pjsua")
		}
	})
	t.Run("both directions at once", func(t *testing.T) { duplex(ctx, t, from, to) })
	t.Run("stop", func(t *testing.T) {
		to.Mark(ctx)
		exit := from.Stop(ctx, syscall.SIGTERM)
		if exit.Code != 0 || exit.Took > 8*time.Second {
			t.Errorf("exit code %d after %v, want 0 within the budget of 8s", exit.Code, exit.Took)
		}
		// 200 is how pjsua logs the end of a call by a BYE.
		if m := to.WaitLog(ctx, disconnected); m[1] != "200" {
			t.Errorf("the far end saw the call end with %s, want 200 (by a BYE)", m[1])
		}
	})
}

// Whatever is lost, the call is ended properly, and the next one carries
// audio.
func TestRecovery(t *testing.T) {
	signal := func(process string, sig syscall.Signal) func(context.Context, *stack.Container) {
		return func(ctx context.Context, c *stack.Container) { c.SignalProcess(ctx, process, sig) }
	}
	run := func(command ...string) func(context.Context, *stack.Container) {
		return func(ctx context.Context, c *stack.Container) { c.MustExec(ctx, stack.Cmd(command...)) }
	}
	for name, fault := range map[string]struct {
		hit   func(context.Context, *stack.Container)
		sound bool // is lost, so that the far end gets a BYE
	}{
		"PulseAudio killed": {signal("pulseaudio", syscall.SIGKILL), true},
		"PulseAudio hung":   {signal("pulseaudio", syscall.SIGSTOP), true},
		"socket removed":    {run("rm", "/run/nullcard/pulse/native"), true},
		"modules unloaded":  {run("nullcard", "teardown", "--server", "unix:/run/nullcard/pulse/native"), true},
		"pjsua killed":      {signal("pjsua", syscall.SIGKILL), false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
			defer cancel()
			s := stack.New(t)
			to := callee(ctx, s)
			from := caller(ctx, s)
			from.WaitLog(ctx, confirmed)
			to.WaitLog(ctx, confirmed)

			from.Mark(ctx)
			to.Mark(ctx)
			fault.hit(ctx, from)
			if fault.sound {
				if m := to.WaitLog(ctx, disconnected); m[1] != "200" {
					t.Errorf("the far end saw the call end with %s, want 200 (by a BYE)", m[1])
				}
				from.WaitLog(ctx, proven)
			}
			from.WaitLog(ctx, confirmed) // it dials again when it is back
			to.WaitLog(ctx, confirmed)
			waitReady(ctx, from)
			duplex(ctx, t, from, to)
		})
	}
}

// Where sound is not wanted, calls work all the same.
func TestNullBackend(t *testing.T) {
	ctx := t.Context()
	s := stack.New(t)
	to := callee(ctx, s, stack.Env("NULLCARD_AUDIO_BACKEND", "null"))
	from := caller(ctx, s, stack.Env("NULLCARD_AUDIO_BACKEND", "null"))
	from.WaitLog(ctx, confirmed)
	to.WaitLog(ctx, confirmed)
	wantProcesses(ctx, t, from, "nullcard", "pjsua")
}
