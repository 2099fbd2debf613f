package stack

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ory/dockertest/v3/docker"
)

// image is the base that all of nullcard's images are built from.
const image = "debian:trixie-slim"

// idle is a container that lives until it is asked to end.
var idle = Entrypoint("/bin/sh", "-c", `trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.1; done`)

// attempt runs f as Main would, and returns what Fatalf said.
func attempt(t *testing.T, f func(t TB)) error {
	return Main(t.Context(), t.Output(), func(t TB) error { f(t); return nil })
}

func TestContainerFromStartToExit(t *testing.T) {
	ctx := t.Context()
	s := New(t)
	c := s.Run(ctx, image, Name("one"), idle, Env("GREETING", "hello"))
	c.WaitLog(ctx, regexp.MustCompile(`^up$`))
	if r := c.Exec(ctx, Shell(`echo "$GREETING $MORE"; echo oops >&2; exit 3`), ExecEnv("MORE", "there")); r != (Result{3, "hello there\n", "oops\n"}) {
		t.Errorf("exec = %+v", r)
	}
	if exit := c.Stop(ctx, syscall.SIGTERM); exit.Code != 7 || exit.Took > 5*time.Second {
		t.Errorf("exit = %+v, want code 7 at once", exit)
	}
	if log := c.Logs(ctx); log.Stdout != "up\nbye\n" || log.Stderr != "" || log.All != log.Stdout {
		t.Errorf("log = %+v", log)
	}
	if c.Running(ctx) {
		t.Error("still running")
	}

	c.Start(ctx)
	c.WaitLog(ctx, regexp.MustCompile(`^(u)p$`))
	if exit := c.Kill(ctx); exit.Code != 137 {
		t.Errorf("killed: exit code %d, want 137", exit.Code)
	}
}

func TestHardened(t *testing.T) {
	ctx := t.Context()
	s := New(t)
	c := s.Run(ctx, image, Hardened(), User("12345"), idle,
		File("/etc/nullcard/nullcard.yaml", "log: {}\n"), Secret("/run/secrets/alice", "geheim", 12345))
	r := c.MustExec(ctx, Shell(`id -u; cat /etc/nullcard/nullcard.yaml /run/secrets/alice; echo
		touch /file 2>/dev/null || echo read-only
		touch /run/nullcard/file && echo writable
		grep -E 'CapEff|NoNewPrivs' /proc/self/status | tr -d '\t'`))
	want := "12345\nlog: {}\ngeheim\nread-only\nwritable\nCapEff:0000000000000000\nNoNewPrivs:1\n"
	if r.Stdout != want {
		t.Errorf("got %q, want %q", r.Stdout, want)
	}
	if r := c.Exec(ctx, As("54321"), Cmd("cat", "/run/secrets/alice")); r.Code == 0 {
		t.Errorf("another uid reads the secret: %q", r.Stdout)
	}
}

func TestFilesGoInAndOut(t *testing.T) {
	ctx := t.Context()
	s := New(t)
	c := s.Run(ctx, image, Network("none"), File("/a/new/place", "first"), idle,
		Program("/b/new/large", strings.Repeat("large", 1<<20)))
	c.CopyIn(ctx, "/a/new/second", []byte("second\x00\xff"))
	if got := c.MustExec(ctx, Cmd("cat", "/a/new/place", "/a/new/second")).Stdout; got != "firstsecond\x00\xff" {
		t.Errorf("inside: %q", got)
	}
	if got := c.MustExec(ctx, Cmd("stat", "-c", "%s %a", "/b/new/large")).Stdout; got != "5242880 755\n" {
		t.Errorf("the large file: %q", got)
	}
	c.Kill(ctx)
	if got := c.CopyOut(ctx, "/a/new/second"); string(got) != "second\x00\xff" {
		t.Errorf("out: %q", got)
	}
	if _, err := c.download(ctx, "/a/new"); err == nil {
		t.Error("a directory was copied out as a file")
	}
}

func TestExecCarriesBytesBothWays(t *testing.T) {
	ctx := t.Context()
	s := New(t)
	c := s.Run(ctx, image, Network("none"), idle)
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	if r := c.MustExec(ctx, Cmd("cat"), Stdin(bytes.NewReader(data))); r.Stdout != string(data) {
		t.Errorf("cat gave back %d bytes of %d, or others", len(r.Stdout), len(data))
	}
	var live bytes.Buffer
	if r := c.MustExec(ctx, Cmd("cat"), Stdin(strings.NewReader("x")), Stdout(&live)); r.Stdout != "" || live.String() != "x" {
		t.Errorf("result %+v, writer %q", r, live.String())
	}
	// A command that does not read its input is no error.
	if r := c.Exec(ctx, Shell("exit 5"), Stdin(bytes.NewReader(data))); r.Code != 5 {
		t.Errorf("exit code %d, want 5", r.Code)
	}
	if r := c.Exec(ctx, Cmd("/no/such/program")); r.Code != 127 && r.Code != 126 {
		t.Errorf("a missing program gives %+v, want exit code 126 or 127", r)
	}

	a, b := c.Spawn(ctx, Shell("sleep 0.3; echo a")), c.Spawn(ctx, Shell("sleep 0.3; echo b"))
	if got := a.Wait(ctx).Stdout + b.Wait(ctx).Stdout; got != "a\nb\n" {
		t.Errorf("side by side: %q", got)
	}
}

func TestOutputIsBinarySafe(t *testing.T) {
	s := New(t)
	r := s.Output(t.Context(), image, Network("none"), Entrypoint("/bin/sh", "-c", `printf 'RIFF\0\377\200'; echo note >&2; exit 4`))
	if want := (Result{4, "RIFF\x00\xff\x80", "note\n"}); r != want {
		t.Errorf("output = %+v, want %+v", r, want)
	}
}

func TestPrivateNetwork(t *testing.T) {
	ctx := t.Context()
	s := New(t)
	a := s.Run(ctx, image, Name("alpha"), idle)
	b := s.Run(ctx, image, Name("beta"), idle)
	if got, want := b.MustExec(ctx, Cmd("getent", "hosts", "alpha")).Stdout, a.IP(ctx); !strings.HasPrefix(got, want+" ") {
		t.Errorf("alpha is %q, want %s", got, want)
	}
	network, err := s.client.NetworkInfo(s.network.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !network.Internal || len(network.Containers) != 2 {
		t.Errorf("the network is %+v, want an internal one of two", network)
	}
}

func TestProcessesAndSignals(t *testing.T) {
	ctx := t.Context()
	s := New(t)
	c := s.Run(ctx, image, Network("none"), User("12345"), Entrypoint("/bin/sh", "-c", "sleep 1000; echo survived $?; sleep 1000"))
	named := func(name string) (found []Process) {
		for _, p := range c.Processes(ctx) {
			if p.Name == name {
				found = append(found, p)
			}
		}
		return found
	}
	c.WaitFor(ctx, "sleep", func(context.Context) (bool, string) { return len(named("sleep")) == 1, "not there" })
	if p := named("sleep")[0]; p.UID != "12345" || p.Command != "sleep 1000" || p.PID == 0 {
		t.Errorf("process = %+v", p)
	}
	c.SignalProcess(ctx, "sleep", syscall.SIGKILL)
	c.WaitLog(ctx, regexp.MustCompile(`survived 137`))
}

func TestFailuresSayWhy(t *testing.T) {
	tests := []struct {
		name string
		do   func(ctx context.Context, s *Stack)
		want []string
	}{
		{"no image", func(ctx context.Context, s *Stack) { s.Run(ctx, "nullcard/none:such") },
			[]string{"cannot run nullcard/none:such", "no such image", "make images"}},
		{"no program", func(ctx context.Context, s *Stack) { s.Run(ctx, image, Name("x"), Entrypoint("/none")) },
			[]string{"cannot start container x", "/none"}},
		{"death while waiting", func(ctx context.Context, s *Stack) {
			s.Run(ctx, image, Name("x"), Entrypoint("/bin/sh", "-c", "echo first; echo the cause >&2; exit 9")).WaitLog(ctx, regexp.MustCompile("ready"))
		}, []string{"container x ended with exit code 9", "ready", "the cause"}},
		{"nothing comes", func(ctx context.Context, s *Stack) {
			c := s.Run(ctx, image, Name("x"), idle)
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			c.WaitLog(ctx, regexp.MustCompile("ready"))
		}, []string{"waited in vain", "ready", "up"}},
		{"a command fails", func(ctx context.Context, s *Stack) {
			s.Run(ctx, image, Name("x"), idle).MustExec(ctx, Shell("echo because >&2; exit 2"))
		}, []string{"exit code 2", "because"}},
		{"a command hangs", func(ctx context.Context, s *Stack) {
			c := s.Run(ctx, image, Name("x"), idle)
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			c.Exec(ctx, Shell("echo stuck >&2; sleep 1000"))
		}, []string{"sleep 1000", "did not end", "stuck"}},
		{"no health check", func(ctx context.Context, s *Stack) {
			c := s.Run(ctx, image, Name("x"), idle)
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			c.WaitHealthy(ctx)
		}, []string{"the image has no HEALTHCHECK"}},
		{"no such process", func(ctx context.Context, s *Stack) {
			s.Run(ctx, image, Name("x"), idle).SignalProcess(ctx, "pulseaudio", syscall.SIGKILL)
		}, []string{"no such process", "pulseaudio"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := attempt(t, func(tb TB) { tt.do(tb.Context(), New(tb)) })
			if err == nil {
				t.Fatal("no failure")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
		})
	}
}

// remains lists what carries a run's label.
func remains(t *testing.T, client *docker.Client, run string) []string {
	t.Helper()
	var left []string
	containers, err := client.ListContainers(docker.ListContainersOptions{
		All: true, Filters: map[string][]string{"label": {runLabel + "=" + run}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		left = append(left, c.Names...)
	}
	networks, err := client.FilteredListNetworks(docker.NetworkFilterOpts{"label": {runLabel + "=" + run: true}})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range networks {
		left = append(left, n.Name)
	}
	return left
}

func TestNothingRemains(t *testing.T) {
	outer := New(t)
	for name, end := range map[string]func(tb TB, cancel context.CancelCauseFunc) error{
		"success": func(TB, context.CancelCauseFunc) error { return nil },
		"error":   func(TB, context.CancelCauseFunc) error { return errors.New("judged bad") },
		"fatal":   func(tb TB, _ context.CancelCauseFunc) error { tb.Fatalf("judged bad"); return nil },
		"interrupt": func(tb TB, cancel context.CancelCauseFunc) error {
			cancel(errors.New("judged bad"))
			New(tb).Run(tb.Context(), image, idle)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var run string
			err := Main(ctx, t.Output(), func(tb TB) error {
				s := New(tb)
				run = s.run
				s.Run(ctx, image, idle)
				if _, err := s.create(ctx, image, []Option{Name("half"), idle, File("/etc/hostname/x", "")}); err == nil {
					t.Error("a file below a file could be made")
				} else {
					t.Log(err)
				}
				if len(remains(t, outer.client, run)) != 3 {
					t.Errorf("before the end: %q, want two containers and a network", remains(t, outer.client, run))
				}
				return end(tb, cancel)
			})
			if (name == "success") != (err == nil) || err != nil && err.Error() != "judged bad" {
				t.Errorf("error = %v", err)
			}
			if left := remains(t, outer.client, run); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestSweepTakesOrphansOnly(t *testing.T) {
	ctx := t.Context()
	s := New(t)
	owner := exec.CommandContext(ctx, "sleep", "1000")
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{runLabel: s.run, ownerLabel: ownerOf(owner.Process.Pid)}
	c := createLabelled(ctx, t, s.client, labels)
	survives := func() bool {
		_, err := s.client.InspectContainer(c)
		return err == nil
	}
	New(t)
	if !survives() {
		t.Fatal("swept a container whose owner lives")
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	New(t)
	if survives() {
		t.Error("did not sweep a container whose owner is gone")
	}
}

func createLabelled(ctx context.Context, t *testing.T, client *docker.Client, labels map[string]string) string {
	t.Helper()
	c, err := client.CreateContainer(docker.CreateContainerOptions{
		Config: &docker.Config{Image: image, Labels: labels, Cmd: []string{"true"}}, Context: ctx,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.ID
}
