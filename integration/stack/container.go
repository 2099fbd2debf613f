package stack

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/ory/dockertest/v3/docker"
)

// Container is one container of a stack.
type Container struct {
	ID    string
	Name  string // on the stack's network
	stack *Stack
	image string
	mark  int // lines of the log that WaitLog does not look at
	// volumes are directories that take files although the root does not.
	volumes []string
}

// Start starts the container, also again after it has ended. WaitLog looks
// only at what it writes from here on.
func (c *Container) Start(ctx context.Context) {
	c.stack.t.Helper()
	c.Mark(ctx)
	if err := c.stack.client.StartContainerWithContext(c.ID, nil, ctx); err != nil {
		c.stack.t.Fatalf("cannot start container %s from %s: %v", c.Name, c.image, err)
	}
}

// Signal sends a signal to the container's first process.
func (c *Container) Signal(ctx context.Context, sig syscall.Signal) {
	c.stack.t.Helper()
	err := c.stack.client.KillContainer(docker.KillContainerOptions{ID: c.ID, Signal: docker.Signal(sig), Context: ctx})
	if err != nil {
		c.stack.t.Fatalf("cannot send %v to container %s: %v", sig, c.Name, err)
	}
}

// Exit is how a container ended.
type Exit struct {
	Code int
	// Took is the time from the call to the end as Docker reports it.
	Took time.Duration
}

// Stop sends a signal and waits for the container's end. It is not killed when
// it takes long: the test fails when ctx ends, or after 30 s.
func (c *Container) Stop(ctx context.Context, sig syscall.Signal) Exit {
	c.stack.t.Helper()
	begin := time.Now()
	c.Signal(ctx, sig)
	code := c.Wait(ctx)
	return Exit{Code: code, Took: time.Since(begin)}
}

// Kill ends the container with SIGKILL, as a crash of the machine would.
func (c *Container) Kill(ctx context.Context) Exit {
	c.stack.t.Helper()
	return c.Stop(ctx, syscall.SIGKILL)
}

// Wait waits for the container's end and returns its exit code.
func (c *Container) Wait(ctx context.Context) int {
	c.stack.t.Helper()
	ctx, cancel := bounded(ctx)
	defer cancel()
	code, err := c.stack.client.WaitContainerWithContext(c.ID, ctx)
	if err != nil {
		c.stack.t.Fatalf("container %s did not end: %v\n%s", c.Name, err, c.tail(ctx))
	}
	return code
}

// Remove removes the container, killing it if it runs.
func (c *Container) Remove(ctx context.Context) {
	c.stack.t.Helper()
	err := c.stack.client.RemoveContainer(docker.RemoveContainerOptions{ID: c.ID, Force: true, RemoveVolumes: true, Context: ctx})
	if err != nil && !gone(err) {
		c.stack.t.Fatalf("cannot remove container %s: %v", c.Name, err)
	}
	c.stack.forget(c)
}

func (s *Stack) forget(c *Container) {
	for i, other := range s.containers {
		if other == c {
			s.containers = append(s.containers[:i], s.containers[i+1:]...)
			return
		}
	}
}

// Inspect returns all that Docker knows of the container.
func (c *Container) Inspect(ctx context.Context) *docker.Container {
	c.stack.t.Helper()
	info, err := c.inspect(ctx)
	if err != nil {
		c.stack.t.Fatalf("%v", err)
	}
	return info
}

func (c *Container) inspect(ctx context.Context) (*docker.Container, error) {
	info, err := c.stack.client.InspectContainerWithContext(c.ID, ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot inspect container %s: %w", c.Name, err)
	}
	return info, nil
}

// Running tells whether the container runs.
func (c *Container) Running(ctx context.Context) bool {
	c.stack.t.Helper()
	return c.Inspect(ctx).State.Running
}

// IP is the container's address on the stack's network.
func (c *Container) IP(ctx context.Context) string {
	c.stack.t.Helper()
	for _, n := range c.Inspect(ctx).NetworkSettings.Networks {
		if n.IPAddress != "" {
			return n.IPAddress
		}
	}
	c.stack.t.Fatalf("container %s has no address: it does not run, or has no network", c.Name)
	return ""
}

// Process is a line of the container's process list.
type Process struct {
	PID     int // outside the container
	UID     string
	State   string // as in ps: "S", "Z", …
	Name    string // of the program, 15 characters at most
	Command string
}

// Processes returns the container's process list (`docker top`).
func (c *Container) Processes(ctx context.Context) []Process {
	c.stack.t.Helper()
	list, err := c.processes()
	if err != nil {
		c.stack.t.Fatalf("%v", err)
	}
	return list
}

func (c *Container) processes() ([]Process, error) {
	// The client puts the arguments into the address as they are.
	top, err := c.stack.client.TopContainer(c.ID, url.QueryEscape("-eo pid,uid,stat,comm,args"))
	if err != nil {
		return nil, fmt.Errorf("cannot list the processes of container %s: %w", c.Name, err)
	}
	var list []Process
	for _, row := range top.Processes {
		if len(row) < 5 {
			return nil, fmt.Errorf("cannot read the process list of container %s: %q", c.Name, row)
		}
		p := Process{UID: row[1], State: row[2], Name: row[3], Command: strings.Join(row[4:], " ")}
		if _, err := fmt.Sscanf(row[0], "%d", &p.PID); err != nil {
			return nil, fmt.Errorf("cannot read the process list of container %s: %q", c.Name, row)
		}
		list = append(list, p)
	}
	return list, nil
}

// reaper is the image whose shell sends signals into other containers, which
// may have no shell of their own.
const reaper = "debian:trixie-slim"

// SignalProcess sends a signal to every process in the container whose name
// (/proc/PID/comm, 15 characters at most) is the given one. The sender is a
// second container in the same process namespace, so that neither the image
// nor its user has to be able to.
func (c *Container) SignalProcess(ctx context.Context, name string, sig syscall.Signal) {
	c.stack.t.Helper()
	script := fmt.Sprintf(`n=0
for p in /proc/[0-9]*; do
	read -r comm <"$p/comm" 2>/dev/null && [ "$comm" = '%s' ] && kill -%d "${p#/proc/}" && n=$((n+1))
done
[ "$n" -gt 0 ]`, name, int(sig))
	r := c.stack.Output(ctx, reaper, PIDsOf(c), Network("none"), User("0"), Entrypoint("/bin/sh", "-c", script))
	if r.Code != 0 {
		list, _ := c.processes()
		c.stack.t.Fatalf("cannot send %v to %s in container %s: no such process among %+v %s", sig, name, c.Name, list, r.Stderr)
	}
}
