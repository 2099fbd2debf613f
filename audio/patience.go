package audio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
)

const (
	// longestBusy is how long a server may be too busy to answer.
	longestBusy = 10 * time.Second
	// overslept is how much later than due we wake only when we, too, have to
	// wait for a processor.
	overslept = 100 * time.Millisecond
)

// patience tells a server that hangs, which has to be replaced at once, from
// one that waits for a processor on a machine with too much to do, to which a
// restart would be one thing more.
type patience struct {
	since time.Time // of the first check in a row that had no answer for that
}

// judge takes the result of a check of the server with that pid, whose ctx had
// a deadline, and returns what is to count.
func (p *patience) judge(ctx context.Context, pid int, err error, log *slog.Logger) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		p.since = time.Time{}
		return err
	}
	now := time.Now()
	deadline, _ := ctx.Deadline()
	if now.Sub(deadline) < overslept && !runnable(pid) {
		return err
	}
	if p.since.IsZero() {
		p.since = now
		log.Warn("the sound server is slow: it waits for a processor", "cure", "give the container or machine more CPU")
	}
	if busy := now.Sub(p.since); busy > longestBusy {
		return fmt.Errorf("busy for %v: %w", busy.Round(time.Second), err)
	}
	return nil
}

// runnable tells whether the main thread of a process runs or would if it had
// a processor (state R in proc_pid_stat(5)). One that hangs sleeps, or was
// stopped.
func runnable(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The name before the state may have blanks and parentheses.
	_, after, ok := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	return ok && bytes.HasPrefix(after, []byte("R"))
}
