package phone

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, stderr string
		want         Transfer
		bad          bool
	}{
		{"report", `{"started_unix_ns":1893553445000000000,"frames":16000,"underflows":2}` + "\n", Transfer{1893553445000000000, 2}, false},
		{"warning before it", "warning: slow\n{\"started_unix_ns\":5}\n", Transfer{StartedUnixNS: 5}, false},
		{"text", "played 1.000 s\n", Transfer{}, true},
		{"nothing", "", Transfer{}, true},
	}
	for _, tt := range tests {
		got, err := parse(tt.stderr)
		if got != tt.want || (err != nil) != tt.bad {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

func TestSince(t *testing.T) {
	fed, heard := Transfer{StartedUnixNS: 1e9}, Transfer{StartedUnixNS: 1e9 + 150e6}
	if got := heard.Since(fed); got != 150*time.Millisecond {
		t.Errorf("%v, want 150ms", got)
	}
}

func TestSamplesTellTheFirst(t *testing.T) {
	s := &samples{begun: make(chan struct{})}
	begun := func() bool {
		select {
		case <-s.begun:
			return true
		default:
			return false
		}
	}
	for _, part := range []struct {
		n    int
		want bool
	}{{20, false}, {wavHeader - 20, false}, {2, true}, {100, true}} {
		if _, err := s.Write(make([]byte, part.n)); err != nil {
			t.Fatal(err)
		}
		if begun() != part.want {
			t.Errorf("begun %v after %d bytes", begun(), len(s.bytes()))
		}
	}
}
