package integration

import (
	"context"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/integration/stack"
	"github.com/ory/dockertest/v3/docker"
)

func TestImageNeedsNothing(t *testing.T) {
	ctx := t.Context()
	s := stack.New(t)
	c := device(ctx, s)

	if r := c.Exec(ctx, stack.Cmd("ls", "/dev/snd")); r.Code == 0 {
		t.Errorf("there is a /dev/snd: %s; this machine proves nothing", r.Stdout)
	}
	if r := c.Exec(ctx, stack.Shell("touch /x /etc/x /usr/x")); r.Code == 0 {
		t.Error("the root file system is not read-only")
	}
	if uid := strings.TrimSpace(c.MustExec(ctx, stack.Cmd("id", "-u")).Stdout); uid == "0" {
		t.Error("uid is 0")
	}
	for _, p := range c.Processes(ctx) {
		if p.UID == "0" || p.UID == "root" {
			t.Errorf("%s runs as root", p.Name)
		}
	}
	wantProcesses(ctx, t, c, "nullcard", "pulseaudio", "sleep")
}

// As any uid, with and without the group root, with and without a writable
// root file system.
func TestImageRunsAsAnyUser(t *testing.T) {
	for _, user := range []string{"12345", "12345:12345", "0"} {
		t.Run(user, func(t *testing.T) {
			ctx := t.Context()
			c := device(ctx, stack.New(t), stack.User(user))
			c.WaitLog(ctx, proven)
		})
		t.Run(user+" without a tmpfs", func(t *testing.T) {
			ctx := t.Context()
			c := stack.New(t).Run(ctx, *image, stack.User(user), stack.CapDrop("ALL"), stack.Args("sleep", "infinity"))
			waitReady(ctx, c)
		})
	}
}

func TestImageCarriesSound(t *testing.T) {
	ctx := t.Context()
	c := device(ctx, stack.New(t))
	const sending, listening = 3 * time.Second, 2 * time.Second
	playing := playTone(ctx, c, 440, sending)
	mic, speaker := record(ctx, c, "mic", listening), record(ctx, c, "speaker", listening)
	onlyTone(t, "from the feed to the microphone", heard(ctx, t, mic, listening), 440, 880)
	if l := heard(ctx, t, speaker, listening).Level(); l > -90 {
		t.Errorf("what is fed to the microphone comes out of the speaker, at %.1f dBFS", l)
	}
	if r := playing.Wait(ctx); r.Code != 0 {
		t.Errorf("playing ended with exit code %d: %s", r.Code, r.Stderr)
	}
}

func TestImageStops(t *testing.T) {
	ctx := t.Context()
	c := device(ctx, stack.New(t))
	exit := c.Stop(ctx, syscall.SIGTERM)
	if exit.Code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", exit.Code)
	}
	if exit.Took > 8*time.Second {
		t.Errorf("the stop took %v, beyond its budget of 8s", exit.Took)
	}
}

func TestImagePassesExitCodes(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		code int
	}{
		"success":        {[]string{"true"}, 0},
		"failure":        {[]string{"sh", "-c", "exit 7"}, 7},
		"signal":         {[]string{"sh", "-c", "kill -KILL $$"}, 128 + 9},
		"missing":        {[]string{"no-such-program"}, 127},
		"not executable": {[]string{"/etc/passwd"}, 126},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			c := stack.New(t).Run(ctx, *image, stack.Hardened(), stack.Args(test.args...))
			if code := c.Wait(ctx); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
		})
	}
}

// `docker run -it IMAGE bash` is a shell as usual.
func TestImageHandsOverTheTerminal(t *testing.T) {
	ctx := t.Context()
	c := stack.New(t).Run(ctx, *image, stack.Hardened(), stack.StdinOpen(),
		stack.Config(func(c *docker.Config) { c.Tty = true }),
		stack.Args("sh", "-c", "test -t 0 && test -t 1 && test -t 2 && exit 3"))
	if code := c.Wait(ctx); code != 3 {
		t.Errorf("exit code %d, want 3: not on a terminal", code)
	}
}

func TestImageSurvivesTenCrashes(t *testing.T) {
	ctx := t.Context()
	// Without a tmpfs: what a killed run leaves behind is still there.
	c := stack.New(t).Create(ctx, *image, stack.Name("crashing"), stack.Args("sleep", "infinity"))
	for range 10 {
		c.Start(ctx)
		c.WaitLog(ctx, appStarted)
		waitReady(ctx, c)
		if exit := c.Kill(ctx); exit.Code != 128+9 {
			t.Fatalf("killed, but the exit code is %d", exit.Code)
		}
	}
}

// What is wrong is said in one line that holds the cure, and nothing starts.
func TestImageRefusesBadInput(t *testing.T) {
	const file = "/etc/nullcard/nullcard.yaml"
	for name, test := range map[string]struct {
		options []stack.Option
		code    int
		want    []string
	}{
		"unknown key": {[]stack.Option{stack.File(file, "audoi: {}\n")}, 78,
			[]string{`line 1: unknown key "audoi"`}},
		"wrong type": {[]stack.Option{stack.File(file, "audio:\n  rate: fast\n")}, 78,
			[]string{`line 2: "fast" is not a number`}},
		"all problems at once": {[]stack.Option{stack.File(file, "x: 1\nstop_budget: soon\ndevices: [{name: A}]\n"), stack.Env("NULLCARD_LOCAL_PORT", "x")}, 78,
			[]string{`unknown key "x"`, `"soon" is not a duration`, `"A" is not a name`, `NULLCARD_LOCAL_PORT: "x" is not a number`}},
		"unreadable password": {[]stack.Option{stack.Env("NULLCARD_SIP_USERNAME", "me"), stack.Env("NULLCARD_SIP_PASSWORD_FILE", "/run/secrets/pw"), stack.Secret("/run/secrets/pw", "hunter2", 0)}, 78,
			[]string{"/run/secrets/pw: permission denied; mount it, and let uid"}},
		"runtime directory that can't be written": {[]stack.Option{stack.ReadOnly(), stack.Env("NULLCARD_RUNTIME_DIR", "/usr/share/nullcard")}, 73,
			[]string{"/usr/share/nullcard", "mount a tmpfs there"}},
		"usage": {[]stack.Option{stack.Entrypoint("nullcard", "run", "--nonsense")}, 64,
			[]string{"nonsense"}},
		"unknown command": {[]stack.Option{stack.Entrypoint("nullcard", "rnu")}, 64,
			[]string{`unknown command "rnu"`}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			c := stack.New(t).Run(ctx, *image, test.options...)
			if code := c.Wait(ctx); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			log := c.Logs(ctx).All
			for _, want := range test.want {
				if !strings.Contains(log, want) {
					t.Errorf("%q is not in the log:\n%s", want, log)
				}
			}
			if strings.Contains(log, "hunter2") {
				t.Error("the password is in the log")
			}
		})
	}
}

func TestImageDoctor(t *testing.T) {
	ctx := t.Context()
	c := device(ctx, stack.New(t))
	if r := c.MustExec(ctx, stack.Cmd("nullcard", "doctor")); !strings.Contains(r.Stdout, "nullcard runs: 2 of 2 processes work") {
		t.Errorf("the doctor says:\n%s", r.Stdout)
	}
	r := c.Exec(ctx, stack.Cmd("nullcard", "doctor", "-"), stack.Stdin(strings.NewReader(
		"Unable to find default audio device (PJMEDIA_EAUD_NODEFDEV) [status=420006]\n")))
	if r.Code != 1 || !strings.Contains(r.Stdout, "cause:") || !strings.Contains(r.Stdout, "cure:") {
		t.Errorf("exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
}

func TestImageRefusesASecondNullcard(t *testing.T) {
	ctx := t.Context()
	c := device(ctx, stack.New(t))
	r := c.Exec(ctx, stack.Cmd("nullcard", "run", "--", "true"))
	if r.Code != 73 || !strings.Contains(r.Stderr, "another nullcard uses /run/nullcard; stop it, or set NULLCARD_RUNTIME_DIR") {
		t.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
	waitReady(ctx, c)
}

func TestImageHealth(t *testing.T) {
	ctx := t.Context()
	s := stack.New(t)
	c := device(ctx, s)
	if r := c.MustExec(ctx, stack.Cmd("nullcard", "health")); strings.Count(r.Stdout, "\n") != 1 {
		t.Errorf("health says %q, want one line", r.Stdout)
	}
	bad := s.Run(ctx, *image, stack.Name("bad"), stack.Hardened(), stack.File("/etc/nullcard/nullcard.yaml", `
apps:
  - {name: good, command: [sleep, infinity]}
  - {name: bad, command: ["false"], restart: {backoff: {initial: 1m, max: 1m}}}
`))
	bad.WaitFor(ctx, "a health that says why", func(ctx context.Context) (bool, string) {
		r := bad.Exec(ctx, stack.Cmd("nullcard", "health"))
		return r.Code == 1 && regexp.MustCompile(`^nullcard health: bad is backoff: exit code 1\n$`).MatchString(r.Stderr), r.Stdout + r.Stderr
	})
	if r := bad.MustExec(ctx, stack.Cmd("nullcard", "status")); !regexp.MustCompile(`good +ready .*\nbad +backoff`).MatchString(r.Stdout) {
		t.Errorf("status says:\n%s", r.Stdout)
	}
}
