package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// abreast is how many children are alive at a time.
const abreast = 16

type reaped struct {
	Zombie []time.Duration `json:"zombie_ns"` // from each orphan's end to its reaping
	Late   int             `json:"late"`      // not reaped within zombieLimit
}

// zombieLimit is the longest that an orphan is watched.
const zombieLimit = 2 * time.Second

// orphans leaves n orphans to PID 1.
func orphans(n int) (reaped, error) {
	var mu sync.Mutex
	var r reaped
	var failed []error
	var all sync.WaitGroup
	turn := make(chan struct{}, abreast)
	for range n {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			took, ok, err := orphan()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				failed = append(failed, err)
			case !ok:
				r.Late++
			default:
				r.Zombie = append(r.Zombie, took)
			}
		})
	}
	all.Wait()
	return r, errors.Join(failed...)
}

// orphan makes one orphan and watches its end.
func orphan() (took time.Duration, ok bool, err error) {
	// The shell ends at once, and its child is handed to PID 1.
	out, err := exec.Command("/bin/sh", "-c", "sleep 0.1 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		return 0, false, fmt.Errorf("cannot make an orphan: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return 0, false, err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, false, fmt.Errorf("cannot watch an orphan: %w", err)
	}
	defer unix.Close(fd)
	// A pidfd tells of the end, not of the reaping.
	ended, err := waitEnd(fd)
	if err != nil {
		return 0, false, err
	}
	for time.Since(ended) < zombieLimit {
		if errors.Is(unix.PidfdSendSignal(fd, 0, nil, 0), unix.ESRCH) {
			return time.Since(ended), true, nil
		}
		time.Sleep(20 * time.Microsecond)
	}
	return 0, false, nil
}

// waitEnd waits for the end of a process and returns when that was.
func waitEnd(pidfd int) (time.Time, error) {
	poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(poll, -1)
		switch {
		case err == nil:
			return time.Now(), nil
		case !errors.Is(err, unix.EINTR):
			return time.Time{}, fmt.Errorf("cannot wait for the end of a process: %w", err)
		}
	}
}
