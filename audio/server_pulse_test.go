//go:build pulse

package audio

import (
	"fmt"
	"io"
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

// TestFullServer has as many devices and clients as one server is said to take.
func TestFullServer(t *testing.T) {
	devices := make([]Device, 25)
	for i := range devices {
		devices[i].Name = fmt.Sprintf("line%d", i)
	}
	s, _ := startServer(t, devices...)
	for i := range 62 { // nullcard itself has two connections
		cmd := exec.Command("parec", "--raw", "--latency-msec=500", "--device="+devices[i%len(devices)].Mic())
		cmd.Env = []string{"PATH=" + path(), "HOME=" + s.dir(), "PULSE_SERVER=unix:" + Socket(s.o.RuntimeDir)}
		cmd.Stderr = testWriter{t}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatalf("cannot start parec: %v; this test needs pulseaudio-utils", err)
		}
		defer func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}()
		if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
			t.Fatalf("client %d of 62 gets no sample: %v", i+1, err)
		}
	}
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
