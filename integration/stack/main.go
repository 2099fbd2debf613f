package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
)

// Main runs a program that speaks this package's language outside a test. The
// function's TB is its own: Fatalf ends the function, as in a test, and comes
// back as Main's error; what was handed to Cleanup runs in either case, also
// when ctx is cancelled. Logf writes lines to log.
func Main(ctx context.Context, log io.Writer, f func(t TB) error) error {
	t := &program{ctx: ctx, log: log}
	done := make(chan error)
	// A goroutine of its own, so that Fatalf can end it as testing does.
	go func() {
		err := errors.New("ended without a result")
		defer func() { done <- err }()
		defer t.cleanUp()
		defer func() {
			if t.failure != nil {
				err = t.failure
			}
		}()
		if err = f(t); err != nil {
			t.failed = true
		}
	}()
	return <-done
}

type program struct {
	ctx      context.Context
	log      io.Writer
	failed   bool
	failure  error
	cleanups []func()
}

func (p *program) Helper()                         {}
func (p *program) Context() context.Context        { return p.ctx }
func (p *program) Cleanup(f func())                { p.cleanups = append(p.cleanups, f) }
func (p *program) Logf(format string, args ...any) { fmt.Fprintf(p.log, format+"\n", args...) }

// Failed is false for a program that was interrupted: nobody wants its logs.
func (p *program) Failed() bool { return p.failed && !errors.Is(p.ctx.Err(), context.Canceled) }

func (p *program) Fatalf(format string, args ...any) {
	p.failed = true
	p.failure = fmt.Errorf(format, args...)
	if cause := context.Cause(p.ctx); cause != nil {
		p.failure = cause // whatever failed, failed because of that
	}
	runtime.Goexit()
}

func (p *program) cleanUp() {
	for len(p.cleanups) > 0 {
		last := len(p.cleanups) - 1
		f := p.cleanups[last]
		p.cleanups = p.cleanups[:last]
		f()
	}
}
