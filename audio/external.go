package audio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/nullcard/nullcard/supervisor"
)

const (
	// externalRetry is the pause between tries to reach a server that others
	// start, or not.
	externalRetry = 250 * time.Millisecond
	// externalReady is how long such a server is waited for before its holder
	// is started anew, which only begins the wait again.
	externalReady = 24 * time.Hour
)

// externalSpec runs the holder of a server that is not ours in its place, so
// that what needs sound is stopped when it goes away and started again when it
// is back.
func (s *Server) externalSpec() supervisor.Spec {
	return supervisor.Spec{
		Name:    ProcessName,
		Command: s.o.Hold,
		Env:     os.Environ(),
		Prepare: func(context.Context) error {
			s.drop()
			return nil
		},
		Ready: func(ctx context.Context, inst *supervisor.Instance) error {
			s.drop()
			conn, err := dialWaiting(ctx, s.o.External, s.o.Log)
			if err != nil {
				return err
			}
			return s.take(ctx, conn, inst)
		},
		ReadyTimeout: externalReady,
		// As for our own server; it is let go of instead of killed.
		Health: supervisor.Health{
			Check:    s.health,
			Interval: 500 * time.Millisecond,
			Timeout:  700 * time.Millisecond,
			Failures: 2,
			Kill:     true,
		},
		Stop: supervisor.Stop{Ask: s.release, Grace: 2 * time.Second},
		Restart: supervisor.Restart{
			Policy:  supervisor.Always,
			Backoff: supervisor.Backoff{Initial: 10 * time.Millisecond, Max: time.Second, Reset: time.Second},
			Storm:   supervisor.Storm{Failures: -1},
		},
	}
}

// release removes our devices from the server and ends its holder.
func (s *Server) release(ctx context.Context, inst *supervisor.Instance) error {
	s.mu.Lock()
	w := s.watch
	s.watch = nil
	s.mu.Unlock()
	if w != nil {
		w.quit()
		names := make([]string, len(s.o.Devices))
		for i, d := range s.o.Devices {
			names[i] = d.Name
		}
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		if _, err := Teardown(ctx, w.conn, names...); err != nil {
			s.o.Log.Warn("cannot remove the devices from the sound server; `nullcard teardown` does", "error", err)
		}
		cancel()
		w.close()
	}
	return syscall.Kill(inst.PID, syscall.SIGTERM)
}

// Hold connects to a server, waiting for it if need be, and returns an error
// once it is lost, or nil when ctx is cancelled.
func Hold(ctx context.Context, server string, log *slog.Logger) error {
	c, err := dialWaiting(ctx, server, log)
	if err == nil {
		select {
		case <-c.Done():
			err = c.Err()
		case <-ctx.Done():
		}
		c.Close()
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// dialWaiting dials until the server is there, and says once that it waits.
func dialWaiting(ctx context.Context, server string, log *slog.Logger) (*Conn, error) {
	if _, _, err := address(server); err != nil {
		return nil, err
	}
	tick := time.NewTicker(externalRetry)
	defer tick.Stop()
	for said := false; ; said = true {
		try, cancel := context.WithTimeout(ctx, DefaultTimeout)
		c, err := Dial(try, server)
		cancel()
		if err == nil {
			return c, nil
		}
		if !said {
			log.Warn("waiting for the sound server", "server", server, "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("no sound server at %s: %w", server, context.Cause(ctx)), err)
		}
	}
}
