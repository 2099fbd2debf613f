package audio

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jfreymuth/pulse/proto"

	"github.com/nullcard/nullcard/audio/pcm"
)

// Level is how loud one end of a device was over the last window of 100 ms.
type Level struct {
	Device string    `json:"device"`
	End    string    `json:"end"`       // EndSpeaker or EndMic
	Peak   float64   `json:"peak_dbfs"` // pcm.Floor is digital silence
	RMS    float64   `json:"rms_dbfs"`
	Time   time.Time `json:"time"` // when the window ended
	// Hold is the highest peak of the last second and a little more.
	Hold float64 `json:"peak_hold_dbfs"`
	// SilentSince is when digital silence began; zero while there is sound. In
	// a call it means that one direction is lost, for a telephone's microphone
	// and its codec always leave some noise.
	SilentSince time.Time `json:"silent_since,omitzero"`
	// Clipped counts the seconds with a sample at full scale.
	Clipped int `json:"clipped"`

	held, clipped time.Time
}

const (
	// clipLevel is that of the second highest sample of 16 bits, in dBFS.
	clipLevel = -0.0006
	// holdTime lets who looks once a second see every peak.
	holdTime = 1200 * time.Millisecond
)

// next is the level after a window that ended at the time now.
func (l Level) next(peak, rms float64, now time.Time) Level {
	switch {
	case peak > pcm.Floor:
		l.SilentSince = time.Time{}
	case l.SilentSince.IsZero():
		l.SilentSince = l.Time
	}
	if peak >= l.Hold || now.Sub(l.held) >= holdTime {
		l.Hold, l.held = peak, now
	}
	if peak >= clipLevel && now.Sub(l.clipped) >= time.Second {
		l.Clipped++
		l.clipped = now
	}
	l.Peak, l.RMS, l.Time = peak, rms, now
	return l
}

const (
	// liveWindow is that of a device that somebody uses.
	liveWindow = 100 * time.Millisecond
	// idleWindow is that of a device that nobody uses, which is silent, and whose
	// clock is all that there is to know of it: one sample a window, its peak.
	idleWindow = time.Second
)

// meterName is the name of the meters' streams.
const meterName = "nullcard meter"

// meters listen to both ends of each device over one connection of their own.
type meters struct {
	conn   *Conn
	look   func(every time.Duration)
	ends   []*meteredEnd
	turned chan struct{} // a window has ended at some end
}

type meteredEnd struct {
	device    string
	source    string
	format    pcm.Format
	recording *Recording // used by follow only
	live      bool       // used by follow only

	mu      sync.Mutex
	level   Level
	windows int
}

// newMeters connects to a server; it listens to nothing yet.
func newMeters(ctx context.Context, server string, devices []Device) (*meters, error) {
	c, look, err := dialPolled(ctx, server)
	if err != nil {
		return nil, err
	}
	m := &meters{conn: c, look: look, turned: make(chan struct{}, 1)}
	for _, d := range devices {
		for _, e := range []struct{ name, source string }{{EndSpeaker, d.SpeakerMonitor()}, {EndMic, d.Mic()}} {
			m.ends = append(m.ends, &meteredEnd{device: d.Name, source: e.source, format: d.Format(), level: Level{
				Device: d.Name, End: e.name, Peak: pcm.Floor, RMS: pcm.Floor, Hold: pcm.Floor, Time: time.Now(),
			}})
		}
	}
	return m, nil
}

// follow listens to each end that is not listened to: at first to all of them,
// later to those that were made anew. It goes on until the connection ends.
// Devices that used tells of are heard sample by sample, the others by a peak a
// second.
func (m *meters) follow(ctx context.Context, used func(device string) bool) error {
	every := idleWindow
	m.look(promptly)
	defer func() { m.look(every) }()
	// What the server has told of streams that ended is taken in by then.
	if err := m.conn.Request(ctx, &proto.GetServerInfo{}, &proto.GetServerInfoReply{}); err != nil {
		return err
	}
	for _, e := range m.ends {
		live := used(e.device)
		if live {
			every = liveWindow * 9 / 10 // and so never finds two windows
		}
		if e.recording != nil {
			select {
			case <-e.recording.Ended():
			default:
				if e.live == live {
					continue
				}
				_ = e.recording.Close(ctx) // it may be gone with its device
			}
		}
		r, err := m.record(ctx, e, live)
		if err != nil {
			return err
		}
		e.recording, e.live = r, live
	}
	return nil
}

// live tells if the device was used when follow last looked. It is for the
// goroutine that calls follow.
func (m *meters) live(device string) bool {
	return slices.ContainsFunc(m.ends, func(e *meteredEnd) bool { return e.device == device && e.live })
}

func (m *meters) record(ctx context.Context, e *meteredEnd, live bool) (*Recording, error) {
	o := StreamOptions{Device: e.source, Format: e.format, Latency: liveWindow / 2, Name: meterName}
	if live {
		return m.conn.recordStream(ctx, o, false, m.listener(e, o.Format, liveWindow))
	}
	o.Format = pcm.Format{Encoding: pcm.F32, Rate: int(time.Second / idleWindow), Channels: 1}
	o.Latency = idleWindow / 2
	return m.conn.recordStream(ctx, o, true, m.listener(e, o.Format, idleWindow))
}

// listener takes the samples of one stream.
func (m *meters) listener(e *meteredEnd, f pcm.Format, window time.Duration) func([]byte) {
	meter, left := pcm.Meter{Encoding: f.Encoding}, f.Bytes(window)
	return func(b []byte) {
		for len(b) > 0 {
			n := min(len(b), left)
			_, _ = meter.Write(b[:n])
			b, left = b[n:], left-n
			if left > 0 {
				return
			}
			e.mu.Lock()
			e.level = e.level.next(meter.Peak(), meter.RMS(), time.Now())
			e.windows++
			e.mu.Unlock()
			meter, left = pcm.Meter{Encoding: f.Encoding}, f.Bytes(window)
			select {
			case m.turned <- struct{}{}:
			default:
			}
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

// Watch calls f with the levels of both ends of the devices every 100 ms, until
// ctx ends, f fails, or the server is lost.
func Watch(ctx context.Context, c *Conn, devices []Device, f func([]Level) error) error {
	m, err := newMeters(ctx, c.server, devices)
	if err != nil {
		return err
	}
	defer m.conn.Close()
	if err := m.follow(ctx, func(string) bool { return true }); err != nil {
		return fmt.Errorf("cannot measure levels: %w", err)
	}
	m.look(liveWindow / 10) // somebody waits for them
	for n := 1; ; n++ {
		if err := m.whole(ctx, n); err != nil {
			return err
		}
		if err := f(m.levels()); err != nil {
			return err
		}
	}
}
