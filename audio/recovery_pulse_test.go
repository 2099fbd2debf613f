//go:build pulse

package audio

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/supervisor"
)

// rounds of TestRecovery; a hundred take half a minute and leave no more behind.
const rounds = 10

// TestRecovery has the supervisor replace a server that dies and one that
// hangs, a few times over, and looks for what is left behind.
func TestRecovery(t *testing.T) {
	dir, err := os.MkdirTemp("", "nc")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	server, err := NewServer(Options{RuntimeDir: dir, Devices: []Device{{Name: "virtual"}}, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	spec := server.Spec()
	spec.Restart.Storm.Failures = -1 // this test is one
	spec.Restart.Backoff.Max = 20 * time.Millisecond
	sup, err := supervisor.New(supervisor.Options{
		Logger: slog.New(slog.NewTextHandler(testWriter{t}, nil)),
		Output: func(l supervisor.Line) { t.Logf("%s", l.Text) },
	}, []supervisor.Spec{spec})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = sup.Run(ctx)
	}()
	defer func() {
		cancel()
		<-ended
		server.Close()
		if n := openFiles(t, dir); n != 0 {
			t.Errorf("%d connections to the sound server are left", n)
		}
	}()

	last := 0
	proven := func() error {
		st := sup.Status()[0]
		if st.State != supervisor.Ready || st.PID == last || len(server.Proofs()) != 1 {
			return &unwanted{string(st.State)}
		}
		return nil
	}
	eventually(t, "ready at first", proven)
	files, goroutines := descriptors(t), runtime.NumGoroutine()
	for round := range rounds {
		sig := syscall.SIGKILL
		if round%5 == 4 {
			sig = syscall.SIGSTOP
		}
		last = sup.Status()[0].PID
		hit := time.Now()
		if err := syscall.Kill(last, sig); err != nil {
			t.Fatal(err)
		}
		eventually(t, "proven again after "+sig.String(), proven)
		t.Logf("round %d: %v → devices proven again: %v", round, sig, time.Since(hit).Round(time.Millisecond))
	}
	if n := openFiles(t, dir); n > 2 {
		t.Errorf("%d connections to the sound server, want that of the watch and its meters'", n)
	}
	// One check may be under way.
	eventually(t, "nothing left behind", func() error {
		if f, g := descriptors(t), runtime.NumGoroutine(); f > files+1 || g > goroutines+3 {
			return &unwanted{fmt.Sprintf("%d files and %d goroutines, now %d and %d", files, goroutines, f, g)}
		}
		return nil
	})
}

// descriptors counts the files that this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// openFiles counts this process' connections to the socket in dir, by the
// kernel's list of sockets.
func openFiles(t *testing.T, dir string) int {
	t.Helper()
	f, err := os.Open("/proc/net/unix")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		// State 03 is connected; the listening one has flag 00010000.
		f := strings.Fields(line)
		if len(f) == 8 && f[7] == filepath.Join(dir, "pulse", "native") && f[5] == "03" {
			n++
		}
	}
	return n
}
