package signal

import (
	"errors"
	"math"
	"math/cmplx"
	"slices"
	"time"

	"gonum.org/v1/gonum/dsp/fourier"
)

// Recognised is the correlation from which on a sound counts as the one that
// was sent. A voice through G.711 gives above 0.95 (in the tests), through a
// call with pjsua's preferred wideband codec 0.85 to 0.97; other words by the
// same voice stay below 0.15, the same words by another voice of the same
// synthesiser, with the same timing, below 0.5 (espeak-ng).
const Recognised = 0.55

const (
	// matchRate is the highest rate that sounds are compared at, in Hz; what
	// is above 8 kHz tells nothing more about a voice.
	matchRate = 16000
	// segmentLength is short enough for a jitter buffer not to move within
	// most of them, and long enough for a voice to be distinct.
	segmentLength = 500 * time.Millisecond
	// drift is how far a segment may lie from the place that fits the whole.
	drift = 150 * time.Millisecond
	// quiet is how far below the whole's level a segment is left out, in dB.
	quiet = -20.0
)

// Matching is where and how well a sound was found in a recording.
type Matching struct {
	// Delay is where in the recording the sound begins: the median over the
	// segments, to the sample. It is negative when the recording began later.
	Delay time.Duration
	// Spread is the distance between the smallest and the largest delay of the
	// segments that were recognised.
	Spread time.Duration
	// Correlation is between 0 (nothing alike) and 1 (the same waveform at any
	// level): the mean over the segments, weighted by their energy.
	Correlation float64
	// Gain is the level of the recognised part relative to what was sent, dB.
	Gain float64
	// Segments are the parts of the sound that were looked for; pauses are
	// left out.
	Segments []Segment
	// Gaps are stretches in which sound was sent and silence was heard, by
	// their time in what was sent.
	Gaps []Gap
}

// Segment is a part of a sound that was looked for by itself.
type Segment struct {
	At          time.Duration // in what was sent
	Delay       time.Duration // as in Matching
	Correlation float64
	Gain        float64 // dB
	power       float64
}

// Match looks for what was sent in what was heard, by cross-correlation: first
// as a whole, then segment by segment around that place, so that the small
// steps of a jitter buffer don't hide the match. What was sent must not be
// periodic: a steady tone fits anywhere (see ToneLevel). It is an error if
// either is silent or shorter than a segment; a low Correlation is none.
func Match(sent, heard Clip) (Matching, error) {
	rate := min(sent.Rate, heard.Rate, matchRate)
	sent, heard = sent.Resample(rate), heard.Resample(rate)
	switch {
	case sent.Duration() < segmentLength:
		return Matching{}, errors.New("cannot match: what was sent is shorter than " + segmentLength.String())
	case sent.Peak() <= Floor:
		return Matching{}, errors.New("cannot match: what was sent is digital silence")
	case heard.Duration() < segmentLength:
		return Matching{}, errors.New("cannot match: what was heard is shorter than " + segmentLength.String())
	case heard.Peak() <= Floor:
		return Matching{}, errors.New("cannot match: what was heard is digital silence")
	}

	whole, _ := bestLag(sent.Samples, heard.Samples, -len(sent.Samples), len(heard.Samples))
	m := Matching{Segments: segments(sent, heard, whole)}
	var weight, score float64
	for _, s := range m.Segments {
		weight += s.power
		score += s.power * s.Correlation
	}
	m.Correlation = score / weight

	good := slices.DeleteFunc(slices.Clone(m.Segments), func(s Segment) bool { return s.Correlation < Recognised })
	if len(good) == 0 {
		m.Delay, m.Gain = inTime(whole, rate), Floor
		return m, nil
	}
	delays := make([]time.Duration, len(good))
	var sentPower, heardPower float64
	for i, s := range good {
		delays[i] = s.Delay
		sentPower += s.power
		heardPower += s.power * math.Pow(10, s.Gain/10)
	}
	slices.Sort(delays)
	m.Delay = delays[len(delays)/2]
	m.Spread = delays[len(delays)-1] - delays[0]
	m.Gain = decibels(heardPower / sentPower)
	m.Gaps = lost(sent, heard, m)
	return m, nil
}

// segments looks for each part of sent that is not a pause around lag whole.
func segments(sent, heard Clip, whole int) []Segment {
	size := samplesIn(sent.Rate, segmentLength)
	reach := samplesIn(sent.Rate, drift)
	threshold := sent.Level() + quiet
	var found []Segment
	for at := 0; at+size <= len(sent.Samples); at += size {
		part := Clip{Rate: sent.Rate, Samples: sent.Samples[at : at+size]}
		if part.Level() < threshold {
			continue
		}
		lag, correlation := bestLag(part.Samples, heard.Samples, at+whole-reach, at+whole+reach)
		s := Segment{
			At:          inTime(at, sent.Rate),
			Delay:       inTime(lag-at, sent.Rate),
			Correlation: correlation,
			Gain:        Floor,
			power:       part.power(),
		}
		if there := window(heard, lag, size); correlation > 0 {
			s.Gain = decibels(there.power() / s.power)
		}
		found = append(found, s)
	}
	return found
}

// bestLag returns the lag in [from, to] at which x fits y best, and the
// normalised correlation there: the inner product of x and y[lag:lag+len(x)]
// over the product of their norms. y counts as silent outside its bounds.
// Places where y is next to silent are passed over: noise is not a match.
func bestLag(x, y []float64, from, to int) (lag int, correlation float64) {
	from, to = max(from, 1-len(x)), min(to, len(y)-1)
	if from > to {
		return from, 0
	}
	// Only y[from : to+len(x)] can matter.
	lo, hi := max(from, 0), min(to+len(x), len(y))
	product := correlate(x, y[lo:hi])
	energy := make([]float64, len(y)+1)
	for i, v := range y {
		energy[i+1] = energy[i] + v*v
	}
	var own float64
	for _, v := range x {
		own += v * v
	}
	least := 1e-4 * energy[len(y)] * float64(len(x)) / float64(len(y))
	lag = from
	for l := from; l <= to; l++ {
		there := energy[min(l+len(x), len(y))] - energy[max(l, 0)]
		if there <= least || own == 0 {
			continue
		}
		if c := product(l-lo) / math.Sqrt(own*there); c > correlation {
			lag, correlation = l, c
		}
	}
	return lag, min(correlation, 1)
}

// correlate returns the inner product of x and y[lag:lag+len(x)] as a function
// of any lag with an overlap.
func correlate(x, y []float64) func(lag int) float64 {
	size := 1
	for size < len(x)+len(y) {
		size *= 2
	}
	fft := fourier.NewFFT(size)
	spectrum := func(v []float64) []complex128 {
		padded := make([]float64, size)
		copy(padded, v)
		return fft.Coefficients(nil, padded)
	}
	fx, fy := spectrum(x), spectrum(y)
	for i := range fy {
		fy[i] *= cmplx.Conj(fx[i])
	}
	product := fft.Sequence(nil, fy)
	scale := 1 / float64(size)
	return func(lag int) float64 { return product[(lag+size)%size] * scale }
}

// lost returns the stretches of at least two frames in which sound was sent
// and silence heard. The codec may smear sound by a frame.
func lost(sent, heard Clip, m Matching) []Gap {
	size := samplesIn(sent.Rate, gapFrame)
	audible := sent.Level() + quiet/2
	silent := max(sent.Level()+m.Gain+gapDepth-10, Floor+1)
	var gaps []Gap
	open := -1
	end := func(at int) {
		if open >= 0 && at-open >= 2*size {
			gaps = append(gaps, Gap{At: inTime(open, sent.Rate), Length: inTime(at-open, sent.Rate)})
		}
		open = -1
	}
	for _, s := range m.Segments {
		delay := s.Delay
		if s.Correlation < Recognised {
			delay = m.Delay
		}
		begin := samplesIn(sent.Rate, s.At)
		for at := begin; at < begin+samplesIn(sent.Rate, segmentLength); at += size {
			there := window(heard, at+samplesIn(sent.Rate, delay)-size, 3*size)
			if window(sent, at, size).Level() >= audible && there.Level() <= silent {
				if open < 0 {
					open = at
				}
				continue
			}
			end(at)
		}
	}
	end(len(sent.Samples))
	return gaps
}

// window is the part of c of size samples from at on, cut to what there is.
func window(c Clip, at, size int) Clip {
	lo := min(max(at, 0), len(c.Samples))
	hi := min(max(at+size, lo), len(c.Samples))
	return Clip{Rate: c.Rate, Samples: c.Samples[lo:hi]}
}

func inTime(samples, rate int) time.Duration {
	return time.Duration(samples) * time.Second / time.Duration(rate)
}
