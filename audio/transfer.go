package audio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nullcard/nullcard/audio/pcm"
)

// Transfer tells what was played or recorded.
type Transfer struct {
	// Started is the wall clock time of the first sample: when it left the
	// sink, or sounded at the source.
	Started    time.Time
	Format     pcm.Format
	Frames     int64
	Peak, RMS  float64 // dBFS
	Underflows int     // gaps, while playing
}

// Duration is how long the sound is.
func (t Transfer) Duration() time.Duration {
	return t.Format.Duration(t.Frames * int64(t.Format.FrameBytes()))
}

// beginTries is how often the time of the first sample is asked for; the answer
// that came fastest is the most exact.
const beginTries = 3

func begin(ctx context.Context, ask func(context.Context) (time.Time, error)) (time.Time, error) {
	var at time.Time
	fastest := time.Duration(-1)
	for range beginTries {
		asked := time.Now()
		t, err := ask(ctx)
		if err != nil {
			return at, err
		}
		if took := time.Since(asked); fastest < 0 || took < fastest {
			at, fastest = t, took
		}
	}
	return at, nil
}

// Feed plays all that r holds, in whole frames, to the sink that o names, and
// returns when it has been played. Cancelling ctx ends it at once.
func Feed(ctx context.Context, c *Conn, o StreamOptions, r io.Reader) (Transfer, error) {
	t := Transfer{Format: o.Format}
	p, err := c.Play(ctx, o)
	if err != nil {
		return t, err
	}
	defer func() { _ = p.Close(context.WithoutCancel(ctx)) }()

	clock := make(chan struct{})
	go func() {
		defer close(clock)
		select {
		case <-p.Started():
			// An answer that does not come leaves the time unknown, which is
			// reported below.
			t.Started, _ = begin(ctx, p.Begin)
		case <-p.Ended():
		}
	}()
	meter := pcm.Meter{Encoding: o.Format.Encoding}
	err = pump(ctx, p, r, &meter, &t.Frames)
	if err == nil && t.Frames > 0 {
		err = p.Drain(ctx)
	}
	t.Underflows = p.Underflows()
	select {
	case <-p.Started():
	default:
		p.end(ErrClosed) // nothing was played: nothing to wait for
	}
	<-clock
	t.Peak, t.RMS = meter.Peak(), meter.RMS()
	switch {
	case err != nil:
		return t, err
	case t.Frames == 0:
		return t, errors.New("the input holds no samples")
	case t.Started.IsZero():
		return t, errors.New("cannot tell when the playback began: the sound server did not answer")
	}
	return t, nil
}

// pump writes all that r holds. What it has beyond a whole block of the sink
// waits for more, though no longer than a block lasts.
func pump(ctx context.Context, p *Playback, r io.Reader, meter *pcm.Meter, frames *int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	size := p.format.FrameBytes()
	pieces := pieces(ctx, r, max(16<<10/size, 1)*size)
	var buf []byte
	write := func(n int) error {
		if err := p.Write(ctx, buf[:n]); err != nil {
			return err
		}
		_, _ = meter.Write(buf[:n])
		*frames += int64(n / size)
		buf = append(buf[:0], buf[n:]...)
		return nil
	}
	for {
		var late <-chan time.Time
		if len(buf) >= size {
			late = time.After(p.format.Duration(p.block))
		}
		select {
		case next := <-pieces:
			buf = append(buf, next.b...)
			switch {
			case next.err == io.EOF:
				return write(len(buf) - len(buf)%size)
			case next.err != nil:
				return errors.Join(write(len(buf)-len(buf)%size), fmt.Errorf("cannot read the input: %w", next.err))
			}
			if err := write(p.whole(len(buf))); err != nil {
				return err
			}
		case <-late:
			if err := write(len(buf) - len(buf)%size); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// piece is what one call of Read gave.
type piece struct {
	b   []byte
	err error
}

// pieces reads r in a goroutine that ends after an error or, once r gives
// something, after ctx. A piece's bytes last until the next one is taken.
func pieces(ctx context.Context, r io.Reader, size int) <-chan piece {
	c := make(chan piece)
	go func() {
		bufs := [2][]byte{make([]byte, size), make([]byte, size)}
		for i := 0; ; i = 1 - i {
			n, err := r.Read(bufs[i])
			select {
			case c <- piece{bufs[i][:n], err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return c
}

// Capture records from the source that o names into w, exactly frames of them,
// or until ctx is cancelled when frames is negative or that comes first.
func Capture(ctx context.Context, c *Conn, o StreamOptions, frames int64, w io.Writer) (Transfer, error) {
	t := Transfer{Format: o.Format}
	r, err := c.Record(ctx, o)
	if err != nil {
		return t, err
	}
	// What is under way when ctx ends is still told and closed.
	after := context.WithoutCancel(ctx)
	defer func() { _ = r.Close(after) }()
	meter := pcm.Meter{Encoding: o.Format.Encoding}
	size := o.Format.FrameBytes()
	buf := make([]byte, max(16<<10/size, 1)*size)
	kept := 0
	for frames < 0 || t.Frames < frames {
		n, err := r.Read(ctx, buf[kept:])
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			return t, err
		}
		n += kept
		whole := n - n%size
		if left := (frames - t.Frames) * int64(size); frames >= 0 && int64(whole) > left {
			whole = int(left)
		}
		if _, err := w.Write(buf[:whole]); err != nil {
			return t, fmt.Errorf("cannot write the recording: %w", err)
		}
		_, _ = meter.Write(buf[:whole])
		t.Frames += int64(whole / size)
		kept = copy(buf, buf[whole:n])
	}
	t.Peak, t.RMS = meter.Peak(), meter.RMS()
	if t.Frames > 0 {
		if t.Started, err = begin(after, r.Begin); err != nil {
			return t, err
		}
	}
	return t, nil
}
