package signal

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const rate = 16000

// voice is speech-like: voiced pulses through three moving formants, with
// pauses; the timbre of all seeds is alike, the words are not.
func voice(seed uint64, d time.Duration) Clip {
	r := rand.New(rand.NewPCG(seed, 7))
	out := Clip{Rate: rate}
	for out.Duration() < d {
		syllable := Silence(rate, time.Duration(120+r.IntN(120))*time.Millisecond)
		pitch := 90 + 60*r.Float64()
		formants := []float64{300 + 500*r.Float64(), 900 + 1300*r.Float64(), 2300 + 800*r.Float64()}
		n := len(syllable.Samples)
		for _, f := range formants {
			var y1, y2, phase float64
			bandwidth := math.Exp(-math.Pi * 90 / rate)
			for i := range syllable.Samples {
				var pulse float64
				if phase += pitch * (1 + 0.1*float64(i)/float64(n)) / rate; phase >= 1 {
					phase, pulse = phase-1, 1
				}
				y1, y2 = pulse+2*bandwidth*math.Cos(2*math.Pi*f/rate)*y1-bandwidth*bandwidth*y2, y1
				syllable.Samples[i] += y1 * math.Sin(math.Pi*float64(i)/float64(n)) * 300 / f
			}
		}
		out = out.Append(syllable)
		if r.IntN(4) == 0 {
			out = out.Append(Silence(rate, time.Duration(100+r.IntN(200))*time.Millisecond))
		}
	}
	out.Samples = out.Samples[:samplesIn(rate, d)]
	return out.Amplify(-20 - out.Level())
}

func add(a, b Clip) Clip {
	out := Clip{Rate: a.Rate, Samples: append([]float64(nil), a.Samples...)}
	for i := range min(len(a.Samples), len(b.Samples)) {
		out.Samples[i] += b.Samples[i]
	}
	return out
}

// g711 is what 8 kHz µ-law does to a sound.
func g711(c Clip) Clip {
	narrow := c.Resample(8000)
	for i, s := range narrow.Samples {
		s = min(max(s, -1), 1)
		y := math.Copysign(math.Log1p(255*math.Abs(s))/math.Log1p(255), s)
		y = math.Round(y*127) / 127
		narrow.Samples[i] = math.Copysign((math.Pow(256, math.Abs(y))-1)/255, y)
	}
	return narrow.Resample(c.Rate)
}

func delayed(c Clip, d time.Duration) Clip {
	return Silence(c.Rate, d).Append(c, Silence(c.Rate, time.Second))
}

func TestMatchFindsWhatWasSent(t *testing.T) {
	const d = 4500 * time.Millisecond
	ms := time.Millisecond
	stepped := func(c Clip) Clip { // a jitter buffer that grows and shrinks
		return c.Slice(0, d/3).Append(
			Silence(rate, 60*ms), c.Slice(d/3, 2*d/3),
			c.Slice(2*d/3+30*ms, d))
	}
	for name, sent := range map[string]Clip{"voice": voice(1, d), "melody": Melody(rate, 1, -20, d)} {
		tests := []struct {
			name        string
			heard       Clip
			delay       time.Duration
			correlation float64
			gain        float64
			spread      time.Duration
		}{
			{"as it is", sent, 0, 0.999, 0, 0},
			{"later and softer", delayed(sent.Amplify(-12), 303*ms), 303 * ms, 0.999, -12, 0},
			{"recorded from its middle on", sent.Slice(500*ms, d), -500 * ms, 0.8, 0, 0},
			{"under noise", add(delayed(sent, 217*ms), Noise(rate, 3, -26, 8*time.Second)), 217 * ms, 0.8, 1, 0},
			{"G.711", delayed(g711(sent), 180*ms), 180 * ms, 0.95, 0, 0},
			{"G.711, noise and another level", add(delayed(g711(sent).Amplify(-6), 181*ms), Noise(rate, 5, -45, 8*time.Second)), 181 * ms, 0.9, -6, 0},
			{"steps of a jitter buffer", delayed(stepped(sent), 150*ms), 180 * ms, 0.9, 0, 60 * ms},
			{"another rate", delayed(sent, 100*ms).Resample(48000), 100 * ms, 0.99, 0, 0},
		}
		for _, tt := range tests {
			t.Run(name+" "+tt.name, func(t *testing.T) {
				m, err := Match(sent, tt.heard)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("delay %v, spread %v, correlation %.3f, gain %.1f dB", m.Delay, m.Spread, m.Correlation, m.Gain)
				if m.Correlation < tt.correlation {
					t.Errorf("correlation = %.3f, want ≥ %.3f", m.Correlation, tt.correlation)
				}
				near(t, "gain", m.Gain, tt.gain, 1)
				if tt.spread == 0 {
					near(t, "delay in samples", m.Delay.Seconds()*rate, tt.delay.Seconds()*rate, 0.5)
				} else {
					near(t, "delay in ms", m.Delay.Seconds()*1000, tt.delay.Seconds()*1000, 31)
				}
				near(t, "spread in ms", m.Spread.Seconds()*1000, tt.spread.Seconds()*1000, 1)
			})
		}
	}
}

func TestMatchRejectsWhatWasNotSent(t *testing.T) {
	const d = 4 * time.Second
	sent := map[string]Clip{"voice": voice(1, d), "melody": Melody(rate, 1, -20, d)}
	for name, sent := range sent {
		for other, heard := range map[string]Clip{
			"the same voice, other words": voice(2, 6*time.Second),
			"a third sentence":            voice(11, 6*time.Second),
			"another tune":                Melody(rate, 2, -20, 6*time.Second),
			"noise":                       Noise(rate, 9, -20, 6*time.Second),
			"a tone":                      Tone(rate, 440, -20, 6*time.Second),
			"mains hum":                   Tone(rate, 100, -20, 6*time.Second),
			"noise of the last bit":       Noise(rate, 9, -90, 6*time.Second),
			"played backwards":            reversed(sent),
		} {
			t.Run(name+", "+other, func(t *testing.T) {
				m, err := Match(sent, heard)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("correlation %.3f", m.Correlation)
				if m.Correlation > 0.35 {
					t.Errorf("correlation = %.3f, want ≤ 0.35", m.Correlation)
				}
			})
		}
	}
}

func reversed(c Clip) Clip {
	out := Clip{Rate: c.Rate, Samples: make([]float64, len(c.Samples))}
	for i, s := range c.Samples {
		out.Samples[len(out.Samples)-1-i] = s
	}
	return out
}

func TestMatchOfHalfIsNotTheWhole(t *testing.T) {
	sent := voice(1, 6*time.Second)
	heard := delayed(sent.Slice(0, 2*time.Second), 100*time.Millisecond)
	m, err := Match(sent, heard)
	if err != nil {
		t.Fatal(err)
	}
	if m.Correlation > Recognised {
		t.Errorf("a third of the sound gives correlation %.3f, want < %.2f", m.Correlation, Recognised)
	}
}

func TestMatchReportsGaps(t *testing.T) {
	sent := Melody(rate, 4, -20, 6*time.Second)
	heard := delayed(sent, 200*time.Millisecond)
	clear(heard.Slice(2200*time.Millisecond, 2260*time.Millisecond).Samples)
	m, err := Match(sent, heard)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Gaps) != 1 {
		t.Fatalf("gaps = %v, want one near 2 s", m.Gaps)
	}
	near(t, "at in ms", m.Gaps[0].At.Seconds()*1000, 2000, 20)
	near(t, "length in ms", m.Gaps[0].Length.Seconds()*1000, 60, 25)
	whole, err := Match(sent, delayed(sent, 200*time.Millisecond))
	if err != nil || len(whole.Gaps) != 0 {
		t.Errorf("gaps of a sound without any = %v, %v", whole.Gaps, err)
	}
}

func TestMatchRefusesSilence(t *testing.T) {
	sound := voice(1, 2*time.Second)
	for name, pair := range map[string][2]Clip{
		"nothing heard":     {sound, {Rate: rate}},
		"silence heard":     {sound, Silence(rate, 3*time.Second)},
		"silence sent":      {Silence(rate, 3*time.Second), sound},
		"nothing sent":      {{Rate: rate}, sound},
		"too short to tell": {sound.Slice(0, 300*time.Millisecond), sound},
	} {
		if m, err := Match(pair[0], pair[1]); err == nil {
			t.Errorf("%s: %+v, want an error", name, m)
		}
	}
}
