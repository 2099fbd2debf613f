package caller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// consoleTimeout bounds a write to pjsua's console: the pipe takes 64 KiB, so
// one that blocks has a pjsua behind it that hangs.
const consoleTimeout = time.Second

// console is the one owner of pjsua's standard input. A command and the answers
// to its questions are written in one piece, so that commands never mix.
type console struct {
	mu sync.Mutex
	in io.Writer
}

func (c *console) attach(in io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = in
}

// send writes lines to the console.
func (c *console) send(ctx context.Context, lines ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in == nil {
		return errors.New("pjsua's console is not open: it is not running")
	}
	if d, ok := c.in.(interface{ SetWriteDeadline(time.Time) error }); ok {
		deadline := time.Now().Add(consoleTimeout)
		if t, ok := ctx.Deadline(); ok && t.Before(deadline) {
			deadline = t
		}
		// Where deadlines are not supported the write is as good without one.
		_ = d.SetWriteDeadline(deadline)
	}
	if _, err := io.WriteString(c.in, strings.Join(lines, "\n")+"\n"); err != nil {
		return fmt.Errorf("cannot write to pjsua's console: %w", err)
	}
	return nil
}
