package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// readyTimeout is how long buildkitd may take until it serves: 0.3 s as a
// rule, longer when it opens a large cache on a slow disk.
const readyTimeout = time.Minute

// buildkitd is a running daemon. Its state is in the cache, so that the next
// one finds what this one built.
type buildkitd struct {
	address string // for buildx
	cmd     *exec.Cmd
	log     string // file with what it printed
	done    chan struct{}
	err     error // of cmd, once done is closed
}

// startBuildkitd runs a daemon and waits until it serves. The caller stops it.
func startBuildkitd(ctx context.Context, tools, runc, cache string) (*buildkitd, error) {
	// The lock on the cache is ours, so what a killed run left here is of no use.
	sockets := filepath.Join(cache, "run")
	if err := errors.Join(os.RemoveAll(sockets), os.MkdirAll(sockets, 0o700)); err != nil {
		return nil, fmt.Errorf("cannot make a directory for the builder's sockets: %w", err)
	}
	socket := filepath.Join(sockets, "buildkitd.sock")
	if len(socket) > 107 {
		return nil, fmt.Errorf("cannot make the socket %s: its name is longer than 107 bytes: set XDG_CACHE_HOME to a shorter one", socket)
	}
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(sockets, "notify"), Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("cannot listen for the builder's readiness: %w", err)
	}
	defer ready.Close()

	d := &buildkitd{address: "unix://" + socket, log: filepath.Join(cache, "buildkitd.log"), done: make(chan struct{})}
	log, err := os.Create(d.log)
	if err != nil {
		return nil, fmt.Errorf("cannot write the builder's log: %w", err)
	}
	defer log.Close()

	d.cmd = exec.Command(filepath.Join(tools, "buildkitd"),
		"--root", filepath.Join(cache, "buildkit"),
		"--addr", d.address,
		"--otel-socket-path", filepath.Join(sockets, "otel.sock"),
		"--oci-worker=true", "--oci-worker-binary", runc,
		"--containerd-worker=false")
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(sockets, "notify"))
	// As in command; but ctx must end the build first and the daemon after it.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot run buildkitd: %w", err)
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.done)
		ready.Close() // ends the wait below
	}()

	if err := d.waitReady(ctx, ready); err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

// waitReady waits for sd_notify's READY=1, which buildkitd sends once it serves.
func (d *buildkitd) waitReady(ctx context.Context, ready *net.UnixConn) error {
	stop := context.AfterFunc(ctx, func() { ready.Close() })
	defer stop()
	if err := ready.SetReadDeadline(time.Now().Add(readyTimeout)); err != nil {
		return fmt.Errorf("cannot wait for buildkitd: %w", err)
	}
	message := make([]byte, 4<<10)
	for {
		n, err := ready.Read(message)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("buildkitd was not ready in %s; it said:\n%s", readyTimeout, d.said())
		case err != nil:
			return fmt.Errorf("buildkitd ended before it was ready; it said:\n%s", d.said())
		case strings.Contains("\n"+string(message[:n]), "\nREADY=1"):
			return nil
		}
	}
}

// stop ends the daemon and waits for it.
func (d *buildkitd) stop() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot stop buildkitd: %w", err)
	}
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-d.done:
	case <-grace.C:
		if err := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("cannot kill buildkitd: %w", err)
		}
		<-d.done
	}
	return nil
}

// said is the end of the daemon's log.
func (d *buildkitd) said() string {
	content, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	var end tail
	end.Write(content)
	return strings.TrimSpace(end.String())
}
