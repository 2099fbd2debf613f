package audio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nullcard/nullcard/audio/pcm"
)

// Peak is the highest sample at one end of a device over the last window.
type Peak struct {
	Device string    `json:"device"`
	End    string    `json:"end"`       // EndSpeaker or EndMic
	Peak   float64   `json:"peak_dbfs"` // pcm.Floor is digital silence
	Time   time.Time `json:"time"`      // when the window ended
	// SilentSince is when digital silence began; zero while there is sound. In
	// a call it means that one direction is lost, for a telephone's microphone
	// and its codec always leave some noise.
	SilentSince time.Time `json:"silent_since,omitzero"`
	// Clipped counts the windows with a sample at full scale.
	Clipped int `json:"clipped"`
}

// next is the peak after a window that ended at the time now.
func (p Peak) next(peak float64, now time.Time) Peak {
	switch {
	case peak > pcm.Floor:
		p.SilentSince = time.Time{}
	case p.SilentSince.IsZero():
		p.SilentSince = p.Time
	}
	if peak >= clipLevel {
		p.Clipped++
	}
	p.Peak, p.Time = peak, now
	return p
}

// clipLevel is that of the second highest sample of 16 bits, in dBFS.
const clipLevel = -0.0006

// Level is how loud one end of a device was over the last window.
type Level struct {
	Peak
	RMS float64 `json:"rms_dbfs"`
}

const (
	// liveWindow is that of a meter that somebody looks at. It listens to all
	// samples.
	liveWindow = 100 * time.Millisecond
	// idleWindow is that of the meters that always run, which also show that
	// the devices' clocks advance. They get one sample a window, its peak:
	// PulseAudio hands over what it has with every block of a sink, be the
	// fragment size what it may, and 40 messages a second cost a percent of a
	// core.
	idleWindow = time.Second
)

// meterName is the name of the meters' streams.
const meterName = "nullcard meter"

// meters listen to both ends of each device over one connection.
type meters struct {
	conn   *Conn
	live   bool
	ends   []*meteredEnd
	wg     sync.WaitGroup
	turned chan struct{} // a window has ended at some end
}

type meteredEnd struct {
	source    string
	format    pcm.Format
	recording *Recording // used by follow only

	mu      sync.Mutex
	level   Level
	windows int
}

func newMeters(c *Conn, devices []Device, live bool) *meters {
	m := &meters{conn: c, live: live, turned: make(chan struct{}, 1)}
	for _, d := range devices {
		for _, e := range []struct{ name, source string }{{EndSpeaker, d.SpeakerMonitor()}, {EndMic, d.Mic()}} {
			m.ends = append(m.ends, &meteredEnd{source: e.source, format: d.Format(), level: Level{
				Peak: Peak{Device: d.Name, End: e.name, Peak: pcm.Floor, Time: time.Now()}, RMS: pcm.Floor,
			}})
		}
	}
	return m
}

// follow listens to each end that is not listened to: at first to all of them,
// later to those that were made anew. It goes on until the connection ends.
func (m *meters) follow(ctx context.Context) error {
	for _, e := range m.ends {
		if e.recording != nil {
			select {
			case <-e.recording.Ended():
			default:
				continue
			}
		}
		r, err := m.record(ctx, e)
		if err != nil {
			return err
		}
		e.recording = r
		m.wg.Go(func() { m.listen(e, r) })
	}
	return nil
}

func (m *meters) record(ctx context.Context, e *meteredEnd) (*Recording, error) {
	o := StreamOptions{Device: e.source, Format: e.format, Latency: liveWindow / 2, Name: meterName}
	if m.live {
		return m.conn.Record(ctx, o)
	}
	o.Format = pcm.Format{Encoding: pcm.F32, Rate: int(time.Second / idleWindow), Channels: 1}
	o.Latency = idleWindow / 2
	return m.conn.Peaks(ctx, o)
}

func (m *meters) listen(e *meteredEnd, r *Recording) {
	window := liveWindow
	if !m.live {
		window = idleWindow
	}
	buf := make([]byte, r.format.Bytes(window))
	got := 0
	for {
		n, err := r.Read(context.Background(), buf[got:]) // ends with the stream
		if errors.Is(err, errStalled) {
			continue // the time of the last level tells
		}
		if err != nil {
			return
		}
		if got += n; got < len(buf) {
			continue
		}
		got = 0
		meter := pcm.Meter{Encoding: r.format.Encoding}
		_, _ = meter.Write(buf)
		e.mu.Lock()
		e.level.Peak, e.level.RMS = e.level.next(meter.Peak(), time.Now()), meter.RMS()
		e.windows++
		e.mu.Unlock()
		select {
		case m.turned <- struct{}{}:
		default:
		}
	}
}

// levels are those of the last window, of all ends.
func (m *meters) levels() []Level {
	levels := make([]Level, len(m.ends))
	for i, e := range m.ends {
		e.mu.Lock()
		levels[i] = e.level
		e.mu.Unlock()
	}
	return levels
}

// turns count the windows of each end.
func (m *meters) turns() []int {
	n := make([]int, len(m.ends))
	for i, e := range m.ends {
		e.mu.Lock()
		n[i] = e.windows
		e.mu.Unlock()
	}
	return n
}

// whole waits until each end has given n windows.
func (m *meters) whole(ctx context.Context, n int) error {
	for {
		least := n
		for _, e := range m.ends {
			e.mu.Lock()
			least = min(least, e.windows)
			e.mu.Unlock()
		}
		if least >= n {
			return nil
		}
		select {
		case <-m.turned:
		case <-m.conn.Done():
			return m.conn.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stop ends the streams and waits for their readers.
func (m *meters) stop(ctx context.Context) {
	for _, e := range m.ends {
		if e.recording != nil {
			_ = e.recording.Close(ctx)
		}
	}
	m.wg.Wait()
}

// Watch calls f with the levels of both ends of the devices every 100 ms, until
// ctx ends, f fails, or the server is lost.
func Watch(ctx context.Context, c *Conn, devices []Device, f func([]Level) error) error {
	m := newMeters(c, devices, true)
	defer m.stop(context.WithoutCancel(ctx))
	if err := m.follow(ctx); err != nil {
		return fmt.Errorf("cannot measure levels: %w", err)
	}
	for n := 1; ; n++ {
		if err := m.whole(ctx, n); err != nil {
			return err
		}
		if err := f(m.levels()); err != nil {
			return err
		}
	}
}
