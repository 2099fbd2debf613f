package audio

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jfreymuth/pulse/proto"
	"github.com/nullcard/nullcard/audio/pcm"
)

// Playback is a stream of samples into a sink. One goroutine at a time may
// write.
type Playback struct {
	c      *Conn
	index  uint32
	format pcm.Format
	buffer time.Duration
	block  int64 // bytes of a block that the sink renders
	piece  int64 // bytes that a long sound is sent in, at least

	sent int64 // used by Write only

	mu         sync.Mutex
	room       int64 // bytes that the server wants
	err        error
	underflows int
	running    bool

	wake    chan struct{} // room or err has changed
	started chan struct{}
	ended   chan struct{}
}

// Play makes a stream into a sink. Nothing sounds before Write.
func (c *Conn) Play(ctx context.Context, o StreamOptions) (*Playback, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("cannot play: %w", err)
	}
	p := &Playback{
		c: c, format: o.Format, buffer: o.Buffer,
		wake: make(chan struct{}, 1), started: make(chan struct{}), ended: make(chan struct{}),
	}
	p.block = int64(max(o.Format.Bytes(o.Latency), o.Format.FrameBytes()))
	p.piece = max(min(int64(o.Format.Bytes(min(maxPiece, o.Buffer/4))), maxWrite)/p.block, 1) * p.block
	// With EarlyRequests the sink's latency follows the minimum request and is
	// independent of how much is buffered (protocol-native.c,
	// fix_playback_buffer_attr).
	req := &proto.CreatePlaybackStream{
		SampleSpec:            sampleSpec(o.Format),
		ChannelMap:            channelMap(o.Format.Channels),
		SinkIndex:             proto.Undefined,
		SinkName:              o.Device,
		BufferMaxLength:       proto.Undefined,
		BufferTargetLength:    uint32(o.Format.Bytes(o.Buffer)),
		BufferPrebufferLength: uint32(o.Format.Bytes(o.Prebuffer)),
		BufferMinimumRequest:  uint32(o.Format.Bytes(o.Latency)),
		SyncID:                c.nextSync(),
		ChannelVolumes:        fullVolume(o.Format.Channels),
		VolumeSet:             true,
		MutedSet:              true,
		NoMove:                true,
		EarlyRequests:         true,
		Properties:            o.properties(),
	}
	var reply proto.CreatePlaybackStreamReply
	err := c.request(ctx, req, &reply, func(v any) {
		r := v.(*proto.CreatePlaybackStreamReply)
		p.index, p.room = r.StreamIndex, int64(r.Missing)
		c.mu.Lock()
		c.playback[p.index] = p
		c.mu.Unlock()
	})
	if err != nil {
		return nil, fmt.Errorf("cannot play to %s: %w", o.Device, err)
	}
	return p, nil
}

// nextSync is a number that no other stream of the connection has: streams
// that share one are started together.
func (c *Conn) nextSync() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tag++
	return c.tag
}

func (p *Playback) request(n uint32) {
	p.mu.Lock()
	p.room += int64(n)
	p.mu.Unlock()
	p.poke()
}

func (p *Playback) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *Playback) markStarted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running {
		p.running = true
		close(p.started)
	}
}

func (p *Playback) markUnderflow() {
	p.mu.Lock()
	p.underflows++
	p.mu.Unlock()
}

func (p *Playback) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
		close(p.ended)
	}
}

// Started is closed when the first sample is played.
func (p *Playback) Started() <-chan struct{} { return p.started }

// Ended is closed when the stream was closed or lost.
func (p *Playback) Ended() <-chan struct{} { return p.ended }

// Underflows counts how often the sink ran out of samples.
func (p *Playback) Underflows() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.underflows
}

const (
	// maxWrite is PulseAudio's block size for samples.
	maxWrite = 64 << 10
	// maxPiece saves messages where much is queued.
	maxPiece = 100 * time.Millisecond
)

// Write queues whole frames, as fast as the server takes them. It returns when
// the last one is queued, not played.
//
// Where it has to split them, it does so between blocks of the sink. A sink
// renders no further at a time than to the end of what came in one message
// (pulsecore/sink.c, pa_sink_render). With messages that end within a block it
// gives its samples in uneven lumps, for which a pjsua that captures them has
// no room ("Underflow").
func (p *Playback) Write(ctx context.Context, b []byte) error {
	frame := p.format.FrameBytes()
	if len(b)%frame != 0 {
		return fmt.Errorf("cannot play %d bytes: not whole frames of %d", len(b), frame)
	}
	var buf []byte
	for len(b) > 0 {
		p.mu.Lock()
		n, err := min(p.room, int64(len(b)), max(maxWrite, p.piece)), p.err
		if n < int64(len(b)) {
			if n = int64(p.whole(int(n))); n < p.piece {
				n = 0
			}
		}
		p.room -= n
		p.mu.Unlock()
		if err != nil {
			return err
		}
		if n <= 0 {
			if err := wait(ctx, p.wake, p.ended); err != nil {
				return err
			}
			continue
		}
		buf = append(append(buf[:0], make([]byte, headSize)...), b[:n]...)
		b = b[n:]
		p.sent += n
		if err := p.send(ctx, buf); err != nil {
			return err
		}
	}
	return nil
}

// errStalled means that a server is there and does not go on.
var errStalled = fmt.Errorf("the sound server does not go on: no sample passed for %v", DefaultTimeout)

// wait waits for a wake-up or the end of a stream, and not for a server that
// hangs.
func wait(ctx context.Context, wake, ended <-chan struct{}) error {
	timer := time.NewTimer(DefaultTimeout)
	defer timer.Stop()
	select {
	case <-wake:
	case <-ended:
	case <-timer.C:
		return errStalled
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

func (p *Playback) send(ctx context.Context, frame []byte) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return p.c.send(ctx, p.index, frame)
}

// whole is how much of n bytes Write can queue without ending within a block.
func (p *Playback) whole(n int) int {
	return max(n-int((p.sent+int64(n))%p.block), 0)
}

// Drain plays what is queued, however little, and returns when all of it has
// been played.
func (p *Playback) Drain(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.buffer+DefaultTimeout)
		defer cancel()
	}
	if err := p.c.Request(ctx, &proto.DrainPlaybackStream{StreamIndex: p.index}, nil); err != nil {
		return fmt.Errorf("cannot play to the end: %w", err)
	}
	return nil
}

// Flush drops what is queued and not yet played.
func (p *Playback) Flush(ctx context.Context) error {
	return p.c.Request(ctx, &proto.FlushPlaybackStream{StreamIndex: p.index}, nil)
}

// Close ends the stream at once; Drain comes first where the rest matters.
func (p *Playback) Close(ctx context.Context) error {
	p.c.mu.Lock()
	delete(p.c.playback, p.index)
	p.c.mu.Unlock()
	select {
	case <-p.ended:
		return nil
	default:
	}
	p.end(ErrClosed)
	return p.c.Request(ctx, &proto.DeletePlaybackStream{StreamIndex: p.index}, nil)
}

// Begin is the wall clock time at which the sink played the first sample, as
// exact as the server knows it (about 1 ms). It is of use while the stream
// plays, before any underflow.
func (p *Playback) Begin(ctx context.Context) (time.Time, error) {
	sent := time.Now()
	var l proto.GetPlaybackLatencyReply
	err := p.c.Request(ctx, &proto.GetPlaybackLatency{StreamIndex: p.index, Time: protoTime(sent)}, &l)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot tell when the playback began: %w", err)
	}
	now := sent.Add(time.Since(sent) / 2)
	return now.Add(time.Duration(l.Latency)*time.Microsecond - p.format.Duration(l.ReadIndex)), nil
}

func protoTime(t time.Time) proto.Time {
	return proto.Time{Seconds: uint32(t.Unix()), Microseconds: uint32(t.Nanosecond() / 1000)}
}
