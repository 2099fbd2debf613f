package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nullcard/nullcard/supervisor"
)

type delivered struct {
	// Delivery is from when a pidfd tells of a child's end to when the
	// process' owner acts on it, Final to when its group was seen to be empty
	// and the process is reported as ended.
	Delivery []time.Duration `json:"delivery_ns"`
	Final    []time.Duration `json:"final_ns"`
	Wrong    int             `json:"wrong"` // exit codes lost or somebody else's
	Orphans  int             `json:"orphans"`
	// Oldest is the greatest age of a zombie that was seen.
	Oldest time.Duration `json:"oldest_zombie_ns"`
}

// supervise runs n children in waves.
func supervise(n int) (delivered, error) {
	var d delivered
	watching, stop := context.WithCancel(context.Background())
	oldest := make(chan time.Duration)
	go func() { oldest <- oldestZombie(watching) }()
	for first := 0; first < n; first += abreast {
		if err := wave(first, min(abreast, n-first), &d); err != nil {
			stop()
			<-oldest
			return d, err
		}
	}
	stop()
	d.Oldest = <-oldest
	return d, nil
}

func wave(first, n int, d *delivered) error {
	var mu sync.Mutex
	ends, news, told := map[string]time.Time{}, map[string]time.Time{}, map[string]supervisor.Event{}
	var watchers sync.WaitGroup
	var specs []supervisor.Spec
	for i := range n {
		name := "child" + strconv.Itoa(first+i)
		specs = append(specs, supervisor.Spec{
			Name: name,
			// The orphan has a group of its own, or it would be ended with its
			// parent.
			Command: []string{"/bin/sh", "-c", fmt.Sprintf("setsid sleep 0.1 & sleep 0.05; exit %d", code(first+i))},
			Restart: supervisor.Restart{Policy: supervisor.Never},
		})
	}
	s, err := supervisor.New(supervisor.Options{
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Event: func(e supervisor.Event) {
			switch e.To {
			case supervisor.Ready:
				fd, err := unix.PidfdOpen(e.PID, 0)
				if err != nil {
					return // missing below
				}
				watchers.Go(func() {
					defer unix.Close(fd)
					at, err := waitEnd(fd)
					if err != nil {
						return
					}
					mu.Lock()
					defer mu.Unlock()
					ends[e.Process] = at
				})
			case supervisor.Stopping:
				mu.Lock()
				defer mu.Unlock()
				news[e.Process] = e.Time
			case supervisor.Exited, supervisor.Failed:
				mu.Lock()
				defer mu.Unlock()
				told[e.Process] = e
			}
		},
	}, specs)
	if err != nil {
		return err
	}
	_, _ = s.Run(context.Background()) // ends when all have ended; their codes are looked at below
	watchers.Wait()
	for i := range n {
		name := "child" + strconv.Itoa(first+i)
		e, at := told[name], ends[name]
		if e.Exit == nil || e.Exit.Code != code(first+i) || at.IsZero() {
			d.Wrong++
			continue
		}
		d.Delivery = append(d.Delivery, max(news[name].Sub(at), 0))
		d.Final = append(d.Final, max(e.Time.Sub(at), 0))
	}
	d.Orphans = int(s.Orphans())
	return nil
}

func code(i int) int { return i % 126 }

// oldestZombie looks for zombies until ctx ends.
func oldestZombie(ctx context.Context) time.Duration {
	seen := map[string]time.Time{}
	var oldest time.Duration
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		now := time.Now()
		there := map[string]bool{}
		dirs, _ := os.ReadDir("/proc")
		for _, dir := range dirs {
			b, err := os.ReadFile("/proc/" + dir.Name() + "/stat")
			if err != nil {
				continue // no process, or gone
			}
			_, rest, _ := strings.Cut(string(b), ") ")
			if !strings.HasPrefix(rest, "Z ") {
				continue
			}
			there[dir.Name()] = true
			if seen[dir.Name()].IsZero() {
				seen[dir.Name()] = now
			}
			oldest = max(oldest, now.Sub(seen[dir.Name()]))
		}
		for pid := range seen {
			if !there[pid] {
				delete(seen, pid)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return oldest
		}
	}
}
