package audio

import (
	"testing"
	"time"

	"github.com/nullcard/nullcard/audio/pcm"
)

func TestPeakNext(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	p := Peak{Device: "virtual", End: "mic", Time: start}
	for i, tt := range []struct {
		peak    float64
		silent  time.Time
		clipped int
	}{
		{pcm.Floor, start, 0}, // silent from the beginning of the window on
		{pcm.Floor, start, 0},
		{-90.3, time.Time{}, 0}, // the lowest sample of 16 bits is sound
		{-6, time.Time{}, 0},
		{0, time.Time{}, 1},
		{pcm.DB(32767.0 / 32768), time.Time{}, 2},
		{pcm.DB(32765.0 / 32768), time.Time{}, 2},
		{pcm.Floor, at(7), 2},
		{pcm.Floor, at(7), 2},
		{-40, time.Time{}, 2},
	} {
		p = p.next(tt.peak, at(i+1))
		if p.Peak != tt.peak || !p.Time.Equal(at(i+1)) || !p.SilentSince.Equal(tt.silent) || p.Clipped != tt.clipped {
			t.Errorf("window %d: %+v, want silent since %v and %d clipped", i+1, p, tt.silent, tt.clipped)
		}
	}
}

func TestClocks(t *testing.T) {
	var c clocks
	counts := []int{0, 0}
	for check := 1; check <= 4*stalled; check++ {
		if check%2 == 0 {
			counts[0]++
		}
		if check%2 == 0 && check < 2*stalled {
			counts[1]++
		}
		want := -1
		// The second one advances for the last time at check 2·stalled − 2.
		if check >= 2*stalled-2+stalled {
			want = 1
		}
		if got := c.still(counts); got != want {
			t.Errorf("check %d: clock %d stands still, want %d", check, got, want)
		}
	}
	counts[1]++
	if got := c.still(counts); got != -1 {
		t.Errorf("clock %d stands still, want none when it goes on", got)
	}
	if got := c.still([]int{1}); got != -1 {
		t.Errorf("clock %d of another set stands still", got)
	}
}
