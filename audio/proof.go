package audio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nullcard/nullcard/audio/pcm"
)

// Proof tells that sound fed to a device's mic came out of it.
type Proof struct {
	Device  string        `json:"device"`
	Latency time.Duration `json:"latency_ns"` // from the feed to the source's reader
	Gain    float64       `json:"gain_db"`    // of what came out over what went in, dB
	Score   float64       `json:"score"`      // normalised correlation, 0 to 1
	Time    time.Time     `json:"time"`
}

const (
	chirpLength = 20 * time.Millisecond
	chirpLevel  = -12.0 // dBFS
	chirpScore  = 0.9   // an undisturbed path scores above 0.99
	// A chirp arrives within 20 ms of its feed. The rest is for a machine that
	// is busy, and for PipeWire, which drops what comes while a node wakes up.
	chirpTime = 500 * time.Millisecond
	proofTime = 3 * time.Second
)

// Prove feeds a chirp to the mic of each device, all at once, and finds it at
// the source. Nothing else should be fed to the mics meanwhile.
func Prove(ctx context.Context, c *Conn, devices []Device) ([]Proof, error) {
	proofs := make([]Proof, len(devices))
	errs := make([]error, len(devices))
	var wg sync.WaitGroup
	for i, d := range devices {
		wg.Go(func() {
			if proofs[i], errs[i] = prove(ctx, c, d); errs[i] != nil {
				errs[i] = fmt.Errorf("device %s carries no sound: %w", d.Name, errs[i])
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return proofs, nil
}

func prove(ctx context.Context, c *Conn, d Device) (Proof, error) {
	ctx, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	format := pcm.Format{Encoding: pcm.S16, Rate: d.Format().Rate, Channels: 1}
	out, err := c.Record(ctx, StreamOptions{Device: d.Mic(), Format: format, Name: "proof"})
	if err != nil {
		return Proof{}, err
	}
	defer func() { _ = out.Close(context.WithoutCancel(ctx)) }()
	// An idle sink renders 50 ms at a time. Its first block for us means that it
	// has turned to shorter ones, in which the latency is that of a call.
	first := make([]byte, format.FrameBytes())
	if _, err := out.Read(ctx, first); err != nil {
		return Proof{}, fmt.Errorf("the mic gives no samples: %w", err)
	}
	chirp := pcm.Chirp(format.Rate, chirpLength, pcm.Amplitude(chirpLevel))
	in, err := c.Play(ctx, StreamOptions{
		Device: d.MicFeed(), Format: format, Name: "proof",
		Buffer: 2 * chirpLength, Prebuffer: chirpLength,
	})
	if err != nil {
		return Proof{}, err
	}
	defer func() { _ = in.Close(context.WithoutCancel(ctx)) }()
	sound := pcm.EncodeS16(nil, chirp)
	for best := 0.0; ; {
		fed := time.Now()
		if err := in.Write(ctx, sound); err != nil {
			return Proof{}, silent(ctx, best, err)
		}
		p, err := listen(ctx, out, format, chirp, fed)
		if err == nil {
			p.Device = d.Name
			return p, nil
		}
		best = max(best, p.Score)
		if !errors.Is(err, errUnheard) {
			return Proof{}, silent(ctx, best, err)
		}
	}
}

// errUnheard means that one chirp was not heard.
var errUnheard = errors.New("unheard")

// silent tells what the end of the time for a proof means.
func silent(ctx context.Context, best float64, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("a chirp fed to the mic did not come out of it within %v (best match %.2f)", proofTime, best)
	}
	return err
}

// listen reads from out until the chirp that was fed at the time fed is heard,
// or it is time to feed another.
func listen(ctx context.Context, out *Recording, format pcm.Format, chirp []float64, fed time.Time) (Proof, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, chirpTime, errUnheard)
	defer cancel()
	var heard []float64
	best := pcm.Match{}
	buf := make([]byte, 16<<10)
	for {
		n, err := out.Read(ctx, buf)
		if err != nil {
			return Proof{Score: best.Score}, err
		}
		arrived := time.Now()
		heard = format.Encoding.Decode(heard, buf[:n])
		m := pcm.Find(heard, chirp)
		if m.Score >= chirpScore {
			// The chirp's last sample has arrived with this block or before it.
			after := format.Duration(int64(len(heard)-m.Offset-len(chirp)) * int64(format.FrameBytes()))
			return Proof{
				Latency: max(arrived.Add(-after-chirpLength).Sub(fed), 0),
				Gain:    pcm.DB(m.Gain),
				Score:   m.Score,
				Time:    arrived,
			}, nil
		}
		if m.Score > best.Score {
			best = m
		}
		// Only what can be a chirp's beginning is kept.
		if extra := len(heard) - len(chirp); extra > 0 {
			heard = append(heard[:0], heard[extra:]...)
		}
	}
}
