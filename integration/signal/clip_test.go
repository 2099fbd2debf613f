package signal

import (
	"math"
	"testing"
	"time"

	"github.com/nullcard/nullcard/audio/pcm"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > tolerance {
		t.Errorf("%s = %.3f, want %.3f ± %.3f", what, got, want, tolerance)
	}
}

func TestLevels(t *testing.T) {
	square := Silence(8000, time.Second)
	for i := range square.Samples {
		square.Samples[i] = 1 - 2*float64(i/10%2)
	}
	tests := []struct {
		name        string
		clip        Clip
		level, peak float64
	}{
		{"full scale square", square, 0, 0},
		{"full scale sine", Tone(16000, 440, -3.01, 2*time.Second), -3.03, 0},
		{"quiet sine", Tone(48000, 1000, -40, 2*time.Second), -40.02, -37},
		{"silence", Silence(16000, time.Second), Floor, Floor},
		{"nothing", Clip{Rate: 16000}, Floor, Floor},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			near(t, "level", tt.clip.Level(), tt.level, 0.05)
			near(t, "peak", tt.clip.Peak(), tt.peak, 0.05)
		})
	}
}

func TestToneLevel(t *testing.T) {
	mix := func(a, b Clip) Clip {
		out := Clip{Rate: a.Rate, Samples: make([]float64, len(a.Samples))}
		for i := range out.Samples {
			out.Samples[i] = a.Samples[i] + b.Samples[i]
		}
		return out
	}
	const rate, d = 16000, 2 * time.Second
	low, high := Tone(rate, 440, -12, d), Tone(rate, 880, -12, d)
	tests := []struct {
		name  string
		clip  Clip
		freq  float64
		at    float64
		tol   float64
		below bool // at is an upper bound
	}{
		{"alone", low, 440, 0, 0.01, false},
		{"another", low, 880, -60, 0, true},
		{"both, one", mix(low, high), 440, -3.01, 0.05, false},
		{"both, other", mix(low, high), 880, -3.01, 0.05, false},
		{"20 dB under", mix(low, high.Amplify(-20)), 880, -20.04, 0.1, false},
		{"in equal noise", mix(low, Noise(rate, 1, -12, d)), 440, -3, 0.3, false},
		{"noise only", Noise(rate, 1, -12, d), 440, -25, 0, true},
		{"silence", Silence(rate, d), 440, Floor, 0, true},
		{"off by less than the resolution", Tone(rate, 440.2, -12, d), 440, -1, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.clip.ToneLevel(tt.freq)
			if tt.below {
				if !(got <= tt.at) {
					t.Errorf("tone level = %.1f dB, want ≤ %.1f", got, tt.at)
				}
				return
			}
			near(t, "tone level", got, tt.at, tt.tol)
		})
	}
}

func TestGaps(t *testing.T) {
	cut := func(c Clip, from, to time.Duration) Clip {
		out := c.Append()
		clear(out.Slice(from, to).Samples)
		return out
	}
	tone := Tone(16000, 440, -12, 2*time.Second)
	padded := Silence(16000, 300*time.Millisecond).Append(tone, Silence(16000, time.Second))
	tests := []struct {
		name string
		clip Clip
		want []time.Duration
	}{
		{"none", tone, nil},
		{"silence around is none", padded, nil},
		{"one of 40 ms", cut(tone, time.Second, 1040*time.Millisecond), []time.Duration{40 * time.Millisecond}},
		{"too short", cut(tone, time.Second, 1005*time.Millisecond), nil},
		{"two", cut(cut(tone, 500*time.Millisecond, 520*time.Millisecond), time.Second, 1100*time.Millisecond),
			[]time.Duration{20 * time.Millisecond, 100 * time.Millisecond}},
		{"all silent", Silence(16000, time.Second), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.clip.Gaps(10 * time.Millisecond)
			if len(got) != len(tt.want) {
				t.Fatalf("gaps = %v, want lengths %v", got, tt.want)
			}
			for i := range got {
				near(t, "length in ms", float64(got[i].Length.Milliseconds()), float64(tt.want[i].Milliseconds()), 5)
			}
		})
	}
}

func TestResampleKeepsPitchAndPlace(t *testing.T) {
	for _, rates := range [][2]int{{22050, 16000}, {16000, 48000}, {48000, 16000}, {16000, 8000}} {
		from := Silence(rates[0], 500*time.Millisecond).Append(Tone(rates[0], 1000, -12, time.Second))
		to := from.Resample(rates[1])
		near(t, "duration", to.Duration().Seconds(), 1.5, 0.001)
		tone := to.Slice(510*time.Millisecond, 1490*time.Millisecond)
		near(t, "tone level", tone.ToneLevel(1000), 0, 0.01)
		near(t, "level", tone.Level(), -12, 0.05)
		if before := to.Slice(0, 490*time.Millisecond).Level(); before > -80 {
			t.Errorf("%d → %d Hz: %.1f dBFS before the tone begins", rates[0], rates[1], before)
		}
	}
	if alias := Tone(48000, 7000, -12, time.Second).Resample(8000).Level(); alias > -60 {
		t.Errorf("7 kHz resampled to 8 kHz leaves %.1f dBFS", alias)
	}
}

func TestWAV(t *testing.T) {
	c := Clip{Rate: 8000, Samples: []float64{0, 1, -1, 2, -2, 0.5}}
	back, err := DecodeWAV(c.EncodeWAV())
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{0, 32767. / 32768, -1, 32767. / 32768, -1, 0.5}
	if back.Rate != 8000 || len(back.Samples) != len(want) {
		t.Fatalf("got %+v", back)
	}
	for i, got := range back.Samples {
		near(t, "sample", got, want[i], 1./32768)
	}
	if _, err := DecodeWAV(c.EncodeWAV()[:50]); err == nil {
		t.Error("a file that is cut short was taken for whole")
	}
	if _, err := DecodeWAV([]byte("no sound")); err == nil {
		t.Error("text was taken for sound")
	}
}

func TestStereoIsMixed(t *testing.T) {
	format := pcm.Format{Rate: 16000, Channels: 2, Encoding: pcm.S16}
	file := pcm.EncodeS16(pcm.WAVHeader(format, 8), []float64{0.5, 0.25, -0.5, 0.5})
	c, err := DecodeWAV(file)
	if err != nil || len(c.Samples) != 2 {
		t.Fatalf("got %+v, %v", c, err)
	}
	near(t, "first", c.Samples[0], 0.375, 1e-4)
	near(t, "second", c.Samples[1], 0, 1e-4)
}
