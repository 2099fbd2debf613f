package caller

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// writeTimeout bounds a write to pjsua's console: the pipe takes 64 KiB, so
	// one that blocks has a pjsua behind it that hangs.
	writeTimeout = time.Second
	// answerTimeout is how long the console may take to answer a command. It
	// does so in a millisecond, unless it waits for the sound server.
	answerTimeout = 5 * time.Second
	// A console is asked for a sign of life askAfter its last, for askFor. It is
	// taken for hung after hungAfter, longer than a lookup of a host name that
	// times out, for which pjsua's console waits.
	askAfter  = 10 * time.Second
	askFor    = 500 * time.Millisecond
	hungAfter = 45 * time.Second
	// maxAnswer bounds the lines of an answer; the menu has 40.
	maxAnswer = 2000
)

// ErrNotRunning tells that there is no pjsua to talk to.
var ErrNotRunning = errors.New("pjsua is not running")

// console is the one owner of pjsua's standard input. It runs one command at a
// time. A command, the answers to its questions and a mark are written in one
// piece, and what pjsua writes until it repeats the mark is the answer.
type console struct {
	turn chan struct{} // holds the token of whoever may run a command

	writing sync.Mutex
	in      io.Writer
	pending []string // lines for a console that is still to be attached

	mu       sync.Mutex
	echoes   bool // pjsua repeats its commands
	asked    *answer
	answered time.Time // when it last did, or was opened
}

// answer is what pjsua wrote during one command.
type answer struct {
	mark   string
	lines  []string
	events []Event
	done   chan struct{}
}

func newConsole() *console {
	c := &console{turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

// attach opens the console, once for each run.
func (c *console) attach(ctx context.Context, in io.Writer) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.in == nil {
		c.mu.Lock()
		c.answered = time.Now()
		c.mu.Unlock()
	}
	c.in = in
	if c.pending == nil {
		return nil
	}
	lines := c.pending
	c.pending = nil
	return c.write(ctx, lines)
}

// send writes lines to the console, without waiting for an answer.
func (c *console) send(ctx context.Context, lines ...string) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.in == nil {
		return ErrNotRunning
	}
	return c.write(ctx, lines)
}

// sendLater is send, for a console that may not be attached yet.
func (c *console) sendLater(ctx context.Context, lines ...string) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.in == nil {
		c.pending = append(c.pending, lines...)
		return nil
	}
	return c.write(ctx, lines)
}

// write needs c.writing.
func (c *console) write(ctx context.Context, lines []string) error {
	if d, ok := c.in.(interface{ SetWriteDeadline(time.Time) error }); ok {
		deadline := time.Now().Add(writeTimeout)
		if t, ok := ctx.Deadline(); ok && t.Before(deadline) {
			deadline = t
		}
		// Where deadlines are not supported the write is as good without one.
		_ = d.SetWriteDeadline(deadline)
	}
	_, err := io.WriteString(c.in, strings.Join(lines, "\n")+"\n")
	if errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.EPIPE) {
		return ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("cannot write to pjsua's console: %w", err)
	}
	return nil
}

// asker runs a command and returns what pjsua wrote meanwhile.
type asker func(lines ...string) (*answer, error)

// ask runs one command.
func (c *console) ask(ctx context.Context, lines ...string) (a *answer, err error) {
	err = c.exclusively(ctx, func(ask asker) error {
		a, err = ask(lines...)
		return err
	})
	return a, err
}

// exclusively runs several commands with none of anyone else's between them.
func (c *console) exclusively(ctx context.Context, f func(asker) error) error {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { c.turn <- struct{}{} }()
	return f(func(lines ...string) (*answer, error) { return c.command(ctx, lines) })
}

func (c *console) command(ctx context.Context, lines []string) (*answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout,
		fmt.Errorf("pjsua's console does not answer within %v; it may wait for the sound server", answerTimeout))
	defer cancel()
	a := &answer{mark: "echo " + mark + rand.Text(), done: make(chan struct{})}
	c.mu.Lock()
	echoes := c.echoes
	c.asked, c.echoes = a, true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.asked = nil
		c.mu.Unlock()
	}()
	if !echoes {
		lines = append([]string{"echo 1"}, lines...)
	}
	if err := c.send(ctx, append(lines, a.mark)...); err != nil {
		return nil, err
	}
	select {
	case <-a.done:
		return a, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// mark begins the argument of an echo command; pjsua repeats it as any command.
// The rest is random, so that nothing from the network can pass for it.
const mark = "nullcard-"

var marks = regexp.MustCompile(`(?:^|[:>] )(echo ` + mark + `\w+)$`)

// take gives a line of pjsua's output to the command that runs, and tells
// whether there is one that may have caused it.
func (c *console) take(text []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := marks.FindSubmatch(text)
	if c.asked == nil {
		return m != nil // that of a command that was given up
	}
	if m != nil && string(m[1]) == c.asked.mark {
		close(c.asked.done)
		c.asked, c.answered = nil, time.Now()
		return true
	}
	if len(c.asked.lines) < maxAnswer {
		c.asked.lines = append(c.asked.lines, string(text))
	}
	return true
}

// silence is how long the console has not answered, nor been asked with
// success.
func (c *console) silence() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.answered)
}

// check asks the console for a sign of life when it has given none for a while,
// and fails when it has been silent for too long.
func (c *console) check(ctx context.Context) error {
	if c.silence() < askAfter {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	if _, err := c.ask(ctx); err != nil && c.silence() > hungAfter {
		return fmt.Errorf("pjsua hangs: its console has not answered for %v", c.silence().Round(time.Second))
	}
	return nil
}

// event gives an event to the command that runs.
func (c *console) event(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked != nil && len(c.asked.events) < maxAnswer {
		c.asked.events = append(c.asked.events, e)
	}
}

// has tells whether a line of the answer has that text.
func (a *answer) has(text string) bool {
	for _, l := range a.lines {
		if strings.Contains(l, text) {
			return true
		}
	}
	return false
}

// trouble is the first error in the answer, explained if it can be.
func (a *answer) trouble(what string) error {
	for _, e := range a.events {
		if e.Cause != "" {
			return fmt.Errorf("%s: %s; %s", what, e.Cause, e.Cure)
		}
	}
	for _, l := range a.lines {
		if strings.Contains(l, "[status=") || strings.Contains(l, "Invalid") {
			_, message, ok := splitLine([]byte(l))
			if !ok {
				message = l
			}
			return fmt.Errorf("%s: pjsua says: %s", what, message)
		}
	}
	return fmt.Errorf("%s: pjsua did not say why; its log may", what)
}
