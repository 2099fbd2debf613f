package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseStart(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name string
		log  string
		want start
		bad  bool
	}{
		{"script", "stamp start 1000000000 5\nstamp app 1023000000 9\n", start{App: 23 * ms}, false},
		{"nullcard", `stamp start 1000000000 1893553445000000000
time=2030-01-02T03:04:05.030Z level=INFO msg="nullcard runs" version=dev
time=2030-01-02T03:04:05.041Z level=INFO msg="devices stand" devices=1 since_start_ms=38.9
2030-01-02T03:04:05.100Z app stdout| stamp app 1099000000 1893553445099000000
`, start{App: 99 * ms, Devices: 41 * ms}, false},
		{"no app", "stamp start 1000000000 5\n", start{}, true},
		{"no start", "stamp app 1000000000 5\n", start{}, true},
		{"a number too long", "stamp start 99999999999999999999 5\nstamp app 1023000000 9\n", start{}, true},
		{"nothing", "", start{}, true},
	}
	for _, tt := range tests {
		got, err := parseStart(tt.log)
		if got != tt.want || (err != nil) != tt.bad {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

func TestSpread(t *testing.T) {
	tests := []struct {
		samples []time.Duration
		want    spread
	}{
		{nil, spread{}},
		{[]time.Duration{7}, spread{7, 7, 7}},
		{[]time.Duration{9, 1, 5}, spread{5, 1, 9}},
		{[]time.Duration{9, 1, 5, 7}, spread{6, 1, 9}},
	}
	for _, tt := range tests {
		if got := spreadOf(tt.samples); got != tt.want {
			t.Errorf("spread of %v = %+v, want %+v", tt.samples, got, tt.want)
		}
	}
}

func TestTableJudges(t *testing.T) {
	const ms = time.Millisecond
	samples := func(ours, app time.Duration) map[string][]start {
		return map[string][]start{
			"nullcard": {{Devices: ours, App: app}}, "bare": {{Devices: 20 * ms, App: 20 * ms}},
			"poll": {{App: 80 * ms}}, "sleep": {{App: 2040 * ms}},
		}
	}
	for _, tt := range []struct {
		ours, app time.Duration
		want      []string
	}{
		{25 * ms, 100 * ms, []string{"1.25   (target ≤ 1.30: met)", "75.0 ms (target ≤ 150 ms: met)", "2040.0", "–"}},
		{30 * ms, 190 * ms, []string{"1.50   (target ≤ 1.30: missed)", "160.0 ms (target ≤ 150 ms: missed)"}},
	} {
		got := table(samples(tt.ours, tt.app), 1)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("the table lacks %q:\n%s", want, got)
			}
		}
	}
}
