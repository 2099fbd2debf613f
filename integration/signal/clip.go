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
	ratio := float64(c.Rate) / float64(rate)
	cutoff := min(1, 1/ratio) // of the source's Nyquist frequency
	half := resampleTaps / cutoff
	out := Clip{Rate: rate, Samples: make([]float64, int(float64(len(c.Samples))/ratio))}
	for i := range out.Samples {
		centre := float64(i) * ratio
		lo := max(int(math.Ceil(centre-half)), 0)
		hi := min(int(math.Floor(centre+half)), len(c.Samples)-1)
		var sum float64
		for j := lo; j <= hi; j++ {
			x := centre - float64(j)
			window := 0.5 + 0.5*math.Cos(math.Pi*x/half)
			sum += c.Samples[j] * cutoff * sinc(cutoff*x) * window
		}
		out.Samples[i] = sum
	}
	return out
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}
