package pcm

import "math"

// Floor is the level, in dBFS, that stands for digital silence: far below what
// 24 bits can tell, and a number that JSON can carry.
const Floor = -200.0

// Meter measures the level of what is written to it. The zero value with an
// Encoding is ready.
type Meter struct {
	Encoding Encoding

	n    int
	peak float64
	sum  float64
	buf  []float64
}

// Write adds whole samples; it never fails.
func (m *Meter) Write(b []byte) (int, error) {
	m.buf = m.Encoding.Decode(m.buf[:0], b)
	m.Add(m.buf)
	return len(b), nil
}

// Add adds samples of full scale ±1.
func (m *Meter) Add(samples []float64) {
	for _, v := range samples {
		if math.IsNaN(v) {
			continue
		}
		m.peak = max(m.peak, math.Abs(v))
		m.sum += v * v
	}
	m.n += len(samples)
}

// Peak is the highest sample, in dBFS: 0 is full scale.
func (m *Meter) Peak() float64 { return DB(m.peak) }

// RMS is the mean power, in dBFS, where a full-scale square wave is 0 and a
// full-scale sine −3.
func (m *Meter) RMS() float64 {
	if m.n == 0 {
		return Floor
	}
	return DB(math.Sqrt(m.sum / float64(m.n)))
}

// DB turns an amplitude into decibels relative to 1, not below Floor.
func DB(amplitude float64) float64 {
	if amplitude <= 0 {
		return Floor
	}
	return min(max(20*math.Log10(amplitude), Floor), -Floor)
}

// Amplitude turns decibels relative to 1 into an amplitude.
func Amplitude(db float64) float64 { return math.Pow(10, db/20) }

// Tone makes n samples of a sine of freq Hz, from sample number start on, with
// the given amplitude.
func Tone(start, n, rate int, freq, amplitude float64) []float64 {
	s := make([]float64, n)
	// The phase is taken modulo a turn first, so that it stays exact for hours.
	step := freq / float64(rate)
	for i := range s {
		_, turn := math.Modf(float64(start+i) * step)
		s[i] = amplitude * math.Sin(2*math.Pi*turn)
	}
	return s
}
