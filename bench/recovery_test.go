package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseRecovery(t *testing.T) {
	const ms = time.Millisecond
	fault := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name, log string
		want      recovery
		bad       bool
	}{
		{"server", `time=2030-01-02T03:04:04.000Z level=INFO msg="audio proven" device=virtual latency_ms=1.3
time=2030-01-02T03:04:05.010Z level=WARN msg="process ended, to be started again" process=pulseaudio pause=8ms attempt=1
time=2030-01-02T03:04:05.011Z level=INFO msg="process stopping" process=caller pid=18 attempt=1
2030-01-02T03:04:05.050Z caller stdout|  Call 0 state changed to CONFIRMED
time=2030-01-02T03:04:05.200Z level=INFO msg="audio proven" device=virtual latency_ms=1.3
time=2030-01-02T03:04:06.000Z level=INFO msg="process started" process=caller pid=28 attempt=2
2030-01-02T03:04:06.300Z caller stdout|  Call 0 state changed to CONFIRMED
`, recovery{Proven: 200 * ms, Started: time.Second, Call: 1300 * ms}, false},
		{"caller", `time=2030-01-02T03:04:05.010Z level=WARN msg="process ended, to be started again" process=caller pause=66ms attempt=2 cause="killed by SIGKILL"
time=2030-01-02T03:04:05.080Z level=INFO msg="process started" process=caller pid=35 attempt=3
time=2030-01-02T03:04:05.090Z level=WARN msg="process ended, to be started again" process=caller pause=1s attempt=3
time=2030-01-02T03:04:06.100Z level=INFO msg="process started" process=caller pid=36 attempt=4
`, recovery{Started: 80 * ms, Again: 4 * ms}, false},
		{"nothing yet", "time=2030-01-02T03:04:04.000Z level=INFO msg=\"process started\" process=caller pid=35 attempt=3\n", recovery{}, false},
		{"a pause that is none", `time=2030-01-02T03:04:05.010Z msg="process ended, to be started again" process=caller pause=soon` + "\n", recovery{}, true},
	}
	for _, tt := range tests {
		got, err := parseRecovery(tt.log, fault)
		if got != tt.want || (err != nil) != tt.bad {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

func TestParseTraces(t *testing.T) {
	if got, err := parseTraces("12\n9\n7\n4\n2\n3\n"); err != nil || got != (traces{12, 9, 7, 4, 2, 3}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := parseTraces("12\n9\n"); err == nil {
		t.Error("two numbers are not enough")
	}
}

func TestLeaked(t *testing.T) {
	before := traces{FDs: 12, Threads: 9, Processes: 7, Clients: 4, Sinks: 2, Sources: 3}
	tests := []struct {
		change func(*traces)
		want   string
	}{
		{func(*traces) {}, "nothing (target met)"},
		{func(a *traces) { a.FDs, a.Threads = 11, 10 }, "nothing (target met)"},
		{func(a *traces) { a.FDs++ }, "13 file descriptors, 12 before (target missed)"},
		{func(a *traces) { a.Sinks, a.Clients = 3, 6 }, "6 clients of the server, 4 before; 3 sinks, 2 before (target missed)"},
		{func(a *traces) { a.Threads += maxThreads + 1 }, "18 threads, 9 before (target missed)"},
	}
	for _, tt := range tests {
		after := before
		tt.change(&after)
		if got := leaked(before, after); got != tt.want {
			t.Errorf("%+v: %q, want %q", after, got, tt.want)
		}
	}
}

func TestRecoveryTableJudges(t *testing.T) {
	const ms = time.Millisecond
	got := recoveryTable(map[string]recoveries{
		"server killed": {Rounds: []recovery{{Proven: 200 * ms, Started: time.Second, Call: 2 * time.Second}}, Correlation: 0.97},
		"server hangs":  {Rounds: []recovery{{Proven: 4 * time.Second}}},
		"pjsua killed":  {Rounds: []recovery{{Started: 30 * ms, Again: 4 * ms}}},
	})
	for _, want := range []string{
		"server killed → devices proven  200.0 ms (target ≤ 300.0 ms: met)",
		"server hangs → devices proven  4000.0 ms (target ≤ 3000.0 ms: missed)",
		"started again, less its backoff  4.0 ms (target ≤ 20.0 ms: met)",
		"0.97",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
}
