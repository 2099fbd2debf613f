package audio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jfreymuth/pulse/proto"
)

// suspended is PA_SINK_SUSPENDED and PA_SOURCE_SUSPENDED (pulse/def.h).
const suspended = 2

// observe asks the server what it has.
func observe(ctx context.Context, c *Conn) (observed, error) {
	var info proto.GetServerInfoReply
	var sinks proto.GetSinkInfoListReply
	var sources proto.GetSourceInfoListReply
	err := c.Request(ctx, &proto.GetServerInfo{}, &info)
	if err == nil {
		err = c.Request(ctx, &proto.GetSinkInfoList{}, &sinks)
	}
	if err == nil {
		err = c.Request(ctx, &proto.GetSourceInfoList{}, &sources)
	}
	if err != nil {
		return observed{}, fmt.Errorf("cannot list the devices: %w", err)
	}
	// PipeWire suspends what nobody uses, and resumes it in time; its remapped
	// sources have the graph's rate, whatever they are asked for.
	pipewire := strings.Contains(info.PackageName, "PipeWire")
	o := observed{defaultSink: info.DefaultSinkName, defaultSource: info.DefaultSourceName, late: pipewire}
	for _, s := range sinks {
		o.sinks = append(o.sinks, end{
			name: s.SinkName, module: s.ModuleIndex, tag: tagOf(s.Properties), spec: s.SampleSpec,
			muted: s.Mute, quiet: quiet(s.ChannelVolumes), suspended: s.State == suspended && !pipewire,
		})
	}
	for _, s := range sources {
		e := end{
			name: s.SourceName, module: s.ModuleIndex, tag: tagOf(s.Properties), spec: s.SampleSpec, anyFormat: pipewire,
			muted: s.Mute, quiet: quiet(s.ChannelVolumes), suspended: s.State == suspended && !pipewire,
		}
		if s.MonitorSourceIndex != proto.Undefined {
			e.tag = "" // PipeWire gives monitors the properties of their sinks
		}
		o.sources = append(o.sources, e)
	}
	return o, nil
}

func tagOf(p proto.PropList) string {
	if v, ok := p[tagProperty]; ok {
		return v.String()
	}
	return ""
}

func quiet(v proto.ChannelVolumes) bool {
	for _, c := range v {
		if c != proto.VolumeNorm {
			return true
		}
	}
	return false
}

// Setup makes devices on a server that others use too, and tells what it
// changed. What is there already stays; what nullcard did not make, and the
// defaults, are left alone.
func Setup(ctx context.Context, c *Conn, devices []Device) (changes []string, err error) {
	steps, err := reconcile(ctx, c, wanted{devices: devices, beside: true})
	return strs(steps), err
}

// Teardown removes the named devices, or all that nullcard made for none, and
// tells what it changed. It is no error if there is nothing to remove.
func Teardown(ctx context.Context, c *Conn, names ...string) (changes []string, err error) {
	have, err := observe(ctx, c)
	if err != nil {
		return nil, err
	}
	var done []step
	for _, s := range planRemoval(have, names) {
		err := apply(ctx, c, s)
		// A mic goes by itself once its feed has gone.
		if err != nil && !errors.Is(err, proto.ErrNoSuchEntity) {
			return strs(done), fmt.Errorf("cannot %s: %w", s, err)
		}
		done = append(done, s)
	}
	return strs(done), nil
}

func strs(steps []step) []string {
	s := make([]string, len(steps))
	for i := range steps {
		s[i] = steps[i].String()
	}
	return s
}

// reconcile makes the server's devices as wanted, and tells what it changed.
func reconcile(ctx context.Context, c *Conn, want wanted) ([]step, error) {
	var done []step
	// A repair may show what was hidden; a few rounds reach every state that
	// nobody else changes meanwhile.
	for range 4 {
		have, err := observe(ctx, c)
		if err != nil {
			return done, err
		}
		steps, err := plan(have, want)
		if err != nil || len(steps) == 0 {
			return done, err
		}
		for _, s := range steps {
			if err := apply(ctx, c, s); err != nil {
				return done, fmt.Errorf("cannot %s: %w", s, err)
			}
			done = append(done, s)
			if s.op == loadModule && have.late {
				if err := appear(ctx, c, s.name); err != nil {
					return done, fmt.Errorf("cannot %s: %w", s, err)
				}
			}
		}
	}
	return done, fmt.Errorf("the devices do not stay as they are made (%s): something else changes them", describe(done))
}

// appear waits for a sink or source of which the server has loaded the module
// and which it shows a little later, without an event that would be its own.
func appear(ctx context.Context, c *Conn, name string) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := bounded(ctx)
	defer cancel()
	for {
		have, err := observe(ctx, c)
		if err != nil {
			return err
		}
		if _, ok := find(slices.Concat(have.sinks, have.sources), name); ok {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("it does not appear: %w", context.Cause(ctx))
		}
	}
}

func apply(ctx context.Context, c *Conn, s step) error {
	const byName = proto.Undefined
	volumes := fullVolume(int(s.spec.Channels))
	switch s.op {
	case loadModule:
		name, args := split(s.args)
		var made proto.LoadModuleReply
		return c.Request(ctx, &proto.LoadModule{Name: name, Args: args}, &made)
	case unloadModule:
		return c.Request(ctx, &proto.UnloadModule{ModuleIndex: s.module}, nil)
	case unmuteSink:
		return c.Request(ctx, &proto.SetSinkMute{SinkIndex: byName, SinkName: s.name}, nil)
	case unmuteSource:
		return c.Request(ctx, &proto.SetSourceMute{SourceIndex: byName, SourceName: s.name}, nil)
	case resetSinkVolume:
		return c.Request(ctx, &proto.SetSinkVolume{SinkIndex: byName, SinkName: s.name, ChannelVolumes: volumes}, nil)
	case resetSourceVolume:
		return c.Request(ctx, &proto.SetSourceVolume{SourceIndex: byName, SourceName: s.name, ChannelVolumes: volumes}, nil)
	case resumeSink:
		return c.Request(ctx, &proto.SuspendSink{SinkIndex: byName, SinkName: s.name}, nil)
	case resumeSource:
		return c.Request(ctx, &proto.SuspendSource{SourceIndex: byName, SourceName: s.name}, nil)
	case defaultSink:
		return c.Request(ctx, &proto.SetDefaultSink{SinkName: s.name}, nil)
	case defaultSource:
		return c.Request(ctx, &proto.SetDefaultSource{SourceName: s.name}, nil)
	}
	return fmt.Errorf("unknown step %d", int(s.op))
}
