package integration

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/nullcard/nullcard/integration/stack"
)

// An operator's session: every verb of `nullcard call`, and what the far end
// makes of it.
func TestCallCommands(t *testing.T) {
	ctx := t.Context()
	s := stack.New(t)
	to := callee(ctx, s, stack.Env("NULLCARD_AUTO_ANSWER", "180"))
	from := s.Run(ctx, *image, stack.Name("caller"), stack.Hardened())
	waitReady(ctx, from)
	call := func(c *stack.Container, args ...string) stack.Result {
		return c.Exec(ctx, stack.Cmd(append([]string{"nullcard", "call"}, args...)...))
	}
	must := func(c *stack.Container, args ...string) string {
		t.Helper()
		r := call(c, args...)
		if r.Code != 0 {
			t.Fatalf("call %q: exit code %d: %s", args, r.Code, r.Stderr)
		}
		return r.Stdout
	}
	state := func(c *stack.Container, want string) {
		t.Helper()
		c.WaitFor(ctx, "a call that is "+want, func(context.Context) (bool, string) {
			list := must(c, "list")
			return regexp.MustCompile(` ` + want + ` `).MatchString(list), list
		})
	}

	if r := call(from, "hangup"); r.Code != 1 || !strings.Contains(r.Stderr, "caller has 0 calls") {
		t.Errorf("hangup without a call: exit code %d: %s", r.Code, r.Stderr)
	}
	must(from, "dial", "sip:callee")
	state(to, "incoming|early")
	must(to, "answer")
	state(from, "confirmed")
	state(to, "confirmed")

	must(from, "dtmf", "12#")
	to.WaitLog(ctx, regexp.MustCompile(`(?i)dtmf.*#`))
	direction := func(want string) {
		t.Helper()
		from.WaitFor(ctx, "media that is "+want, func(context.Context) (bool, string) {
			q := must(from, "quality", "--json")
			return strings.Contains(q, `"direction":"`+want+`"`), q
		})
	}
	must(from, "hold")
	direction("sendonly")
	must(from, "resume")
	direction("sendrecv")

	var q struct {
		Codec string  `json:"codec"`
		MOS   float64 `json:"mos"`
	}
	if err := json.Unmarshal([]byte(must(from, "quality", "--json")), &q); err != nil || q.Codec == "" || q.MOS < 1 {
		t.Errorf("quality %+v (%v)", q, err)
	}
	to.Mark(ctx)
	must(from, "hangup")
	if m := to.WaitLog(ctx, disconnected); m[1] != "200" {
		t.Errorf("the far end saw the call end with %s, want 200", m[1])
	}
	if r := call(from, "hangup", "7"); r.Code != 1 || !strings.Contains(r.Stderr, "there is no such call") {
		t.Errorf("hangup of no call: exit code %d: %s", r.Code, r.Stderr)
	}
}

// `dial --wait` tells by its exit code how the call went.
func TestDialWait(t *testing.T) {
	for name, test := range map[string]struct {
		answer, reason string
		code           int
	}{
		"busy":     {"486", "486 Busy Here", 10},
		"declined": {"603", "603 Decline", 11},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			s := stack.New(t)
			callee(ctx, s, stack.Env("NULLCARD_AUTO_ANSWER", test.answer))
			from := s.Run(ctx, *image, stack.Name("caller"), stack.Hardened())
			waitReady(ctx, from)
			r := from.Exec(ctx, stack.Cmd("nullcard", "call", "dial", "--wait", "sip:callee"))
			if r.Code != test.code || !strings.Contains(r.Stdout, test.reason) {
				t.Errorf("exit code %d, said %q and %q; want %d and %q", r.Code, r.Stdout, r.Stderr, test.code, test.reason)
			}
		})
	}
	t.Run("answered", func(t *testing.T) {
		ctx := t.Context()
		s := stack.New(t)
		to := callee(ctx, s)
		from := s.Run(ctx, *image, stack.Name("caller"), stack.Hardened())
		waitReady(ctx, from)
		dial := from.Spawn(ctx, stack.Cmd("nullcard", "call", "dial", "--wait", "sip:callee"))
		to.WaitLog(ctx, confirmed)
		to.MustExec(ctx, stack.Cmd("nullcard", "call", "hangup"))
		if r := dial.Wait(ctx); r.Code != 0 {
			t.Errorf("exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
		}
	})
}

// A caller with `dial` that is never restarted is a job: the container ends
// with its call, and its exit code says how it went.
func TestCallAsAJob(t *testing.T) {
	ctx := t.Context()
	s := stack.New(t)
	callee(ctx, s, stack.Env("NULLCARD_AUTO_ANSWER", "486"))
	job := s.Run(ctx, *image, stack.Name("job"), stack.Hardened(), stack.File("/etc/nullcard/nullcard.yaml", `
callers: [{name: job, dial: "sip:callee", restart: {policy: never}}]
`))
	if code := job.Wait(ctx); code != 10 {
		t.Errorf("exit code %d, want 10 (busy)", code)
	}
}

func TestProcessCommands(t *testing.T) {
	ctx := t.Context()
	s := stack.New(t)
	c := s.Run(ctx, *image, stack.Hardened(), stack.File("/etc/nullcard/nullcard.yaml", `
apps:
  - {name: one, command: [sh, -c, "echo one is up; exec sleep infinity"]}
  - {name: two, command: [sleep, infinity], needs: [one]}
`))
	waitReady(ctx, c)
	nullcard := func(args ...string) stack.Result {
		return c.Exec(ctx, stack.Cmd(append([]string{"nullcard"}, args...)...))
	}
	if r := nullcard("stop", "one"); r.Code != 0 {
		t.Errorf("stop: %s", r.Stderr)
	}
	if r := nullcard("status"); !regexp.MustCompile(`one +exited .*\n?two +waiting`).MatchString(r.Stdout) {
		t.Errorf("after a stop:\n%s", r.Stdout)
	}
	if r := nullcard("start", "one"); r.Code != 0 {
		t.Errorf("start: %s", r.Stderr)
	}
	waitReady(ctx, c)
	if r := nullcard("restart", "one"); r.Code != 0 {
		t.Errorf("restart: %s", r.Stderr)
	}
	if r := nullcard("logs", "one"); strings.Count(r.Stdout, "one is up") != 3 {
		t.Errorf("logs of three runs:\n%s", r.Stdout)
	}
	if r := nullcard("restart", "three"); r.Code != 1 || !strings.Contains(r.Stderr, `there is no process "three"`) {
		t.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
	if exit := c.Stop(ctx, syscall.SIGTERM); exit.Code != 0 {
		t.Errorf("exit code %d", exit.Code)
	}
}
