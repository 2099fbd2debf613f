//go:build pulse

package audio

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nullcard/nullcard/audio/pcm"
)

// BenchmarkFeedToSource feeds a mic in real time, block by block as a bot does,
// with a chirp every 100 ms, and tells how long after it was written each chirp
// has come out of the source.
func BenchmarkFeedToSource(b *testing.B) {
	s, _ := startServer(b)
	d := Device{Name: "virtual"}
	f := d.Format()
	for _, block := range []time.Duration{5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond} {
		b.Run(block.String(), func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			out, err := dial(b, s).Record(ctx, StreamOptions{Device: d.Mic(), Format: f, Latency: block})
			if err != nil {
				b.Fatal(err)
			}
			in, err := dial(b, s).Play(ctx, StreamOptions{Device: d.MicFeed(), Format: f, Latency: block, Prebuffer: 2 * block})
			if err != nil {
				b.Fatal(err)
			}
			heard, arrivals := make(chan []float64, 1), []arrival(nil)
			go func() {
				var all []float64
				buf := make([]byte, 16<<10)
				for {
					n, err := out.Read(ctx, buf)
					if err != nil {
						break
					}
					all = f.Encoding.Decode(all, buf[:n])
					arrivals = append(arrivals, arrival{len(all), time.Now()})
				}
				heard <- all
			}()

			chirp := pcm.Chirp(f.Rate, chirpLength, 0.5)
			period := append(slices.Clone(chirp), make([]float64, f.Rate/10-len(chirp))...)
			size := f.Frames(block)
			var written []time.Time // when each chirp's last sample was
			tick := time.NewTicker(block)
			defer tick.Stop()
			for at := 0; len(written) < b.N+10; at += size {
				<-tick.C
				var samples []float64
				last := false
				for i := at; i < at+size; i++ {
					samples = append(samples, period[i%len(period)])
					last = last || i%len(period) == len(chirp)-1
				}
				if err := in.Write(ctx, pcm.EncodeS16(nil, samples)); err != nil {
					b.Fatal(err)
				}
				if last {
					written = append(written, time.Now())
				}
			}
			if err := in.Drain(b.Context()); err != nil && !errors.Is(err, context.Canceled) {
				b.Fatal(err)
			}
			cancel()
			all := <-heard
			var ms []float64
			for _, w := range written[5 : len(written)-5] {
				if t, ok := arrivedAfter(all, arrivals, chirp, w); ok {
					ms = append(ms, t.Sub(w).Seconds()*1000)
				}
			}
			if len(ms) == 0 {
				b.Fatal("no chirp was heard")
			}
			slices.Sort(ms)
			b.ReportMetric(ms[len(ms)/2], "ms/median")
			b.ReportMetric(ms[len(ms)*99/100], "ms/p99")
			b.ReportMetric(float64(len(written)-10-len(ms)), "lost")
			b.ReportMetric(float64(in.Underflows()), "underflows")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// arrival tells how many samples had come by a time.
type arrival struct {
	samples int
	at      time.Time
}

// arrivedAfter finds the chirp whose last sample was written at the time w.
func arrivedAfter(heard []float64, arrivals []arrival, chirp []float64, w time.Time) (time.Time, bool) {
	i, _ := slices.BinarySearchFunc(arrivals, w, func(a arrival, w time.Time) int { return a.at.Compare(w) })
	from := 0
	if i > 0 {
		from = max(arrivals[i-1].samples-len(chirp), 0)
	}
	to := min(from+len(chirp)*5, len(heard))
	m := pcm.Find(heard[from:to], chirp)
	if m.Score < 0.9 {
		return time.Time{}, false
	}
	end := from + m.Offset + len(chirp)
	for _, a := range arrivals[max(i-1, 0):] {
		if a.samples >= end {
			return a.at, true
		}
	}
	return time.Time{}, false
}
