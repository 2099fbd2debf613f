//go:build pulse

package audio

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/supervisor"
)

// startServer runs a PulseAudio by the Spec of s, as the supervisor does, and
// ends it with the test.
func startServer(t testing.TB, devices ...Device) (*Server, *supervisor.Instance) {
	t.Helper()
	dir, err := os.MkdirTemp("", "nc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if len(devices) == 0 {
		devices = []Device{{Name: "virtual"}}
	}
	s, err := NewServer(Options{RuntimeDir: dir, Devices: devices})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, runServer(t, s)
}

func runServer(t testing.TB, s *Server) *supervisor.Instance {
	t.Helper()
	spec := s.Spec()
	if err := spec.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(spec.Command[0], spec.Command[1:]...)
	cmd.Env, cmd.Dir = spec.Env, spec.Dir
	cmd.Stdout, cmd.Stderr = testWriter{t}, testWriter{t}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	started := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatalf("cannot start PulseAudio: %v; this test needs it", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	inst := &supervisor.Instance{PID: cmd.Process.Pid, Attempt: 1, Started: started}
	if err := spec.Ready(t.Context(), inst); err != nil {
		t.Fatalf("not ready: %v", err)
	}
	return inst
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", b)
	return len(b), nil
}

func TestServerStandsAndIsProven(t *testing.T) {
	s, inst := startServer(t)
	proofs := s.Proofs()
	if len(proofs) != 1 || proofs[0].Device != "virtual" {
		t.Fatalf("proofs %+v, want one of virtual", proofs)
	}
	if p := proofs[0]; p.Gain < -0.5 || p.Gain > 0.5 || p.Latency > 100*time.Millisecond {
		t.Errorf("proof %+v, want a gain of 0 dB and a short latency", p)
	}
	if err := s.Spec().Health.Check(t.Context(), inst); err != nil {
		t.Errorf("unhealthy: %v", err)
	}
}
