package audio

import (
	"testing"
	"time"

	"github.com/nullcard/nullcard/audio/pcm"
)

func TestLevelNext(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	l := Level{Device: "virtual", End: "mic", Peak: pcm.Floor, Hold: pcm.Floor, Time: start}
	for _, tt := range []struct {
		ms      int // when the window ended
		peak    float64
		hold    float64
		silent  time.Time
		clipped int
	}{
		{100, pcm.Floor, pcm.Floor, start, 0}, // silent from the beginning of the window on
		{200, pcm.Floor, pcm.Floor, start, 0},
		{300, -90.3, -90.3, time.Time{}, 0}, // the lowest sample of 16 bits is sound
		{400, -6, -6, time.Time{}, 0},
		{500, -20, -6, time.Time{}, 0},
		{1500, -30, -6, time.Time{}, 0},
		{1600, -40, -40, time.Time{}, 0}, // held for 1.2 s
		{1700, 0, 0, time.Time{}, 1},
		{1800, pcm.DB(32767.0 / 32768), 0, time.Time{}, 1}, // within the same second
		{2700, pcm.DB(32767.0 / 32768), 0, time.Time{}, 2},
		{3700, pcm.DB(32765.0 / 32768), pcm.DB(32765.0 / 32768), time.Time{}, 2},
		{3800, pcm.Floor, pcm.DB(32765.0 / 32768), at(3700), 2},
		{3900, pcm.Floor, pcm.DB(32765.0 / 32768), at(3700), 2},
		{5000, -40, -40, time.Time{}, 2},
	} {
		l = l.next(tt.peak, tt.peak-3, at(tt.ms))
		if l.Peak != tt.peak || l.RMS != tt.peak-3 || l.Hold != tt.hold || !l.Time.Equal(at(tt.ms)) ||
			!l.SilentSince.Equal(tt.silent) || l.Clipped != tt.clipped {
			t.Errorf("window that ended at %d ms: %+v, want hold %v, silent since %v and %d clipped",
				tt.ms, l, tt.hold, tt.silent, tt.clipped)
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
