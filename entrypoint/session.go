package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/caller"
	"github.com/nullcard/nullcard/config"
	"github.com/nullcard/nullcard/control"
	"github.com/nullcard/nullcard/supervisor"
)

// Pauses between tries to get the sound back, doubled each time.
const (
	firstSoundRetry = 5 * time.Second
	lastSoundRetry  = time.Minute
)

// errSoundWorks ends a silent run so that one with sound can follow.
var errSoundWorks = errors.New("the sound server works again")

// session is one `nullcard run`: a supervisor that runs the parts and, where
// audio.on_failure is null, those that follow it without sound and with it.
type session struct {
	config *config.Config
	out    *output
	log    *slog.Logger

	signals chan os.Signal // for the supervisor that runs

	mu         sync.Mutex
	parts      parts
	supervisor *supervisor.Supervisor
	degraded   string
	stopAsked  bool
}

func newSession(c *config.Config, p parts, out *output, log *slog.Logger) *session {
	return &session{config: c, parts: p, out: out, log: log, signals: make(chan os.Signal, cap(signals))}
}

// run runs the session to its end while the control socket answers.
func (s *session) run(ctx context.Context, listener net.Listener) error {
	if err := s.prepare(s.parts, ""); err != nil {
		listener.Close()
		return exitError{exitConfig, fmt.Errorf("cannot use the configuration: %w", err)}
	}
	serving, stop := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() {
		server := control.Server{Status: s.status, Supervisor: s.current, Callers: s.callers}
		if err := server.Serve(serving, listener); err != nil {
			s.log.Error("the control socket is lost", "error", err)
		}
	})
	helpers.Go(func() { s.relay(serving) })
	helpers.Go(func() { s.listen(serving) })
	defer helpers.Wait()
	defer stop()

	code, err := s.current().Run(ctx)
	for s.config.Audio.OnFailure == config.OnFailureNull && isSoundFailure(err) && !s.stopping() {
		code, err = s.runSilently(ctx, err)
		if !errors.Is(err, errSoundWorks) || s.stopping() {
			break
		}
		s.log.Info("sound works again")
		p, perr := plan(s.config, s.out, s.log)
		if perr == nil {
			perr = s.prepare(p, "")
		}
		if perr != nil {
			return perr
		}
		code, err = s.current().Run(ctx)
	}
	switch {
	case code == 0:
		return nil
	case err == nil:
		err = errors.New("a process ended with failure")
	}
	return exitError{code, reported{err}} // the supervisor has logged it
}

// runSilently runs everything without sound while the sound server is tried in
// the background. It returns errSoundWorks when that has succeeded.
func (s *session) runSilently(ctx context.Context, cause error) (int, error) {
	why, _, _ := strings.Cut(cause.Error(), ";")
	s.log.Error("no sound: going on with null devices", "cause", why, "cure", "see the sound server's lines above; it is tried again in the background")
	silent := *s.config
	silent.Audio.Backend = config.BackendNull
	p, err := plan(&silent, s.out, s.log)
	if err == nil {
		err = s.prepare(p, why)
	}
	if err != nil {
		return exitSoftware, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var trying sync.WaitGroup
	trying.Go(func() {
		if s.soundReturns(ctx) {
			cancel(errSoundWorks)
		}
	})
	code, err := s.current().Run(ctx)
	cancel(nil)
	trying.Wait()
	if code == 0 && err == nil && errors.Is(context.Cause(ctx), errSoundWorks) {
		return 0, errSoundWorks
	}
	return code, err
}

// soundReturns tries the sound server until its devices are proven, or ctx
// ends.
func (s *session) soundReturns(ctx context.Context) bool {
	for pause := firstSoundRetry; ; pause = min(2*pause, lastSoundRetry) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
		err := s.trySound(ctx)
		if err == nil || ctx.Err() != nil {
			return err == nil
		}
		why, _, _ := strings.Cut(err.Error(), ";")
		s.log.Warn("still no sound", "cause", why, "next_try", min(2*pause, lastSoundRetry))
	}
}

// trySound starts a sound server of its own and ends it once it is ready.
func (s *session) trySound(ctx context.Context) error {
	p, err := plan(s.config, s.out, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	spec := p.specs[0]
	spec.Restart.Policy, spec.Critical = supervisor.Never, true
	ctx, works := context.WithCancelCause(ctx)
	defer works(nil)
	trial, err := supervisor.New(supervisor.Options{
		Logger: slog.New(slog.DiscardHandler),
		Event: func(e supervisor.Event) {
			if e.To == supervisor.Ready {
				works(errSoundWorks)
			}
		},
	}, []supervisor.Spec{spec})
	if err != nil {
		return err
	}
	_, err = trial.Run(ctx)
	p.server.Close()
	if errors.Is(context.Cause(ctx), errSoundWorks) {
		return nil
	}
	return err
}

// isSoundFailure tells whether a run ended because of the sound server.
func isSoundFailure(err error) bool {
	var ended *supervisor.EndError
	var start *supervisor.StartError
	return errors.As(err, &ended) && ended.Process == audio.ProcessName ||
		errors.As(err, &start) && start.Process == audio.ProcessName
}

// prepare makes the supervisor for parts; degraded says what they lack.
func (s *session) prepare(p parts, degraded string) error {
	sup, err := supervisor.New(supervisor.Options{
		StopBudget: time.Duration(s.config.StopBudget),
		Signals:    s.signals,
		Logger:     s.log,
		Output:     s.out.line,
		Event:      s.event,
	}, p.specs)
	if err != nil {
		return err
	}
	if p.server != nil {
		p.server.OnLost(func(device string) {
			for name, of := range p.watch.device {
				if of == device {
					_ = sup.Renew(name, "its device was taken away and made anew")
				}
			}
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts, s.supervisor, s.degraded = p, sup, degraded
	return nil
}

// event tells how long each program took to be of use after our own start.
func (s *session) event(e supervisor.Event) {
	if e.To == supervisor.Ready && e.Attempt == 1 && e.Process != audio.ProcessName {
		s.log.Info("app started", "process", e.Process, "since_start_ms", time.Since(processStart).Milliseconds())
	}
}

// soundPID is the process of our own sound server, or 0.
func (s *session) soundPID() int {
	if s.config.Audio.Backend == config.BackendPulse {
		for _, p := range s.current().Status() {
			if p.Name == audio.ProcessName {
				return p.PID
			}
		}
	}
	return 0
}

// listen looks at the sound of calls once a second.
func (s *session) listen(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.mu.Lock()
			p := s.parts
			s.mu.Unlock()
			if p.server != nil {
				pid := 0
				if now.Second() == 0 { // memory grows slowly
					pid = s.soundPID()
				}
				p.watch.look(now, p.server.Levels(), pid)
			}
		case <-ctx.Done():
			return
		}
	}
}

// relay hands signals on, and remembers that a stop was asked for.
func (s *session) relay(ctx context.Context) {
	for {
		select {
		case sig := <-signals:
			switch sig {
			case syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT:
				s.mu.Lock()
				s.stopAsked = true
				s.mu.Unlock()
			}
			select {
			case s.signals <- sig:
			case <-ctx.Done():
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *session) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopAsked
}

func (s *session) current() *supervisor.Supervisor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.supervisor
}

func (s *session) callers() []*caller.Caller {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts.callers
}

func (s *session) status() control.Status {
	s.mu.Lock()
	p, sup, degraded := s.parts, s.supervisor, s.degraded
	s.mu.Unlock()
	st := control.Status{
		Version: version, Started: processStart, Backend: config.BackendNull, Degraded: degraded, Processes: sup.Status(),
	}
	for _, d := range s.config.Devices {
		st.Devices = append(st.Devices, d.Name)
	}
	for _, c := range p.callers {
		if e, ok := c.Registration(); ok {
			st.Callers = append(st.Callers, control.Caller{
				Name: c.Name(), Registration: e.Kind, Code: e.Code, Reason: e.Reason, Cause: e.Cause, Cure: e.Cure,
			})
		}
	}
	if p.server != nil {
		st.Backend = s.config.Audio.Backend
		st.Proofs = p.server.Proofs()
		st.Levels = p.server.Levels()
	}
	return st
}
