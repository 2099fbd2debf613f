package audio

import (
	"slices"
	"strings"
	"testing"

	"github.com/nullcard/nullcard/audio/pcm"
	"github.com/nullcard/nullcard/config"
)

// standing is a server on which the devices stand.
func standing(devices ...Device) observed {
	var o observed
	module := uint32(10)
	for _, d := range devices {
		for _, p := range parts(d) {
			e := end{name: p.name, module: module, tag: d.Name, spec: p.spec}
			module++
			if p.source {
				o.sources = append(o.sources, e)
				continue
			}
			o.sinks = append(o.sinks, e)
			o.sources = append(o.sources, end{name: p.name + ".monitor", module: e.module, spec: p.spec})
		}
	}
	if len(devices) > 0 {
		o.defaultSink, o.defaultSource = devices[0].Speaker(), devices[0].Mic()
	}
	return o
}

func change(ends []end, name string, f func(*end)) {
	i := slices.IndexFunc(ends, func(e end) bool { return e.name == name })
	f(&ends[i])
}

func remove(ends []end, name string) []end {
	return slices.DeleteFunc(slices.Clone(ends), func(e end) bool { return e.name == name })
}

func TestPlan(t *testing.T) {
	v := Device{Name: "virtual"}
	w := Device{Name: "second", Rate: 48000, Channels: 2}
	all := "make virtual_speaker, make virtual_mic_feed, make virtual_mic, make virtual_speaker the default sink, make virtual_mic the default source"
	for _, tt := range []struct {
		name string
		have func() observed
		want []Device
		plan string
	}{
		{"nothing wanted of nothing", func() observed { return observed{} }, nil, ""},
		{"all of it", func() observed { return observed{} }, []Device{v}, all},
		{"it stands", func() observed { return standing(v) }, []Device{v}, ""},
		{"both stand", func() observed { return standing(v, w) }, []Device{v, w}, ""},
		{"beside another's", func() observed {
			return observed{sinks: []end{{name: "alsa_output", muted: true, module: 1}}, defaultSink: "alsa_output"}
		}, []Device{v}, all},
		{"one more", func() observed { return standing(v) }, []Device{v, w}, "make second_speaker, make second_mic_feed, make second_mic"},
		{"one less", func() observed { return standing(v, w) }, []Device{v}, "remove second_mic, remove second_speaker, remove second_mic_feed"},
		{"none of ours, all of the others'", func() observed {
			o := standing(v)
			o.sinks = append(o.sinks, end{name: "alsa_output", module: 1})
			return o
		}, nil, "remove virtual_mic, remove virtual_speaker, remove virtual_mic_feed"},
		{"speaker lost", func() observed {
			o := standing(v)
			o.sinks = remove(o.sinks, "virtual_speaker")
			o.defaultSink = "virtual_mic_feed"
			return o
		}, []Device{v}, "make virtual_speaker, make virtual_speaker the default sink"},
		{"mic lost", func() observed {
			o := standing(v)
			o.sources = remove(o.sources, "virtual_mic")
			return o
		}, []Device{v}, "make virtual_mic"},
		{"feed lost, and the mic with it", func() observed {
			o := standing(v)
			o.sinks = remove(o.sinks, "virtual_mic_feed")
			o.sources = remove(o.sources, "virtual_mic")
			return o
		}, []Device{v}, "make virtual_mic_feed, make virtual_mic"},
		{"wrong rate", func() observed { return standing(Device{Name: "virtual", Rate: 8000}) }, []Device{v},
			"remove virtual_speaker, make virtual_speaker, remove virtual_mic_feed, make virtual_mic_feed, make virtual_mic"},
		{"muted", func() observed {
			o := standing(v)
			change(o.sinks, "virtual_speaker", func(e *end) { e.muted = true })
			change(o.sources, "virtual_mic", func(e *end) { e.muted = true })
			return o
		}, []Device{v}, "unmute virtual_speaker, unmute virtual_mic"},
		{"monitor muted", func() observed {
			o := standing(v)
			change(o.sources, "virtual_mic_feed.monitor", func(e *end) { e.muted = true })
			return o
		}, []Device{v}, "unmute virtual_mic_feed.monitor"},
		{"quiet", func() observed {
			o := standing(v)
			change(o.sinks, "virtual_mic_feed", func(e *end) { e.quiet = true })
			change(o.sources, "virtual_speaker.monitor", func(e *end) { e.quiet = true })
			return o
		}, []Device{v}, "reset the volume of virtual_speaker.monitor, reset the volume of virtual_mic_feed"},
		{"suspended", func() observed {
			o := standing(v)
			change(o.sinks, "virtual_speaker", func(e *end) { e.suspended = true })
			change(o.sources, "virtual_speaker.monitor", func(e *end) { e.suspended = true })
			change(o.sources, "virtual_mic", func(e *end) { e.suspended = true })
			return o
		}, []Device{v}, "resume virtual_speaker, resume virtual_mic"},
		{"other defaults", func() observed {
			o := standing(v, w)
			o.defaultSink, o.defaultSource = "second_speaker", "virtual_speaker.monitor"
			return o
		}, []Device{v, w}, "make virtual_speaker the default sink, make virtual_mic the default source"},
		{"a double of ours", func() observed {
			o := standing(v)
			o.sinks = append(o.sinks, end{name: "virtual_speaker.2", tag: "virtual", module: 99})
			return o
		}, []Device{v}, "remove virtual_speaker.2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			steps, err := plan(tt.have(), wanted{devices: tt.want, defaults: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range steps {
				if step.op == unloadModule && step.module == 0 {
					t.Errorf("%v: of no module", step)
				}
			}
			if got := describe(steps); got != tt.plan {
				t.Errorf("plan: %s\nwant: %s", got, tt.plan)
			}
		})
	}
}

func TestPlanLeavesOthersAlone(t *testing.T) {
	have := observed{sinks: []end{{name: "virtual_speaker", module: 3}}}
	if steps, err := plan(have, wanted{devices: []Device{{Name: "virtual"}}}); err == nil || !strings.Contains(err.Error(), "nullcard did not make") {
		t.Errorf("plan %v, error %v; want an error about another's virtual_speaker", steps, err)
	}
}

// TestPlanOnSharedServer leaves what others set up, with or without our tag.
func TestPlanOnSharedServer(t *testing.T) {
	have := standing(Device{Name: "other"})
	have.sinks = append(have.sinks, end{name: "alsa_output", module: 1})
	steps, err := plan(have, wanted{devices: []Device{{Name: "virtual"}}, beside: true})
	if got, want := describe(steps), "make virtual_speaker, make virtual_mic_feed, make virtual_mic"; err != nil || got != want {
		t.Errorf("plan: %s, %v; want: %s", got, err, want)
	}
}

func TestPlanRemoval(t *testing.T) {
	have := standing(Device{Name: "a"}, Device{Name: "b"})
	have.sinks = append(have.sinks, end{name: "alsa_output", module: 1})
	for _, tt := range []struct {
		names []string
		want  string
	}{
		{nil, "remove a_mic, remove b_mic, remove a_speaker, remove a_mic_feed, remove b_speaker, remove b_mic_feed"},
		{[]string{"b"}, "remove b_mic, remove b_speaker, remove b_mic_feed"},
		{[]string{"none"}, ""},
	} {
		if got := describe(planRemoval(have, tt.names)); got != tt.want {
			t.Errorf("removal of %q: %s, want %s", tt.names, got, tt.want)
		}
	}
	if got := planRemoval(observed{}, nil); got != nil {
		t.Errorf("removal of nothing: %v", got)
	}
}

func TestDevices(t *testing.T) {
	cfg := &config.Config{Devices: []config.Device{
		{Name: "a", Rate: 8000, Channels: 1, Format: "s16le"}, {Name: "b", Rate: 48000, Channels: 2, Format: "float32le"},
	}}
	got, err := Devices(cfg)
	if want := []Device{{"a", 8000, 1, pcm.S16}, {"b", 48000, 2, pcm.F32}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("devices %v (%v), want %v", got, err, want)
	}
	cfg.Devices[0].Format = "mp3"
	if _, err := Devices(cfg); err == nil {
		t.Error("a format that there is not is no error")
	}
	for _, tt := range []struct {
		d  Device
		ok bool
	}{
		{Device{Name: "virtual"}, true},
		{Device{Name: "Line-1_a", Rate: 48000, Channels: 2}, true},
		{Device{Name: ""}, false},
		{Device{Name: "a b"}, false},
		{Device{Name: "a'"}, false},
		{Device{Name: "-a"}, false},
		{Device{Name: "a", Rate: -1}, false},
		{Device{Name: "a", Channels: 99}, false},
		{Device{Name: strings.Repeat("a", 65)}, false},
	} {
		if err := tt.d.Check(); (err == nil) != tt.ok {
			t.Errorf("Check of %+v: %v", tt.d, err)
		}
	}
}
