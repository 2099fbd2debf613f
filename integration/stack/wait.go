package stack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/ory/dockertest/v3/docker"
)

// pollInterval is short beside what is waited for, and cheap for the daemon.
const pollInterval = 50 * time.Millisecond

// bounded gives ctx a deadline if it has none.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, waitTimeout)
}

// WaitFor asks until done answers true. It fails the test when ctx ends (after
// 30 s if ctx has no end) or the container does, with what was waited for, the
// last reason that done gave, and the end of the log.
func (c *Container) WaitFor(ctx context.Context, what string, done func(ctx context.Context) (ok bool, reason string)) {
	c.stack.t.Helper()
	if err := c.waitFor(ctx, what, done); err != nil {
		c.stack.t.Fatalf("%v", err)
	}
}

func (c *Container) waitFor(ctx context.Context, what string, done func(context.Context) (bool, string)) error {
	bound, cancel := bounded(ctx)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	last := "not looked at yet"
	for {
		// The state comes first: what a container wrote just before its end is
		// still seen by the look that follows.
		info, err := c.inspect(bound)
		running := err != nil || info.State.Running
		ok, reason := done(bound)
		if ok {
			return nil
		}
		if bound.Err() == nil {
			last = reason
		}
		if !running {
			return fmt.Errorf("container %s ended with exit code %d while waiting for %s (%s)\n%s",
				c.Name, info.State.ExitCode, what, last, c.tail(ctx))
		}
		select {
		case <-bound.Done():
			return fmt.Errorf("waited in vain for %s of container %s: %w (%s)\n%s",
				what, c.Name, context.Cause(bound), last, c.tail(ctx))
		case <-ticker.C:
		}
	}
}

// WaitLog waits for a line in the container's log, written since its last
// start or Mark, and returns the match and its submatches.
func (c *Container) WaitLog(ctx context.Context, line *regexp.Regexp) []string {
	c.stack.t.Helper()
	var found []string
	c.WaitFor(ctx, fmt.Sprintf("the log line %q", line), func(ctx context.Context) (bool, string) {
		lines, err := c.lines(ctx)
		if err != nil {
			return false, err.Error()
		}
		for _, text := range lines[min(c.mark, len(lines)):] {
			if found = line.FindStringSubmatch(text); found != nil {
				return true, ""
			}
		}
		return false, "no such line"
	})
	return found
}

// Mark makes WaitLog look only at what is written from here on.
func (c *Container) Mark(ctx context.Context) {
	c.stack.t.Helper()
	lines, err := c.lines(ctx)
	if err != nil {
		c.stack.t.Fatalf("%v", err)
	}
	c.mark = len(lines)
}

// WaitHealthy waits until the image's HEALTHCHECK says healthy.
func (c *Container) WaitHealthy(ctx context.Context) {
	c.stack.t.Helper()
	c.WaitFor(ctx, "health", func(ctx context.Context) (bool, string) {
		info, err := c.inspect(ctx)
		if err != nil {
			return false, err.Error()
		}
		h := info.State.Health
		if h.Status == "" {
			return false, "the image has no HEALTHCHECK"
		}
		reason := h.Status
		if n := len(h.Log); n > 0 {
			reason += ": " + strings.TrimSpace(h.Log[n-1].Output)
		}
		return h.Status == "healthy", reason
	})
}

// WaitExec repeats a command in the container until it succeeds, and returns
// what it wrote then.
func (c *Container) WaitExec(ctx context.Context, options ...ExecOption) Result {
	c.stack.t.Helper()
	var r Result
	c.WaitFor(ctx, "the success of "+commandLine(options), func(ctx context.Context) (bool, string) {
		var err error
		if r, err = c.exec(ctx, options); err != nil {
			return false, err.Error()
		}
		return r.Code == 0, fmt.Sprintf("exit code %d: %s", r.Code, strings.TrimSpace(r.Stderr+r.Stdout))
	})
	return r
}

// Log is what a container wrote, over all its starts.
type Log struct {
	Stdout, Stderr string
	// All is both, line by line in the order of writing.
	All string
}

// Logs returns what the container has written.
func (c *Container) Logs(ctx context.Context) Log {
	c.stack.t.Helper()
	l, err := c.logs(ctx, "all")
	if err != nil {
		c.stack.t.Fatalf("%v", err)
	}
	return l
}

func (c *Container) logs(ctx context.Context, tail string) (Log, error) {
	var all lockedBuffer
	var out, errs bytes.Buffer
	err := c.stack.client.Logs(docker.LogsOptions{
		Container: c.ID, Stdout: true, Stderr: true, Tail: tail, Context: ctx,
		OutputStream: io.MultiWriter(&out, &all), ErrorStream: io.MultiWriter(&errs, &all),
	})
	if err != nil {
		return Log{}, fmt.Errorf("cannot read the log of container %s: %w", c.Name, err)
	}
	return Log{Stdout: out.String(), Stderr: errs.String(), All: all.String()}, nil
}

func (c *Container) lines(ctx context.Context) ([]string, error) {
	l, err := c.logs(ctx, "all")
	if err != nil || l.All == "" {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(l.All, "\n"), "\n"), nil
}

// tail is the end of the log, for messages.
func (c *Container) tail(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	l, err := c.logs(ctx, "30")
	if err != nil {
		return err.Error()
	}
	if l.All == "" {
		return fmt.Sprintf("container %s wrote nothing", c.Name)
	}
	return fmt.Sprintf("the last lines of container %s:\n  %s", c.Name,
		strings.ReplaceAll(strings.TrimSuffix(l.All, "\n"), "\n", "\n  "))
}

// lockedBuffer may be written by the connection's goroutine after the reader
// has given up waiting.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
