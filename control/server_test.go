package control

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/caller"
	"github.com/nullcard/nullcard/supervisor"
)

// idle is a supervisor that has not been run.
func idle(t *testing.T) *supervisor.Supervisor {
	t.Helper()
	s, err := supervisor.New(supervisor.Options{}, []supervisor.Spec{{Name: "a", Command: []string{"true"}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve answers with status on a new socket until the test ends.
func serve(t *testing.T, status Status) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	sup := idle(t)
	server := Server{
		Status:     func() Status { return status },
		Supervisor: func() *supervisor.Supervisor { return sup },
		Callers:    func() []*caller.Caller { return nil },
	}
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return NewClient(path)
}

func TestStatusSurvivesTheWire(t *testing.T) {
	exit := supervisor.Exit{Code: 137, Signal: syscall.SIGKILL}
	exit.Rusage.Maxrss = 17
	want := Status{Version: "v", Backend: "pulse", Devices: []string{"virtual"}, Processes: []supervisor.Status{
		{Name: "a", State: supervisor.BackingOff, Cause: "killed", Attempt: 2, Restarts: 1, LastExit: &exit},
	}}
	got, err := serve(t, want).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := got.Processes[0]
	if p.State != supervisor.BackingOff || p.LastExit == nil || *p.LastExit != exit {
		t.Errorf("got %+v (exit %+v), want %+v", p, p.LastExit, want.Processes[0])
	}
	if ok, reason := got.Ready(); ok || reason != "a is backoff: killed" {
		t.Errorf("ready: %v, %q", ok, reason)
	}
}

func TestDegradedIsReady(t *testing.T) {
	if ok, reason := (Status{Degraded: "no sound"}).Ready(); !ok || reason != "degraded: no sound" {
		t.Errorf("ready: %v, %q", ok, reason)
	}
}

func TestReady(t *testing.T) {
	for state, want := range map[supervisor.State]bool{
		supervisor.Waiting: false, supervisor.Starting: false, supervisor.Ready: true, supervisor.Stopping: false,
		supervisor.BackingOff: false, supervisor.Exited: true, supervisor.Failed: false,
	} {
		if ok, reason := (Status{Processes: []supervisor.Status{{Name: "a", State: state}}}).Ready(); ok != want {
			t.Errorf("%s: ready is %v (%s)", state, ok, reason)
		}
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()

	stale := filepath.Join(dir, "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := Listen(stale)
	if err != nil {
		t.Fatalf("a socket that nobody answers on: %v", err)
	}
	defer again.Close()

	if _, err := Listen(stale); err == nil || !strings.Contains(err.Error(), "another program answers there") {
		t.Errorf("a taken socket: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(file); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file: %v", err)
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Error("the file is gone")
	}
}

func TestClientSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	if _, err := NewClient(filepath.Join(dir, "none")).Status(t.Context()); err == nil || !strings.Contains(err.Error(), "no nullcard runs here") {
		t.Errorf("nobody there: %v", err)
	}
	silent := filepath.Join(dir, "silent")
	l, err := net.Listen("unix", silent)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := NewClient(silent).Status(ctx); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("silence: %v", err)
	}
}

func TestRequestsThatCannotBeFollowed(t *testing.T) {
	c := serve(t, Status{Processes: []supervisor.Status{{Name: "a"}}})
	ctx := t.Context()
	for what, test := range map[string]struct {
		err  error
		want string
	}{
		"process": {c.Process(ctx, "b", "restart"), `there is no process "b": there are a`},
		"idle":    {c.Process(ctx, "a", "restart"), "does not run"},
		"caller":  {c.Hangup(ctx, "x", 0), `there is no caller "x": there are none`},
		"route":   {c.Process(ctx, "a", "dance"), "404"},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", what, test.err, test.want)
		}
	}
	if _, err := c.Log(ctx, "b", 3); err == nil || !strings.Contains(err.Error(), `no process "b"`) {
		t.Errorf("log: %v", err)
	}
	if lists, err := c.Calls(ctx); err != nil || len(lists) != 0 {
		t.Errorf("calls: %v, %v", lists, err)
	}
}
