package signal

import (
	"math"
	"time"
)

// Floor is what levels of nothing are reported as, in dBFS or dB: 16-bit
// silence is below −98.
const Floor = -120.0

// Level is the clip's RMS in dBFS, at least Floor.
func (c Clip) Level() float64 { return decibels(c.power()) }

// Peak is the clip's largest sample in dBFS, at least Floor.
func (c Clip) Peak() float64 {
	var peak float64
	for _, s := range c.Samples {
		peak = max(peak, math.Abs(s))
	}
	return decibels(peak * peak)
}

func (c Clip) power() float64 {
	if len(c.Samples) == 0 {
		return 0
	}
	var sum float64
	for _, s := range c.Samples {
		sum += s * s
	}
	return sum / float64(len(c.Samples))
}

// decibels of a power ratio.
func decibels(power float64) float64 {
	if power <= 0 {
		return Floor
	}
	return max(10*math.Log10(power), Floor)
}

// ToneLevel is the power at freq Hz relative to the clip's total power, in dB:
// 0 for that tone alone, Floor for a silent clip. It is Goertzel's algorithm
// under a Hann window, so that a loud tone elsewhere does not leak in; two
// tones can be told apart when they are further apart than 4 / length.
func (c Clip) ToneLevel(freq float64) float64 {
	n := len(c.Samples)
	if n == 0 {
		return Floor
	}
	omega := 2 * math.Pi * freq / float64(c.Rate)
	coefficient := 2 * math.Cos(omega)
	var s1, s2, total, weight float64
	for i, x := range c.Samples {
		w := 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/float64(n))
		x *= w
		s1, s2 = x+coefficient*s1-s2, s1
		total += x * x
		weight += w * w
	}
	if total == 0 {
		return Floor
	}
	tone := s1*s1 + s2*s2 - coefficient*s1*s2
	// A sine of amplitude a gives tone = (a·n/4)², total = a²·weight/2, and
	// weight = 3n/8 for a Hann window.
	return decibels(tone / total * 8 * weight / float64(n) / float64(n))
}

// Gap is a stretch of silence where there should have been sound.
type Gap struct {
	At     time.Duration // from the start of the clip
	Length time.Duration
}

const (
	gapFrame = 5 * time.Millisecond
	// gapDepth is how far below the clip's own level a frame counts as silent.
	gapDepth = -30.0
)

// Gaps returns the stretches of at least shortest within a continuous sound (a
// tone, noise) in which it falls silent: underflows and dropouts. Silence
// before the first and after the last sound is none. For sounds with pauses of
// their own use Match.
func (c Clip) Gaps(shortest time.Duration) []Gap {
	silent := c.silentFrames(c.Level() + gapDepth)
	var gaps []Gap
	start, heard := 0, false
	for i, s := range silent {
		if s {
			continue
		}
		if length := time.Duration(i-start) * gapFrame; heard && length > 0 && length >= shortest {
			gaps = append(gaps, Gap{At: time.Duration(start) * gapFrame, Length: length})
		}
		start, heard = i+1, true
	}
	return gaps
}

// silentFrames tells of each frame of gapFrame whether it is below threshold dBFS.
func (c Clip) silentFrames(threshold float64) []bool {
	size := max(samplesIn(c.Rate, gapFrame), 1)
	frames := make([]bool, 0, len(c.Samples)/size)
	for at := 0; at+size <= len(c.Samples); at += size {
		frame := Clip{Rate: c.Rate, Samples: c.Samples[at : at+size]}
		frames = append(frames, frame.Level() <= max(threshold, Floor+1))
	}
	return frames
}
