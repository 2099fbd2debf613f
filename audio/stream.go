package audio

import (
	"errors"
	"fmt"
	"time"

	"github.com/jfreymuth/pulse/proto"

	"github.com/nullcard/nullcard/audio/pcm"
)

// Buffering that suits speech on a virtual device, by measurement (see
// BenchmarkLatency): the null sink renders blocks of the smallest latency that
// a client asks for, and blocks of 5 ms cost 1 % of a core.
const (
	// DefaultLatency is the block length that our streams ask for.
	DefaultLatency = 5 * time.Millisecond
	// DefaultBuffer is how much sound the server may hold for a playback. It
	// bridges the pauses of a busy machine (with 200 ms there were 25 gaps in
	// ten minutes on two cores with a load of 6), and adds nothing to the latency
	// of a writer that writes in real time.
	DefaultBuffer = 2 * time.Second
	// DefaultPrebuffer is how much must be there before it is played.
	DefaultPrebuffer = 20 * time.Millisecond
	// maxUnread is how far a reader of a Recording may lag behind.
	maxUnread = 30 * time.Second
)

var (
	errKilled = errors.New("the stream was ended by the sound server (its device was removed)")
	errSlow   = fmt.Errorf("the recording was read too slowly: more than %v were waiting", maxUnread)
)

// StreamOptions say how a stream is made. Device and Format are needed.
type StreamOptions struct {
	Device string // name of the sink or source
	Format pcm.Format
	Name   string // shown as the stream's media.name; empty means "nullcard"
	// Latency is the block length asked for; 0 means DefaultLatency.
	Latency time.Duration
	// Buffer and Prebuffer are those of a playback; 0 means the defaults.
	Buffer, Prebuffer time.Duration
}

func (o *StreamOptions) check() error {
	if o.Device == "" {
		return errors.New("a stream needs a device")
	}
	if o.Name == "" {
		o.Name = "nullcard"
	}
	if o.Latency == 0 {
		o.Latency = DefaultLatency
	}
	if o.Buffer == 0 {
		o.Buffer = DefaultBuffer
	}
	if o.Prebuffer == 0 {
		o.Prebuffer = DefaultPrebuffer
	}
	return o.Format.Check()
}

func (o *StreamOptions) properties() proto.PropList {
	return proto.PropList{"media.name": proto.PropListString(o.Name)}
}

// sampleSpec is f in the numbers of pulse/sample.h.
func sampleSpec(f pcm.Format) proto.SampleSpec {
	numbers := map[pcm.Encoding]byte{pcm.U8: 0, pcm.ALaw: 1, pcm.MuLaw: 2, pcm.S16: 3, pcm.F32: 5, pcm.S32: 7, pcm.S24: 9}
	return proto.SampleSpec{Format: numbers[f.Encoding], Channels: byte(f.Channels), Rate: uint32(f.Rate)}
}

// channelMap is the usual one for n channels: mono, front left and right, or
// numbered ones, which are neither mixed nor moved.
func channelMap(n int) proto.ChannelMap {
	switch n {
	case 1:
		return proto.ChannelMap{proto.ChannelMono}
	case 2:
		return proto.ChannelMap{proto.ChannelLeft, proto.ChannelRight}
	}
	m := make(proto.ChannelMap, n)
	for i := range m {
		m[i] = proto.ChannelAux0 + byte(i)
	}
	return m
}

func fullVolume(channels int) proto.ChannelVolumes {
	v := make(proto.ChannelVolumes, channels)
	for i := range v {
		v[i] = proto.VolumeNorm
	}
	return v
}
