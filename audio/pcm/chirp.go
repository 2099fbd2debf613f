package pcm

import (
	"math"
	"time"
)

// Chirp is a sweep from 300 Hz to 3.4 kHz, the band that every telephone
// codec carries (or to 0.45 of a lower rate), faded in and out over a tenth of
// its length each.
func Chirp(rate int, d time.Duration, amplitude float64) []float64 {
	n := int(d.Seconds() * float64(rate))
	const f0 = 300.0
	f1 := min(3400, 0.45*float64(rate))
	length := float64(n) / float64(rate)
	s := make([]float64, n)
	fade := float64(n) / 10
	for i := range s {
		t := float64(i) / float64(rate)
		v := amplitude * math.Sin(2*math.Pi*(f0*t+(f1-f0)*t*t/(2*length)))
		if edge := min(float64(i), float64(n-1-i)); edge < fade {
			v *= 0.5 - 0.5*math.Cos(math.Pi*edge/fade)
		}
		s[i] = v
	}
	return s
}

// Match is where a template was found in a signal.
type Match struct {
	Offset int     // samples from the signal's start to the template's
	Gain   float64 // the template's amplitude there, 1 = as sent
	Score  float64 // normalised cross-correlation, 0 to 1
}

// Find looks for template in signal by a matched filter: the place with the
// highest correlation, its sign ignored. A Score of 1 is a perfect copy; noise
// alone scores about 3/√len(template).
func Find(signal, template []float64) Match {
	var energy float64
	for _, v := range template {
		energy += v * v
	}
	best := Match{Offset: -1}
	if energy == 0 || len(signal) < len(template) {
		return best
	}
	var window float64
	for _, v := range signal[:len(template)] {
		window += v * v
	}
	for off := 0; ; off++ {
		// A window with less than −60 dB of the template's energy holds nothing
		// to be found, and rounding in it would score at random.
		if window > energy*1e-6 {
			var dot float64
			for i, v := range template {
				dot += v * signal[off+i]
			}
			if score := math.Abs(dot) / math.Sqrt(energy*window); score > best.Score {
				best = Match{Offset: off, Gain: math.Abs(dot) / energy, Score: score}
			}
		}
		if off+len(template) >= len(signal) {
			return best
		}
		window += signal[off+len(template)]*signal[off+len(template)] - signal[off]*signal[off]
	}
}
