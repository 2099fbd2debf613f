package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/caller"
	"github.com/nullcard/nullcard/config"
	"github.com/nullcard/nullcard/control"
	"github.com/nullcard/nullcard/supervisor"
)

var runCommand = command{
	name:    "run",
	summary: "start the sound server, prove the devices, run callers, apps and CMD",
	run:     run,
}

func run(ctx context.Context, args []string, std stdio) error {
	f := newFlags("run", "[--config FILE] [--] [CMD ARG…]", std)
	file := f.String("config", "", "configuration `FILE` (default "+config.DefaultFile+", if it is there)")
	if err := parseFlags(f, args); err != nil {
		return err
	}
	c, err := load(*file, f.Args())
	if err != nil {
		return err
	}
	lock, err := lockRuntimeDir(c.RuntimeDir)
	if err != nil {
		return err
	}
	defer lock.Close()

	out := newOutput(std, c.Log.Format)
	log := out.logger()
	for _, w := range c.Warnings {
		log.Warn(w)
	}
	p, err := plan(c, out, log)
	if err != nil {
		return err
	}
	if stop := p.stop(c); !stop.Fits {
		log.Warn("stop_budget is too short for the worst case, so that processes may be killed early",
			"budget", time.Duration(c.StopBudget), "worst", stop.Worst)
	}
	if c.Audio.Backend != config.BackendNull {
		if err := audio.WriteClientFiles(c.RuntimeDir); err != nil {
			return exitError{exitCantCreate, err}
		}
	}
	listener, err := control.Listen(controlSocket(c.RuntimeDir))
	if err != nil {
		return exitError{exitCantCreate, err}
	}
	log.Info("nullcard runs", "version", version, "pid", os.Getpid(), "uid", os.Getuid(),
		"backend", c.Audio.Backend, "processes", p.names())
	return newSession(c, p, out, log).run(ctx, listener)
}

func load(file string, cmd []string) (*config.Config, error) {
	c, err := config.Load(file, os.Environ(), func(c *config.Config) { addCommand(c, cmd) })
	if err != nil {
		return nil, exitError{exitConfig, fmt.Errorf("cannot use the configuration: %w", err)}
	}
	return c, nil
}

// addCommand adds what the command line asks for to what the configuration
// says; where neither asks for anything and pjsua is there, a caller.
func addCommand(c *config.Config, cmd []string) {
	if len(cmd) > 0 {
		c.Apps = append(c.Apps, config.App{
			Name: "app", Command: cmd, Critical: true, Restart: config.Restart{Policy: string(supervisor.Never)},
			Process: config.Process{InheritStdin: true},
		})
		return
	}
	if c.File != "" || len(c.Callers) > 0 {
		return
	}
	if _, err := exec.LookPath(caller.Program); err == nil {
		c.AddCaller()
	}
}

// appGrace leaves, of the default stop budget, enough for a caller that an app
// needs and for the sound server.
const appGrace = 2 * time.Second

// parts are what the configuration asks for: processes for the supervisor, and
// the callers among them.
type parts struct {
	specs   []supervisor.Spec
	callers []*caller.Caller
	server  *audio.Server // nil without sound
	watch   *soundWatch
}

func (p parts) names() []string {
	names := make([]string, len(p.specs))
	for i, s := range p.specs {
		names[i] = s.Name
	}
	return names
}

// stop is how the stop budget is split.
func (p parts) stop(c *config.Config) supervisor.StopPlan {
	return supervisor.SplitStop(p.specs, time.Duration(c.StopBudget))
}

// plan turns the configuration into parts. Nothing runs yet.
func plan(c *config.Config, out *output, log *slog.Logger) (p parts, err error) {
	p.watch = newSoundWatch(c, log)
	var needs []string
	if c.Audio.Backend != config.BackendNull {
		devices, err := audio.Devices(c)
		if err != nil {
			return p, exitError{exitConfig, err}
		}
		o := audio.Options{
			RuntimeDir: c.RuntimeDir,
			Devices:    devices,
			Start:      processStart,
			Log:        log,
		}
		if c.Audio.Backend == config.BackendExternal {
			self, err := os.Executable()
			if err != nil {
				return p, exitError{exitSoftware, fmt.Errorf("cannot find this program's own file: %w", err)}
			}
			o.External = externalServer(c)
			o.Hold = []string{self, holdCommand.name, "--quiet", "--server", o.External}
		}
		server, err := audio.NewServer(o)
		if err != nil {
			return p, exitError{exitConfig, err}
		}
		p.server = server
		spec := server.Spec()
		switch c.Audio.OnFailure {
		case config.OnFailureNull:
			spec.Restart.Storm = supervisor.Storm{Failures: 3, Window: 10 * time.Second}
		case config.OnFailureExit:
			spec.Restart.Policy, spec.Critical = supervisor.Never, true
		}
		spec.Output = func(l supervisor.Line) {
			if audio.Classify(l.Text) > slog.LevelDebug {
				out.line(l)
			}
			if cure := audio.Cure(l.Text); cure != "" {
				log.Warn("the sound server complains", "line", string(l.Text), "cure", cure)
			}
		}
		p.specs = append(p.specs, spec)
		needs = []string{audio.ProcessName}
	}
	for _, r := range c.Callers {
		device, _ := c.Device(r.Device)
		one, err := caller.New(r, caller.Options{
			Dir:       filepath.Join(c.RuntimeDir, "callers"),
			Rate:      device.Rate,
			NullAudio: c.Audio.Backend == config.BackendNull,
			Env:       environment(c, r.Device),
			Needs:     needs,
			Critical:  r.Critical,
			Output:    out.line,
			Events:    p.watch.event,
			Logger:    log,
		})
		if err != nil {
			return p, exitError{exitConfig, err}
		}
		p.specs = append(p.specs, one.Spec())
		p.callers = append(p.callers, one)
		p.watch.device[r.Name] = r.Device
	}
	for _, a := range c.Apps {
		spec := supervisor.Spec{
			Name:     a.Name,
			Command:  a.Command,
			Dir:      a.Dir,
			Needs:    slices.Concat(needs, a.Needs),
			Stop:     supervisor.Stop{Grace: appGrace},
			Restart:  restart(a.Restart),
			Critical: a.Critical,
			Forward:  true,
		}
		if err := configure(&spec, a.Process, os.Environ(), slices.Concat(deviceEnvironment(c, a.Device), a.Env)); err != nil {
			return p, exitError{exitConfig, err}
		}
		p.specs = append(p.specs, spec)
	}
	return p, nil
}

// environment is what a program needs to find its device and nothing else.
func environment(c *config.Config, device string) []string {
	return append(os.Environ(), deviceEnvironment(c, device)...)
}

func deviceEnvironment(c *config.Config, device string) []string {
	switch c.Audio.Backend {
	case config.BackendPulse:
		return audio.ClientEnv(c.RuntimeDir, device)
	case config.BackendExternal:
		return audio.ExternalEnv(externalServer(c), c.RuntimeDir, device)
	}
	return nil
}

func externalServer(c *config.Config) string {
	if c.Audio.Server != "" {
		return c.Audio.Server
	}
	return audio.UserServer()
}

func restart(r config.Restart) supervisor.Restart {
	return supervisor.Restart{
		Policy:  supervisor.Policy(r.Policy),
		Backoff: supervisor.Backoff{Initial: time.Duration(r.Backoff.Initial), Max: time.Duration(r.Backoff.Max)},
		Storm:   supervisor.Storm{Failures: r.Storm.Failures, Window: time.Duration(r.Storm.Window)},
	}
}
