package audio

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jfreymuth/pulse/proto"
)

// tagProperty marks each sink and source that nullcard made with the name of
// its device. What has no tag is never touched.
const tagProperty = "nullcard.device"

// observed is what a server has.
type observed struct {
	sinks, sources             []end
	defaultSink, defaultSource string
	late                       bool // what is made shows up a little later
}

// end is a sink or a source.
type end struct {
	name      string
	module    uint32 // that made it
	tag       string // tagProperty
	spec      proto.SampleSpec
	muted     bool
	quiet     bool // a volume other than 100 %
	suspended bool
	anyFormat bool // the server chooses
}

type operation int

const (
	loadModule operation = iota
	unloadModule
	unmuteSink
	unmuteSource
	resetSinkVolume
	resetSourceVolume
	resumeSink
	resumeSource
	defaultSink
	defaultSource
)

// step is one change of the server.
type step struct {
	op     operation
	name   string // of the end concerned
	device string // that it is an end of, for loadModule
	module uint32 // for unloadModule
	args   string // for loadModule: the module's name and arguments
	spec   proto.SampleSpec
}

func (s step) String() string {
	switch s.op {
	case loadModule:
		return "make " + s.name
	case unloadModule:
		return "remove " + s.name
	case unmuteSink, unmuteSource:
		return "unmute " + s.name
	case resetSinkVolume, resetSourceVolume:
		return "reset the volume of " + s.name
	case resumeSink, resumeSource:
		return "resume " + s.name
	case defaultSink:
		return "make " + s.name + " the default sink"
	case defaultSource:
		return "make " + s.name + " the default source"
	}
	return fmt.Sprintf("step %d on %s", int(s.op), s.name)
}

func describe(steps []step) string { return strings.Join(strs(steps), ", ") }

// part is one end of a device as it should be.
type part struct {
	name   string
	source bool
	tag    string
	spec   proto.SampleSpec
	load   string
}

// parts are the ends of d in the order in which they are made.
func parts(d Device) []part {
	f := d.Format()
	format := fmt.Sprintf("format=%s rate=%d channels=%d", f.Encoding, f.Rate, f.Channels)
	properties := func(what string) string {
		return fmt.Sprintf(`"device.description='%s %s' %s=%s"`, d.Name, what, tagProperty, d.Name)
	}
	// norewinds keeps blocks at 50 ms or less; a null sink that may rewind
	// renders 2 s ahead.
	sink := func(name, what string) part {
		return part{name: name, tag: d.Name, spec: sampleSpec(f), load: fmt.Sprintf(
			"module-null-sink sink_name=%s %s norewinds=1 sink_properties=%s", name, format, properties(what))}
	}
	return []part{
		sink(d.Speaker(), EndSpeaker),
		sink(d.MicFeed(), "mic feed"),
		{name: d.Mic(), source: true, tag: d.Name, spec: sampleSpec(f), load: fmt.Sprintf(
			"module-remap-source source_name=%s master=%s.monitor %s remix=no source_properties=%s",
			d.Mic(), d.MicFeed(), format, properties(EndMic))},
	}
}

// wanted is what a server is to have.
type wanted struct {
	devices []Device
	// beside lets other devices with our tag be, as on a server that is shared.
	beside bool
	// defaults makes the first device the server's default.
	defaults bool
}

// plan tells what turns what is observed into what is wanted: all wanted
// devices stand and are audible. It fails when a name is taken by what is not
// ours.
func plan(have observed, want wanted) ([]step, error) {
	var steps []step
	kept := map[string]bool{}
	for _, d := range want.devices {
		remade := false
		for _, p := range parts(d) {
			ends := have.sinks
			if p.source {
				ends = have.sources
			}
			e, there := find(ends, p.name)
			if there && e.tag == "" {
				return nil, fmt.Errorf("the sound server has a device %s that nullcard did not make; remove it or choose another device name", p.name)
			}
			kept[p.name] = true
			// A mic ends with its feed, so it is made anew with it.
			if there && (e.anyFormat || sounds(e.spec, p.spec)) && e.tag == p.tag && !(p.source && remade) {
				steps = append(steps, audible(e, p.source)...)
				if m, ok := find(have.sources, p.name+".monitor"); ok && !p.source {
					m.suspended = false // it is resumed with its sink
					steps = append(steps, audible(m, true)...)
				}
				continue
			}
			if there && !(p.source && remade) {
				steps = append(steps, step{op: unloadModule, name: p.name, module: e.module})
			}
			steps = append(steps, step{op: loadModule, name: p.name, device: d.Name, args: p.load})
			remade = p.name == d.MicFeed()
		}
	}
	for _, ends := range [][]end{have.sources, have.sinks} {
		for _, e := range ends {
			if e.tag != "" && !kept[e.name] && !want.beside {
				steps = append(steps, step{op: unloadModule, name: e.name, module: e.module})
			}
		}
	}
	if want.defaults && len(want.devices) > 0 {
		if first := want.devices[0].Speaker(); have.defaultSink != first {
			steps = append(steps, step{op: defaultSink, name: first})
		}
		if first := want.devices[0].Mic(); have.defaultSource != first {
			steps = append(steps, step{op: defaultSource, name: first})
		}
	}
	return steps, nil
}

// planRemoval tells what removes the named devices, or all of ours for none.
func planRemoval(have observed, names []string) []step {
	var steps []step
	for _, ends := range [][]end{have.sources, have.sinks} {
		for _, e := range ends {
			if e.tag != "" && (len(names) == 0 || slices.Contains(names, e.tag)) {
				steps = append(steps, step{op: unloadModule, name: e.name, module: e.module})
			}
		}
	}
	return steps
}

// sounds tells if two formats sound alike: PipeWire keeps its own encoding
// whatever it is asked for.
func sounds(a, b proto.SampleSpec) bool { return a.Rate == b.Rate && a.Channels == b.Channels }

func find(ends []end, name string) (end, bool) {
	for _, e := range ends {
		if e.name == name {
			return e, true
		}
	}
	return end{}, false
}

func audible(e end, source bool) []step {
	var steps []step
	add := func(when bool, sink, src operation) {
		op := sink
		if source {
			op = src
		}
		if when {
			steps = append(steps, step{op: op, name: e.name, spec: e.spec})
		}
	}
	add(e.suspended, resumeSink, resumeSource)
	add(e.muted, unmuteSink, unmuteSource)
	add(e.quiet, resetSinkVolume, resetSourceVolume)
	return steps
}

// split parts "module arguments".
func split(load string) (name, args string) {
	name, args, _ = strings.Cut(load, " ")
	return name, args
}
