package main

import (
	"strings"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	tests := []struct {
		samples []time.Duration
		p       int
		want    time.Duration
	}{
		{nil, 99, 0}, {[]time.Duration{7}, 50, 7}, {[]time.Duration{9, 1, 5}, 50, 5},
		{hundred, 50, 50}, {hundred, 99, 99}, {hundred, 100, 100},
	}
	for _, tt := range tests {
		if got := percentile(tt.samples, tt.p); got != tt.want {
			t.Errorf("percentile %d of %v = %d, want %d", tt.p, tt.samples, got, tt.want)
		}
	}
}

func TestBetween(t *testing.T) {
	if d, err := between("1000\n", "4000"); d != 3000 || err != nil {
		t.Errorf("%v, %v", d, err)
	}
	for _, bad := range []string{"", "x", "99999999999999999999"} {
		if _, err := between(bad, "4000"); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func TestInitTableJudges(t *testing.T) {
	const ms = time.Millisecond
	results := map[string]*initResult{}
	for _, p := range peers {
		results[p.name] = &initResult{Start: []time.Duration{5 * ms}}
	}
	results["tini"].Zombie, results["tini"].Late = []time.Duration{ms, 2 * ms}, 1
	o := initOptions{runs: 1, children: 3, idle: 10}
	good := initTable(o, results, delivery{Delivery: []time.Duration{2 * ms, 3 * ms}, Oldest: 50 * ms},
		idleUse{RSS: 12 << 10, CPU: 10 * ms, Wakeups: 20, Seconds: 10})
	for _, want := range []string{"1.0, 2.0, 2.0, 1 never", "12.0 MiB  0.100 %  2.0", "(target 0: met)", "p99 3.0 ms (target ≤ 5.0 ms: met)",
		"oldest zombie: 50.0 ms (target ≤ 1000.0 ms: met)", "12.0 MiB (target ≤ 15 MiB: met); CPU 0.100 % (target ≤ 0.2 %: met)"} {
		if !strings.Contains(good, want) {
			t.Errorf("the table lacks %q:\n%s", want, good)
		}
	}
	bad := initTable(o, results, delivery{Delivery: []time.Duration{9 * ms}, Wrong: 1, Oldest: 2 * time.Second},
		idleUse{RSS: 16 << 10, CPU: 30 * ms, Seconds: 10})
	if n := strings.Count(bad, "missed"); n != 5 {
		t.Errorf("%d targets missed, want 5:\n%s", n, bad)
	}
}
