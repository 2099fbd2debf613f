package stack

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ory/dockertest/v3/docker"
)

// ExecOption says what is run inside a container, and how.
type ExecOption func(*execution)

type execution struct {
	command []string
	env     []string
	user    string
	stdin   io.Reader
	stdout  io.Writer
}

// Cmd is the program and its arguments.
func Cmd(command ...string) ExecOption { return func(e *execution) { e.command = command } }

// Shell runs a script by the container's own /bin/sh.
func Shell(script string) ExecOption { return Cmd("/bin/sh", "-c", script) }

// Stdin feeds the command's standard input, which is closed at the reader's
// end. Without it standard input is empty.
func Stdin(r io.Reader) ExecOption { return func(e *execution) { e.stdin = r } }

// Stdout writes what the command writes to w while it runs, instead of
// collecting it.
func Stdout(w io.Writer) ExecOption { return func(e *execution) { e.stdout = w } }

// ExecEnv sets an environment variable for the command.
func ExecEnv(key, value string) ExecOption {
	return func(e *execution) { e.env = append(e.env, key+"="+value) }
}

// As runs the command as another user than the container's.
func As(user string) ExecOption { return func(e *execution) { e.user = user } }

func commandLine(options []ExecOption) string {
	var e execution
	for _, o := range options {
		o(&e)
	}
	return "`" + strings.Join(e.command, " ") + "`"
}

// Result is what a command that has ended wrote, byte for byte, and its exit
// code.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Exec runs a command in the container and waits for its end.
func (c *Container) Exec(ctx context.Context, options ...ExecOption) Result {
	c.stack.t.Helper()
	r, err := c.exec(ctx, options)
	if err != nil {
		c.stack.t.Fatalf("%v\n%s", err, c.tail(ctx))
	}
	return r
}

// MustExec is Exec of a command whose failure is the test's.
func (c *Container) MustExec(ctx context.Context, options ...ExecOption) Result {
	c.stack.t.Helper()
	r := c.Exec(ctx, options...)
	if r.Code != 0 {
		c.stack.t.Fatalf("%s in container %s ended with exit code %d: %s\n%s", commandLine(options), c.Name, r.Code,
			strings.TrimSpace(r.Stderr+r.Stdout), c.tail(ctx))
	}
	return r
}

func (c *Container) exec(ctx context.Context, options []ExecOption) (Result, error) {
	p, err := c.spawn(ctx, options)
	if err != nil {
		return Result{}, err
	}
	return p.wait(ctx)
}

// Execution is a command that runs in a container.
type Execution struct {
	container *Container
	id        string
	command   string
	stdout    *lockedBuffer
	stderr    *lockedBuffer
	stream    docker.CloseWaiter
	ended     chan error
}

// Spawn starts a command in the container; Wait waits for its end.
func (c *Container) Spawn(ctx context.Context, options ...ExecOption) *Execution {
	c.stack.t.Helper()
	p, err := c.spawn(ctx, options)
	if err != nil {
		c.stack.t.Fatalf("%v\n%s", err, c.tail(ctx))
	}
	return p
}

func (c *Container) spawn(ctx context.Context, options []ExecOption) (*Execution, error) {
	var e execution
	for _, o := range options {
		o(&e)
	}
	p := &Execution{
		container: c, command: commandLine(options),
		stdout: new(lockedBuffer), stderr: new(lockedBuffer), ended: make(chan error, 1),
	}
	var out io.Writer = p.stdout
	if e.stdout != nil {
		out = e.stdout
	}
	made, err := c.stack.client.CreateExec(docker.CreateExecOptions{
		Container: c.ID, Cmd: e.command, Env: e.env, User: e.user, Context: ctx,
		AttachStdin: e.stdin != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot run %s in container %s: %w", p.command, c.Name, err)
	}
	p.id = made.ID
	p.stream, err = c.stack.client.StartExecNonBlocking(p.id, docker.StartExecOptions{
		InputStream: e.stdin, OutputStream: out, ErrorStream: p.stderr,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot run %s in container %s: %w", p.command, c.Name, err)
	}
	go func() { p.ended <- p.stream.Wait() }()
	return p, nil
}

// Stderr is what the command has written to its standard error so far.
func (p *Execution) Stderr() string { return p.stderr.String() }

// Wait waits for the command's end. When ctx ends first (after 30 s if it has
// no end) the test fails; the command itself lives on until its container ends,
// since Docker has no way to signal it.
func (p *Execution) Wait(ctx context.Context) Result {
	p.container.stack.t.Helper()
	r, err := p.wait(ctx)
	if err != nil {
		p.container.stack.t.Fatalf("%v\n%s", err, p.container.tail(ctx))
	}
	return r
}

func (p *Execution) wait(ctx context.Context) (Result, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var stream error
	select {
	case stream = <-p.ended:
	case <-ctx.Done():
		_ = p.stream.Close()
		<-p.ended
		return Result{}, fmt.Errorf("%s in container %s did not end: %w; its standard error: %q",
			p.command, p.container.Name, context.Cause(ctx), p.stderr.String())
	}
	// The streams end a moment before the exit code is known.
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		info, err := p.container.stack.client.InspectExec(p.id)
		if err != nil {
			return Result{}, fmt.Errorf("cannot learn how %s in container %s ended: %w (%v)", p.command, p.container.Name, err, stream)
		}
		if !info.Running {
			// A stream error with an exit code is only a command that did not
			// read all its input.
			return Result{Code: info.ExitCode, Stdout: p.stdout.String(), Stderr: p.stderr.String()}, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return Result{}, fmt.Errorf("%s in container %s closed its output and did not end: %w", p.command, p.container.Name, context.Cause(ctx))
		}
	}
}

// attached starts the container with its output attached and waits for its
// end. The log drivers keep text only; the attached streams keep every byte.
func (c *Container) attached(ctx context.Context) (Result, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var stdout, stderr lockedBuffer
	ready := make(chan struct{})
	stream, err := c.stack.client.AttachToContainerNonBlocking(docker.AttachToContainerOptions{
		Container: c.ID, OutputStream: &stdout, ErrorStream: &stderr,
		Stream: true, Stdout: true, Stderr: true, Success: ready,
	})
	if err != nil {
		return Result{}, fmt.Errorf("cannot attach to container %s: %w", c.Name, err)
	}
	select {
	case <-ready:
		ready <- struct{}{}
	case <-ctx.Done():
		return Result{}, fmt.Errorf("cannot attach to container %s: %w", c.Name, context.Cause(ctx))
	}
	ended := make(chan error, 1)
	go func() { ended <- stream.Wait() }()
	code, err := c.startAndWait(ctx)
	if err != nil {
		_ = stream.Close()
		<-ended
		return Result{}, err
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
		_ = stream.Close()
		<-ended
		err = context.Cause(ctx)
	}
	if err != nil {
		return Result{}, fmt.Errorf("cannot read the output of container %s: %w", c.Name, err)
	}
	return Result{Code: code, Stdout: stdout.String(), Stderr: stderr.String()}, nil
}

func (c *Container) startAndWait(ctx context.Context) (int, error) {
	if err := c.stack.client.StartContainerWithContext(c.ID, nil, ctx); err != nil {
		return 0, fmt.Errorf("cannot start container %s: %w", c.Name, err)
	}
	code, err := c.stack.client.WaitContainerWithContext(c.ID, ctx)
	if err != nil {
		return 0, fmt.Errorf("container %s did not end: %w", c.Name, err)
	}
	return code, nil
}
