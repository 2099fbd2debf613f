package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long a program has to end after it was asked to.
const stopGrace = 10 * time.Second

// command is a program in a process group of its own that is asked to end
// (SIGTERM) when ctx does, and made to after stopGrace. The terminal's Ctrl-C
// goes to this program alone, which ends the others in the right order. Nothing
// is left when this program is killed: Pdeathsig is sent when the thread that
// started the command ends, and Go ends none of its threads before the program.
func command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	return cmd
}

// runShown runs cmd with its output on out.
func runShown(ctx context.Context, cmd *exec.Cmd, out io.Writer) error {
	var tail tail
	cmd.Stdout = out
	cmd.Stderr = io.MultiWriter(out, &tail)
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &commandError{name: filepath.Base(cmd.Path) + " " + strings.Join(cmd.Args[1:min(2, len(cmd.Args))], " "), err: err, said: tail.String()}
	}
	return nil
}

// commandError is the failure of a program whose output the user has seen.
type commandError struct {
	name string
	err  error
	said string // the end of what it wrote to standard error
}

func (e *commandError) Error() string { return fmt.Sprintf("%s failed: %v", e.name, e.err) }
func (e *commandError) Unwrap() error { return e.err }

// tail keeps the last 4 KiB written to it.
type tail struct {
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - 4<<10; over > 0 {
		t.kept = t.kept[over:]
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }
