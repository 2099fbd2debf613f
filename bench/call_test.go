package main

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseVariant(t *testing.T) {
	tests := []struct {
		text string
		want variant
		bad  bool
	}{
		{"fast=--playback-lat=20 --jb-max-size=3", variant{name: "fast", args: []string{"--playback-lat=20", "--jb-max-size=3"}}, false},
		{"x=IMAGE=a/b:c PULSE_LATENCY_MSEC=30 --ptime=10", variant{name: "x", image: "a/b:c", env: []string{"PULSE_LATENCY_MSEC=30"}, args: []string{"--ptime=10"}}, false},
		{"x=--outbound 'sip:a b'", variant{name: "x", args: []string{"--outbound", "sip:a b"}}, false},
		{"x=", variant{name: "x"}, false},
		{"x='", variant{}, true},
		{"x", variant{}, true},
		{"=--a", variant{}, true},
	}
	for _, tt := range tests {
		got, err := parseVariant(tt.text)
		if !reflect.DeepEqual(got, tt.want) || (err != nil) != tt.bad {
			t.Errorf("%q: %+v, %v; want %+v", tt.text, got, err, tt.want)
		}
	}
}

func TestXruns(t *testing.T) {
	const log = `2030-01-02T03:04:05.000Z caller stdout|  Master/sound  Underflow, buf_cnt=0, will generate 1 frame
2030-01-02T03:04:05.100Z caller stdout|  Call 0 state changed to CONFIRMED
2030-01-02T03:04:05.900Z caller stdout|  alsa_dev.c !pb_thread_func: underrun!
2030-01-02T03:04:06.200Z caller stdout|  Master/sound  Underflow, buf_cnt=0, will generate 1 frame
no time: ca_thread_func: overrun!
2030-01-02T03:04:07.200Z caller stdout|  ca_thread_func: overrun!
2030-01-02T03:04:08.000Z caller stdout|  Call 0 is DISCONNECTED [reason=200 (Normal call clearing)]
2030-01-02T03:04:08.200Z caller stdout|  ca_thread_func: overrun!
`
	for after, want := range map[time.Duration]int{0: 3, time.Second: 2, 2 * time.Second: 1, time.Minute: 0} {
		if got := xruns(log, after); got != want {
			t.Errorf("%d after %v, want %d", got, after, want)
		}
	}
}

func TestCallTableJudges(t *testing.T) {
	const ms = time.Millisecond
	variants := []variant{{name: "nullcard"}, pjsuaDefaults}
	for _, tt := range []struct {
		ours way
		want []string
	}{
		{way{Delays: []time.Duration{140 * ms, 120 * ms, 130 * ms}, Correlation: 0.97}, []string{"130.0 (120.0–140.0)", "130.0 ms (target ≤ 150.0 ms: met)", "(target 0: met)"}},
		{way{Delays: []time.Duration{160 * ms}, Xruns: 2, Dropouts: 4}, []string{"(target ≤ 150.0 ms: missed)", "2 underflows after the first second (target 0: missed)"}},
	} {
		got := callTable(variants, map[string][]way{"nullcard": {tt.ours}, pjsuaDefaults.name: {{Delays: []time.Duration{303 * ms}}}}, 1)
		for _, want := range append(tt.want, "303.0 (303.0–303.0)", "--playback-lat=140") {
			if !strings.Contains(got, want) {
				t.Errorf("the table lacks %q:\n%s", want, got)
			}
		}
	}
}
