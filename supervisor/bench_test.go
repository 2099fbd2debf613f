package supervisor

import (
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BenchmarkReap ends children that leave orphans behind and measures how long
// after its end (the closing of its last descriptor) the status of each arrives.
func BenchmarkReap(b *testing.B) {
	if err := adoptOrphans(); err != nil {
		b.Fatal(err)
	}
	children.acquire()
	defer children.release()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	var mu sync.Mutex
	var delays []time.Duration
	numbers := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) { // more would measure how they queue for a core
		wg.Go(func() {
			for n := range numbers {
				r, w, err := pipe()
				if err != nil {
					b.Error(err)
					continue
				}
				// The pipe is the child's own: its orphan closes it.
				_, exit, err := children.start("/bin/sh", []string{"sh", "-c", "(exec 3>&-; exec sleep 0.01) & exit 7"}, &syscall.ProcAttr{
					Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), uintptr(w)}, Sys: &syscall.SysProcAttr{Setpgid: true}})
				syscall.Close(w)
				if err != nil {
					b.Error(err)
					continue
				}
				file := os.NewFile(uintptr(r), "end")
				var one [1]byte
				file.Read(one[:])
				ended := time.Now()
				ex := <-exit
				d := time.Since(ended)
				file.Close()
				if ex.Code != 7 {
					b.Errorf("child %d: %v", n, ex)
				}
				mu.Lock()
				delays = append(delays, d)
				mu.Unlock()
			}
		})
	}
	for n := range b.N {
		numbers <- n
	}
	close(numbers)
	wg.Wait()
	report(b, "delivery", delays)
}

// report adds percentiles to what a benchmark prints.
func report(b *testing.B, what string, d []time.Duration) {
	slices.Sort(d)
	for name, at := range map[string]int{"p50": len(d) / 2, "p99": len(d) * 99 / 100, "max": len(d) - 1} {
		b.ReportMetric(float64(d[at].Microseconds())/1000, what+"-"+name+"-ms")
	}
}

// BenchmarkRespawn kills a process and measures until its successor has been
// started, without a pause between.
func BenchmarkRespawn(b *testing.B) {
	ready := make(chan Event, 1)
	s, err := New(Options{
		Logger: slog.New(slog.DiscardHandler),
		Event: func(e Event) {
			if e.To == Ready {
				ready <- e
			}
		},
	}, []Spec{{Name: "it", Command: []string{"/bin/sleep", "1000"},
		Restart: Restart{Storm: Storm{Failures: -1}, Backoff: Backoff{Initial: time.Nanosecond, Max: time.Nanosecond}}}})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() { s.Run(b.Context()); close(done) }()
	b.Cleanup(func() { <-done })
	e := <-ready
	var delays []time.Duration
	for b.Loop() {
		began := time.Now()
		if err := syscall.Kill(e.PID, syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		e = <-ready
		delays = append(delays, time.Since(began))
	}
	report(b, "respawn", delays)
}

// BenchmarkIdleStop measures from SIGTERM to the end of Run.
func BenchmarkIdleStop(b *testing.B) {
	var delays []time.Duration
	for b.Loop() {
		signals := make(chan os.Signal, 1)
		ready := make(chan struct{}, 2)
		s, err := New(Options{Signals: signals, Logger: slog.New(slog.DiscardHandler), Event: func(e Event) {
			if e.To == Ready {
				ready <- struct{}{}
			}
		}}, []Spec{{Name: "need", Command: []string{"/bin/sleep", "1000"}}, {Name: "it", Command: []string{"/bin/sleep", "1000"}, Needs: []string{"need"}}})
		if err != nil {
			b.Fatal(err)
		}
		done := make(chan struct{})
		go func() { s.Run(b.Context()); close(done) }()
		<-ready
		<-ready
		began := time.Now()
		signals <- syscall.SIGTERM
		<-done
		delays = append(delays, time.Since(began))
	}
	report(b, "stop", delays)
}
