package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/nullcard/nullcard/config"
	"github.com/nullcard/nullcard/supervisor"
)

// configure adds to spec what p says of how the process is run; own is the
// environment that is its own, on top of what p lets it inherit.
func configure(spec *supervisor.Spec, p config.Process, inherited, own []string) error {
	env, err := p.Environment(inherited)
	if err != nil {
		return fmt.Errorf("%s: %w", spec.Name, err)
	}
	spec.Env = append(env, own...)
	spec.InheritStdin = p.InheritStdin
	// Who has a terminal is talked to as on a terminal: prompts have no line end.
	spec.InheritOutput = p.InheritStdin && isTerminal(os.Stdin) && isTerminal(os.Stdout)
	spec.Oneshot = p.Oneshot
	spec.Restart.SuccessExitCodes = p.SuccessExitCodes
	if spec.Limits, err = limits(p); err != nil {
		return fmt.Errorf("%s: %w", spec.Name, err)
	}
	if err := readiness(spec, p.Ready); err != nil {
		return fmt.Errorf("%s.ready: %w", spec.Name, err)
	}
	if check := check(p.Health.Check); check != nil {
		spec.Health = supervisor.Health{
			Check:    check,
			Interval: time.Duration(p.Health.Interval),
			Timeout:  time.Duration(p.Health.Timeout),
			Failures: p.Health.Failures,
			Grace:    time.Duration(p.Health.Grace),
			Exit:     p.Health.Action == config.ActionExit,
		}
	}
	if p.Stop.Signal != "" {
		if spec.Stop.Signal, err = supervisor.ParseSignal(p.Stop.Signal); err != nil {
			return fmt.Errorf("%s.stop: %w", spec.Name, err)
		}
	}
	if p.Stop.Grace != 0 {
		spec.Stop.Grace = time.Duration(p.Stop.Grace)
	}
	return nil
}

func readiness(spec *supervisor.Spec, r config.Ready) error {
	spec.ReadyTimeout = time.Duration(r.Timeout)
	spec.Notify = supervisor.Notify{FD: r.NotifyFD, Systemd: r.SDNotify}
	if r.Line != "" {
		pattern, err := regexp.Compile(r.Line)
		if err != nil {
			return err
		}
		spec.Ready = supervisor.ReadyLine(pattern)
	}
	if check := check(r.Check); check != nil {
		spec.Ready = supervisor.Until(check)
	}
	return nil
}

// check is the one way that c gives, or nil.
func check(c config.Check) supervisor.Check {
	switch {
	case len(c.Exec) > 0:
		return supervisor.CheckExec(c.Exec...)
	case c.TCP != "":
		return supervisor.CheckTCP(c.TCP)
	case c.HTTP != "":
		return supervisor.CheckHTTP(c.HTTP)
	}
	return nil
}

func limits(p config.Process) (l supervisor.Limits, err error) {
	l = supervisor.Limits{User: p.User, Group: p.Group, Groups: p.Groups, Nice: p.Nice}
	if p.Umask != "" {
		n, err := strconv.ParseUint(p.Umask, 8, 32)
		if err != nil {
			return l, fmt.Errorf("umask: %w", err)
		}
		mask := uint32(n)
		l.Umask = &mask
	}
	for name, value := range p.Rlimits {
		limit, err := supervisor.ParseRlimit(name, value)
		if err != nil {
			return l, err
		}
		if l.Rlimits == nil {
			l.Rlimits = map[string]supervisor.Rlimit{}
		}
		l.Rlimits[name] = limit
	}
	return l, nil
}
