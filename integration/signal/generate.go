package signal

import (
	"math"
	"math/rand/v2"
	"time"
)

// fade is the rise and fall at the ends of a generated sound, so that it does
// not click.
const fade = 5 * time.Millisecond

// Silence is digital silence.
func Silence(rate int, d time.Duration) Clip {
	return Clip{Rate: rate, Samples: make([]float64, samplesIn(rate, d))}
}

// Tone is a sine of freq Hz at level dBFS (RMS; −3.01 is full scale).
func Tone(rate int, freq, level float64, d time.Duration) Clip {
	return Chirp(rate, freq, freq, level, d)
}

// Chirp is a sine that glides evenly from one frequency to another, at level
// dBFS (RMS).
func Chirp(rate int, from, to, level float64, d time.Duration) Clip {
	c := Silence(rate, d)
	peak := math.Sqrt2 * math.Pow(10, level/20)
	n := float64(len(c.Samples))
	ramp := float64(samplesIn(rate, fade))
	var phase float64
	for i := range c.Samples {
		t := float64(i)
		edge := min(1, (t+1)/ramp, (n-t)/ramp)
		c.Samples[i] = peak * edge * math.Sin(phase)
		phase += 2 * math.Pi * (from + (to-from)*t/n) / float64(rate)
	}
	return c
}

// Noise is white noise at level dBFS (RMS); one seed gives one noise.
func Noise(rate int, seed uint64, level float64, d time.Duration) Clip {
	r := rand.New(rand.NewPCG(seed, seed))
	c := Silence(rate, d)
	rms := math.Pow(10, level/20)
	for i := range c.Samples {
		c.Samples[i] = rms * r.NormFloat64()
	}
	return c
}

// Melody is a tune of gliding notes with the rhythm and range of a voice,
// which never repeats, so that its place in a recording is unmistakable; one
// seed gives one tune.
func Melody(rate int, seed uint64, level float64, d time.Duration) Clip {
	r := rand.New(rand.NewPCG(seed, seed))
	want := samplesIn(rate, d)
	c := Clip{Rate: rate, Samples: make([]float64, 0, want)}
	for len(c.Samples) < want {
		from := 300 * math.Pow(2, 2.5*r.Float64()) // 300 to 1,700 Hz
		to := from * math.Pow(2, r.Float64()-0.5)
		note := time.Duration(100+r.IntN(200)) * time.Millisecond
		rest := time.Duration(20+r.IntN(60)) * time.Millisecond
		c = c.Append(Chirp(rate, from, to, level, note), Silence(rate, rest))
	}
	c.Samples = c.Samples[:want]
	return c
}

func samplesIn(rate int, d time.Duration) int {
	return int(math.Round(d.Seconds() * float64(rate)))
}
