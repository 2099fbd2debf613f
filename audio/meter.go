package audio

import (
	"context"
	"sync"
	"time"

	"github.com/nullcard/nullcard/audio/pcm"
)

// Level is how loud one end of a device was over the last meterWindow.
type Level struct {
	Device string    `json:"device"`
	End    string    `json:"end"`       // "speaker" or "mic"
	Peak   float64   `json:"peak_dbfs"` // pcm.Floor is digital silence
	RMS    float64   `json:"rms_dbfs"`
	Time   time.Time `json:"time"` // when the last sample of it came
}

// meterWindow is also the fragment in which samples come: half of it is the
// longest block of a null sink, so that metering wakes up nobody more often.
const meterWindow = 100 * time.Millisecond

// meters listen to both ends of each device over one connection.
type meters struct {
	conn *Conn
	ends []*meteredEnd
	wg   sync.WaitGroup
}

type meteredEnd struct {
	source    string
	format    pcm.Format
	recording *Recording // used by follow only

	mu    sync.Mutex
	level Level
}

func newMeters(c *Conn, devices []Device) *meters {
	m := &meters{conn: c}
	for _, d := range devices {
		for _, e := range []struct{ name, source string }{{"speaker", d.SpeakerMonitor()}, {"mic", d.Mic()}} {
			m.ends = append(m.ends, &meteredEnd{source: e.source, format: d.Format(), level: Level{
				Device: d.Name, End: e.name, Peak: pcm.Floor, RMS: pcm.Floor, Time: time.Now(),
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
		r, err := m.conn.Record(ctx, StreamOptions{Device: e.source, Format: e.format, Latency: meterWindow / 2, Name: "nullcard meter"})
		if err != nil {
			return err
		}
		e.recording = r
		m.wg.Go(func() { e.listen(r) })
	}
	return nil
}

func (e *meteredEnd) listen(r *Recording) {
	buf := make([]byte, r.format.Bytes(meterWindow))
	got := 0
	for {
		n, err := r.Read(context.Background(), buf[got:]) // ends with the stream
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
		e.level.Peak, e.level.RMS, e.level.Time = meter.Peak(), meter.RMS(), time.Now()
		e.mu.Unlock()
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
