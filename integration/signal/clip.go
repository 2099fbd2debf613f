package signal

import (
	"math"
	"time"
)

// Clip is mono sound: samples in [-1, 1) at Rate Hz.
type Clip struct {
	Rate    int
	Samples []float64
}

// Duration is the length of the clip.
func (c Clip) Duration() time.Duration {
	if c.Rate == 0 {
		return 0
	}
	return time.Duration(len(c.Samples)) * time.Second / time.Duration(c.Rate)
}

// Slice is the part of the clip between two times, cut to what there is. It
// shares the samples.
func (c Clip) Slice(from, to time.Duration) Clip {
	lo, hi := c.index(from), c.index(to)
	return Clip{Rate: c.Rate, Samples: c.Samples[lo:max(lo, hi)]}
}

func (c Clip) index(at time.Duration) int {
	i := int(math.Round(at.Seconds() * float64(c.Rate)))
	return min(max(i, 0), len(c.Samples))
}

// Append returns the clip followed by others of the same rate.
func (c Clip) Append(others ...Clip) Clip {
	out := Clip{Rate: c.Rate, Samples: append([]float64(nil), c.Samples...)}
	for _, o := range others {
		out.Samples = append(out.Samples, o.Resample(c.Rate).Samples...)
	}
	return out
}

// Amplify returns the clip, louder by db.
func (c Clip) Amplify(db float64) Clip {
	factor := math.Pow(10, db/20)
	out := Clip{Rate: c.Rate, Samples: make([]float64, len(c.Samples))}
	for i, s := range c.Samples {
		out.Samples[i] = s * factor
	}
	return out
}

// resampleTaps is the half width of the interpolating filter, in periods of
// the lower of the two rates.
const resampleTaps = 16

// Resample returns the clip at another rate, band-limited to the lower of the
// two by a Hann-windowed sinc. Sample 0 stays sample 0.
func (c Clip) Resample(rate int) Clip {
	if rate == c.Rate || c.Rate == 0 {
		return c
	}
	// Sample i lies at i·step/phases of the source's samples.
	common := gcd(rate, c.Rate)
	step, phases := c.Rate/common, rate/common
	cutoff := min(1, float64(rate)/float64(c.Rate)) // of the source's Nyquist frequency
	half := resampleTaps / cutoff
	reach := int(math.Ceil(half))
	kernels := make([][]float64, phases)
	for phase := range kernels {
		kernels[phase] = make([]float64, 2*reach+1)
		for j := range kernels[phase] {
			x := float64(phase)/float64(phases) - float64(j-reach)
			if math.Abs(x) < half {
				kernels[phase][j] = cutoff * sinc(cutoff*x) * (0.5 + 0.5*math.Cos(math.Pi*x/half))
			}
		}
	}
	out := Clip{Rate: rate, Samples: make([]float64, len(c.Samples)*phases/step)}
	for i := range out.Samples {
		first := i*step/phases - reach
		kernel := kernels[i*step%phases]
		lo, hi := max(first, 0), min(first+len(kernel), len(c.Samples))
		var sum float64
		for j, sample := range c.Samples[lo:hi] {
			sum += sample * kernel[lo-first+j]
		}
		out.Samples[i] = sum
	}
	return out
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}
