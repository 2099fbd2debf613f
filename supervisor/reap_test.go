package supervisor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Two thousand children, each of which leaves an orphan behind, some of which
// cannot even be executed, while os/exec starts and waits for others: every
// status arrives where it belongs.
func TestReaping(t *testing.T) {
	must(t, adoptOrphans())
	children.acquire()
	defer children.release()
	before, _ := children.orphans()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(t, err)
	defer null.Close()
	shell, err := exec.LookPath("sh")
	must(t, err)
	broken := filepath.Join(t.TempDir(), "broken")
	must(t, os.WriteFile(broken, []byte("nothing"), 0o755))

	const total, workers = 2000, 16
	numbers := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for n := range numbers {
				attr := &syscall.ProcAttr{Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}, Sys: &syscall.SysProcAttr{Setpgid: true}}
				switch {
				case n%10 == 0:
					if _, _, err := children.start(broken, []string{broken}, attr); err != syscall.ENOEXEC {
						t.Errorf("broken program: %v", err)
					}
				case n%10 == 1: // beside us
					err := exec.Command(shell, "-c", fmt.Sprintf("exit %d", n%256)).Run()
					code := 0
					if ee, ok := err.(*exec.ExitError); ok {
						code, err = ee.ExitCode(), nil
					}
					if err != nil || code != n%256 {
						t.Errorf("os/exec: code %d, error %v, want %d", code, err, n%256)
					}
				}
				// The orphan outlives its parent by a moment.
				_, exit, err := children.start(shell, []string{"sh", "-c", fmt.Sprintf("(exec sleep 0.01) & exit %d", n%256)}, attr)
				if err != nil {
					t.Error(err)
					continue
				}
				ex := <-exit
				if ex.Code != n%256 || ex.Signal != 0 {
					t.Errorf("child %d: %v", n, ex)
				}
			}
		})
	}
	for n := range total {
		numbers <- n
	}
	close(numbers)
	wg.Wait()
	limit := time.After(patience)
	for {
		now, more := children.orphans()
		if now-before == total {
			break
		}
		if now-before > total {
			t.Fatalf("%d orphans, want %d", now-before, total)
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("%d orphans, want %d", now-before, total)
		}
	}
	if z := zombies(t); len(z) > 0 {
		t.Errorf("zombies: %v", z)
	}
}

// A dead child of another's must not keep the statuses of ours back.
func TestForeignZombie(t *testing.T) {
	children.acquire()
	defer children.release()
	foreign := exec.Command("sh", "-c", "exit 5")
	must(t, foreign.Start())
	for state := ""; state != "Z"; runtime.Gosched() {
		for _, s := range processList(t) {
			if s.pid == foreign.Process.Pid {
				state = s.state
			}
		}
	}
	_, exit, err := children.start("/bin/sh", []string{"sh", "-c", "exit 6"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setpgid: true}})
	must(t, err)
	if ex := <-exit; ex.Code != 6 {
		t.Errorf("ours: %v", ex)
	}
	err = foreign.Wait()
	if ee, ok := err.(*exec.ExitError); !ok || ee.ExitCode() != 5 {
		t.Errorf("the other's: %v, want exit code 5", err)
	}
}

// An abandoned child of another's is reaped in the end.
func TestAbandonedZombie(t *testing.T) {
	children.acquire()
	defer children.release()
	before, _ := children.orphans()
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "exit 5"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	must(t, err)
	limit := time.After(patience)
	for {
		now, more := children.orphans()
		if now > before {
			break
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("zombie %d was not reaped", pid)
		}
	}
}

func TestOrphansOfAProcess(t *testing.T) {
	before, _ := children.orphans()
	r := begin(t, Options{}, Spec{Name: "it", Command: self("leave leave exit 1/exit 2", "sleep")})
	r.reached("it", Ready, 1)
	limit := time.After(patience)
	for r.Orphans() == before {
		select {
		case <-limit:
			t.Fatal("no orphan was reaped")
		case <-time.After(time.Millisecond):
		}
	}
}

// usage is what must not grow.
func usage(t *testing.T) (fds, goroutines int, heap uint64) {
	t.Helper()
	dir, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return len(dir), runtime.NumGoroutine(), m.HeapAlloc
}

func TestThousandRestartsLeakNothing(t *testing.T) {
	spec := Spec{Name: "it", Env: helperEnv(), Stdin: true, Notify: Notify{FD: 3},
		Command: []string{"/bin/sh", "-c", "echo up >&3; echo line; exit 1"}, // quicker than the helper
		Health:  Health{Check: func(context.Context, *Instance) error { return nil }, Interval: time.Millisecond},
		Restart: Restart{Storm: Storm{Failures: -1}, Backoff: Backoff{Initial: time.Nanosecond, Max: time.Nanosecond}}}
	r := begin(t, Options{}, spec)
	r.reached("it", Starting, 50)
	fds, goroutines, heap := usage(t)
	r.reached("it", Starting, 1050)
	r.note(func() { r.events, r.lines = nil, nil })
	fds2, goroutines2, heap2 := usage(t)
	t.Logf("before %d fds, %d goroutines, %d KiB; after %d, %d, %d", fds, goroutines, heap>>10, fds2, goroutines2, heap2>>10)
	// One run is on at both times, in whatever state.
	if fds2 > fds+8 {
		t.Errorf("%d descriptors, were %d", fds2, fds)
	}
	if goroutines2 > goroutines+8 {
		t.Errorf("%d goroutines, were %d", goroutines2, goroutines)
	}
	if heap2 > heap+2<<20 {
		t.Errorf("heap of %d KiB, was %d", heap2>>10, heap>>10)
	}
	if z := zombies(t); len(z) > 2 {
		t.Errorf("zombies: %v", z)
	}
}
