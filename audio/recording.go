package audio

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jfreymuth/pulse/proto"
	"github.com/nullcard/nullcard/audio/pcm"
)

// Recording is a stream of samples out of a source. One goroutine at a time may
// read.
type Recording struct {
	c        *Conn
	index    uint32
	format   pcm.Format
	fragment time.Duration // that comes at a time, if nobody asks for less
	take     func([]byte)

	mu       sync.Mutex
	buf      []byte
	err      error
	received int64
	earliest time.Time // lower edge of arrival time − length so far

	wake  chan struct{}
	ended chan struct{}
}

// Record makes a stream out of a source; samples come at once.
func (c *Conn) Record(ctx context.Context, o StreamOptions) (*Recording, error) {
	return c.recordStream(ctx, o, false, nil)
}

// recordStream is Record where take is nil; else take is given the samples, on
// the read loop, and there is nothing to read. With peaks there is one sample
// per block, the block's peak, which costs the server next to nothing; the
// format's rate is the number of peaks a second.
func (c *Conn) recordStream(ctx context.Context, o StreamOptions, peaks bool, take func([]byte)) (*Recording, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("cannot record: %w", err)
	}
	r := &Recording{
		c: c, format: o.Format, fragment: 2 * o.Latency, take: take,
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	// With AdjustLatency half of the fragment size is the source's latency, the
	// other half the queue to us (protocol-native.c, fix_record_buffer_attr_pre).
	req := &proto.CreateRecordStream{
		SampleSpec:         sampleSpec(o.Format),
		ChannelMap:         channelMap(o.Format.Channels),
		SourceIndex:        proto.Undefined,
		SourceName:         o.Device,
		BufferMaxLength:    proto.Undefined,
		BufferFragSize:     uint32(max(o.Format.Bytes(r.fragment), o.Format.FrameBytes())),
		NoMove:             true,
		PeakDetect:         peaks,
		AdjustLatency:      true,
		DirectOnInputIndex: proto.Undefined,
		ChannelVolumes:     fullVolume(o.Format.Channels),
		VolumeSet:          true,
		MutedSet:           true,
		Properties:         o.properties(),
	}
	var reply proto.CreateRecordStreamReply
	err := c.request(ctx, req, &reply, func(v any) {
		r.index = v.(*proto.CreateRecordStreamReply).StreamIndex
		c.mu.Lock()
		c.record[r.index] = r
		c.mu.Unlock()
	})
	if err != nil {
		return nil, fmt.Errorf("cannot record from %s: %w", o.Device, err)
	}
	return r, nil
}

// SourceFormat is the format that a source has of its own.
func (c *Conn) SourceFormat(ctx context.Context, name string) (pcm.Format, error) {
	var info proto.GetSourceInfoReply
	if err := c.Request(ctx, &proto.GetSourceInfo{SourceIndex: proto.Undefined, SourceName: name}, &info); err != nil {
		return pcm.Format{}, fmt.Errorf("cannot find source %s: %w", name, err)
	}
	return pcm.Format{Encoding: pcm.S16, Rate: int(info.Rate), Channels: int(info.Channels)}, nil
}

// data takes samples on the read loop.
func (r *Recording) data(b []byte) {
	if r.take != nil {
		r.take(b)
		return
	}
	now := time.Now()
	r.mu.Lock()
	r.received += int64(len(b))
	if begin := now.Add(-r.format.Duration(r.received)); r.earliest.IsZero() || begin.Before(r.earliest) {
		r.earliest = begin
	}
	slow := len(r.buf)+len(b) > r.format.Bytes(maxUnread)
	if !slow && r.err == nil {
		r.buf = append(r.buf, b...)
	}
	r.mu.Unlock()
	if slow {
		r.end(errSlow)
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Recording) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
		close(r.ended)
	}
}

// Ended is closed when the stream was closed or lost.
func (r *Recording) Ended() <-chan struct{} { return r.ended }

// Read waits for samples, though not for a server that hangs, and fills b with what is there. After the stream has
// ended it returns what had come by then, and then why it ended.
func (r *Recording) Read(ctx context.Context, b []byte) (int, error) {
	for {
		r.mu.Lock()
		n, err := copy(b, r.buf), r.err
		if r.buf = r.buf[n:]; len(r.buf) == 0 {
			r.buf = nil
		}
		r.mu.Unlock()
		if n > 0 || len(b) == 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		if err := wait(ctx, r.wake, r.ended); err != nil {
			return 0, err
		}
	}
}

// Close ends the stream.
func (r *Recording) Close(ctx context.Context) error {
	r.c.mu.Lock()
	delete(r.c.record, r.index)
	r.c.mu.Unlock()
	select {
	case <-r.ended:
		return nil
	default:
	}
	r.end(ErrClosed)
	return r.c.Request(ctx, &proto.DeleteRecordStream{StreamIndex: r.index}, nil)
}

// Begin is the wall clock time at which the first sample sounded. It grows more
// exact over the first blocks.
func (r *Recording) Begin(ctx context.Context) (time.Time, error) {
	sent := time.Now()
	var l proto.GetRecordLatencyReply
	if err := r.c.Request(ctx, &proto.GetRecordLatency{StreamIndex: r.index, Time: protoTime(sent)}, &l); err != nil {
		return time.Time{}, fmt.Errorf("cannot tell when the recording began: %w", err)
	}
	now := sent.Add(time.Since(sent) / 2)
	if l.MonitorLatency > 0 {
		// A sink's monitor is ahead of its sink: samples come when they are
		// rendered, not when they sound.
		return now.Add(time.Duration(l.MonitorLatency)*time.Microsecond -
			time.Duration(l.Latency)*time.Microsecond - r.format.Duration(l.WriteIndex)), nil
	}
	// Behind a remapping the server does not tell how far it is ahead; the
	// first block of a fragment sounds when its last one is rendered.
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.earliest.Add(r.fragment), nil
}
