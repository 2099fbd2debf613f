package audio

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/jfreymuth/pulse/proto"
)

// DefaultTimeout bounds a request whose context has no deadline of its own.
const DefaultTimeout = 5 * time.Second

// protocolVersion is the newest that package proto describes (PulseAudio 9).
const protocolVersion = 32

const (
	control  = 0xFFFFFFFF // the channel of everything but samples
	headSize = 20
	// cookieBytes is the size of a cookie (PA_NATIVE_COOKIE_LENGTH).
	cookieBytes = 256
	// maxFrame is far beyond the longest list that PulseAudio sends and below
	// its own limit of 16 MiB (pulsecore/pstream.c).
	maxFrame = 4 << 20
)

// ErrClosed means that the connection was ended by Close.
var ErrClosed = errors.New("the connection to the sound server is closed")

// Conn is a connection to a PulseAudio server over its native protocol. All
// its methods may be called at the same time.
//
// A lost connection is always noticed: its requests fail, its streams end, and
// Done is closed. A server that hangs is noticed by the deadline of a request.
type Conn struct {
	nc      net.Conn
	version int
	index   uint32 // of this client at the server

	writing sync.Mutex // one frame at a time on the wire

	mu       sync.Mutex
	err      error
	tag      uint32
	calls    map[uint32]*call
	playback map[uint32]*Playback
	record   map[uint32]*Recording
	events   func(proto.SubscribeEvent)

	done chan struct{}
}

// call is a request that waits for its reply. While it is in Conn.calls it
// belongs to the requester, afterwards to the read loop.
type call struct {
	reply  reflect.Type // nil when none is wanted
	taken  func(any)    // runs on the read loop before the next message is read
	result chan result
}

type result struct {
	value reflect.Value
	err   error
}

// Dial connects to a server, named by its socket's path or as in PULSE_SERVER,
// and introduces us.
func Dial(ctx context.Context, server string) (*Conn, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	network, addr, err := address(server)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the sound server: %w", err)
	}
	c := &Conn{
		nc:       nc,
		version:  protocolVersion,
		calls:    map[uint32]*call{},
		playback: map[uint32]*Playback{},
		record:   map[uint32]*Recording{},
		done:     make(chan struct{}),
	}
	go c.read()
	if err := c.introduce(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot talk to the sound server at %s: %w", server, err)
	}
	return c, nil
}

func (c *Conn) introduce(ctx context.Context) error {
	var auth proto.AuthReply
	if err := c.Request(ctx, &proto.Auth{Version: protocolVersion, Cookie: cookie()}, &auth); err != nil {
		if c.Err() != nil && !errors.Is(err, errRubbish) && ctx.Err() == nil {
			// What PulseAudio does with its 65th client (MAX_CONNECTIONS).
			return fmt.Errorf("%w; it takes 64 clients at most", err)
		}
		return err
	}
	// The upper bits are flags for shared memory, which we don't offer.
	c.mu.Lock()
	c.version = min(protocolVersion, auth.Version.Version())
	c.mu.Unlock()
	if auth.Version.Version() < 13 {
		return fmt.Errorf("its protocol version %d is too old", auth.Version.Version())
	}
	var named proto.SetClientNameReply
	err := c.Request(ctx, &proto.SetClientName{Props: proto.PropList{
		"application.name":           proto.PropListString("nullcard"),
		"application.process.id":     proto.PropListString(strconv.Itoa(os.Getpid())),
		"application.process.binary": proto.PropListString("nullcard"),
	}}, &named)
	c.index = named.ClientIndex
	return err
}

// cookie is the secret of the user's own server, or zeroes, which our server
// and every server of the same uid accept too.
func cookie() []byte {
	path := os.Getenv("PULSE_COOKIE")
	if home := os.Getenv("HOME"); path == "" && home != "" {
		path = filepath.Join(home, ".config", "pulse", "cookie")
	}
	if b, err := os.ReadFile(path); err == nil && len(b) == cookieBytes {
		return b
	}
	return make([]byte, cookieBytes)
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, DefaultTimeout)
}

// Request sends req and waits for its reply, which may be nil where the
// protocol has none. Without a deadline in ctx, DefaultTimeout applies. An
// error of the server is a proto.Error.
func (c *Conn) Request(ctx context.Context, req proto.RequestArgs, reply proto.Reply) error {
	return c.request(ctx, req, reply, nil)
}

func (c *Conn) request(ctx context.Context, req proto.RequestArgs, reply proto.Reply, taken func(any)) error {
	op, ok := operations[reflect.TypeOf(req)]
	if !ok {
		return fmt.Errorf("requests of type %T are not supported", req)
	}
	pending := &call{taken: taken, result: make(chan result, 1)}
	if reply != nil {
		if reply.IsReplyTo() != op {
			return fmt.Errorf("%T is no reply to %T", reply, req)
		}
		pending.reply = reflect.TypeOf(reply).Elem()
	}
	ctx, cancel := bounded(ctx)
	defer cancel()

	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return c.err
	}
	tag := c.tag
	c.tag++
	c.calls[tag] = pending
	version := c.version
	c.mu.Unlock()

	frame := make([]byte, headSize, 256)
	frame = binary.BigEndian.AppendUint32(append(frame, 'L'), op)
	frame = binary.BigEndian.AppendUint32(append(frame, 'L'), tag)
	frame, err := encode(frame, req, version)
	if err == nil {
		err = c.send(ctx, control, frame)
	}
	if err != nil {
		c.forget(tag)
		return err
	}
	var r result
	select {
	case r = <-pending.result:
	case <-ctx.Done():
		// On a machine that is too busy to run us in time, the reply may have
		// come nevertheless.
		select {
		case r = <-pending.result:
		default:
			c.forget(tag)
			return unanswered(ctx)
		}
	}
	if r.err == nil && reply != nil {
		reflect.ValueOf(reply).Elem().Set(r.value.Elem())
	}
	return r.err
}

func unanswered(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("the sound server does not answer: %w", context.Cause(ctx))
	}
	return context.Cause(ctx)
}

func (c *Conn) forget(tag uint32) {
	c.mu.Lock()
	delete(c.calls, tag)
	c.mu.Unlock()
}

// send writes one frame, whose first headSize bytes are left for the head.
func (c *Conn) send(ctx context.Context, channel uint32, frame []byte) error {
	if len(frame) > maxFrame {
		return fmt.Errorf("a message of %d bytes is too long for the sound server", len(frame))
	}
	clear(frame[:headSize])
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-headSize))
	binary.BigEndian.PutUint32(frame[4:], channel)
	deadline, _ := ctx.Deadline()

	c.writing.Lock()
	defer c.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	_ = c.nc.SetWriteDeadline(deadline)
	if _, err := c.nc.Write(frame); err != nil {
		// A part of the frame may be out: the connection is of no more use.
		c.fail(fmt.Errorf("cannot write to the sound server: %w", err))
		return c.Err() // the first reason, which may be the reader's
	}
	return nil
}

// Done is closed when the connection has ended; Err tells why then.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err is why the connection ended, or nil while it lives.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection and all its streams, and returns once nothing of
// it runs any more.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	<-c.done
	return nil
}

// fail sets the reason of the end, once, and makes the read loop end.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	_ = c.nc.Close()
}

// read is the read loop: the one goroutine of a connection.
func (c *Conn) read() {
	err := c.readFrames(bufio.NewReaderSize(c.nc, 16<<10))
	c.fail(fmt.Errorf("lost the sound server: %w", err))

	c.mu.Lock()
	err = c.err
	calls, playback, record := c.calls, c.playback, c.record
	c.calls, c.playback, c.record = nil, nil, nil
	c.mu.Unlock()
	for _, p := range calls {
		p.result <- result{err: err}
	}
	for _, s := range playback {
		s.end(err)
	}
	for _, s := range record {
		s.end(err)
	}
	close(c.done)
}

func (c *Conn) readFrames(r io.Reader) error {
	head := make([]byte, headSize)
	var body []byte
	for {
		if _, err := io.ReadFull(r, head); err != nil {
			return err
		}
		size := binary.BigEndian.Uint32(head)
		channel := binary.BigEndian.Uint32(head[4:])
		if size > maxFrame {
			return fmt.Errorf("%w: a frame of %d bytes", errRubbish, size)
		}
		if int(size) > cap(body) {
			body = make([]byte, size)
		}
		body = body[:size]
		if _, err := io.ReadFull(r, body); err != nil {
			return err
		}
		if channel != control {
			c.mu.Lock()
			s := c.record[channel]
			c.mu.Unlock()
			if s != nil {
				s.data(body)
			}
			continue
		}
		if err := c.message(body); err != nil {
			return err
		}
	}
}

// message handles one control message. An error makes the connection end.
func (c *Conn) message(b []byte) error {
	c.mu.Lock()
	d := &decoder{b: b, version: c.version}
	c.mu.Unlock()
	op := d.taggedU32()
	tag := d.taggedU32()
	switch op {
	case proto.OpReply, proto.OpError:
		c.mu.Lock()
		p := c.calls[tag]
		delete(c.calls, tag)
		c.mu.Unlock()
		if p == nil {
			return d.err // late: the requester has gone
		}
		r := result{}
		switch {
		case op == proto.OpError:
			r.err = proto.Error(d.taggedU32())
		case p.reply != nil:
			r.value = reflect.New(p.reply)
			d.value(r.value.Interface())
		}
		if d.err != nil {
			r.err = d.err
		} else if r.err == nil && p.taken != nil {
			p.taken(r.value.Interface())
		}
		p.result <- r
	case proto.OpRequest:
		var m proto.Request
		if d.value(&m); d.err == nil {
			c.withPlayback(m.StreamIndex, func(s *Playback) { s.request(m.Length) })
		}
	case proto.OpStarted:
		var m proto.Started
		if d.value(&m); d.err == nil {
			c.withPlayback(m.StreamIndex, (*Playback).markStarted)
		}
	case proto.OpUnderflow:
		var m proto.Underflow
		if d.value(&m); d.err == nil {
			c.withPlayback(m.StreamIndex, (*Playback).markUnderflow)
		}
	case proto.OpPlaybackStreamKilled:
		var m proto.PlaybackStreamKilled
		if d.value(&m); d.err == nil {
			c.withPlayback(m.StreamIndex, func(s *Playback) { s.end(errKilled) })
		}
	case proto.OpRecordStreamKilled:
		var m proto.RecordStreamKilled
		if d.value(&m); d.err == nil {
			c.mu.Lock()
			s := c.record[m.StreamIndex]
			c.mu.Unlock()
			if s != nil {
				s.end(errKilled)
			}
		}
	case proto.OpSubscribeEvent:
		var m proto.SubscribeEvent
		if d.value(&m); d.err == nil {
			c.mu.Lock()
			f := c.events
			c.mu.Unlock()
			if f != nil {
				f(m)
			}
		}
	}
	// What is not handled here concerns nothing that we use.
	return d.err
}

func (c *Conn) withPlayback(index uint32, f func(*Playback)) {
	c.mu.Lock()
	s := c.playback[index]
	c.mu.Unlock()
	if s != nil {
		f(s)
	}
}

// Subscribe makes f be called for each event in mask, on the read loop: it must
// not block nor make requests.
func (c *Conn) Subscribe(ctx context.Context, mask proto.SubscriptionMask, f func(proto.SubscribeEvent)) error {
	c.mu.Lock()
	c.events = f
	c.mu.Unlock()
	return c.Request(ctx, &proto.Subscribe{Mask: mask}, nil)
}

// operations are the requests that we make; package proto keeps their numbers
// to itself.
var operations = map[reflect.Type]uint32{
	reflect.TypeFor[*proto.Auth]():                    proto.OpAuth,
	reflect.TypeFor[*proto.SetClientName]():           proto.OpSetClientName,
	reflect.TypeFor[*proto.Subscribe]():               proto.OpSubscribe,
	reflect.TypeFor[*proto.GetServerInfo]():           proto.OpGetServerInfo,
	reflect.TypeFor[*proto.GetSinkInfo]():             proto.OpGetSinkInfo,
	reflect.TypeFor[*proto.GetSinkInfoList]():         proto.OpGetSinkInfoList,
	reflect.TypeFor[*proto.GetSourceInfo]():           proto.OpGetSourceInfo,
	reflect.TypeFor[*proto.GetSourceInfoList]():       proto.OpGetSourceInfoList,
	reflect.TypeFor[*proto.GetModuleInfoList]():       proto.OpGetModuleInfoList,
	reflect.TypeFor[*proto.GetClientInfoList]():       proto.OpGetClientInfoList,
	reflect.TypeFor[*proto.GetSinkInputInfoList]():    proto.OpGetSinkInputInfoList,
	reflect.TypeFor[*proto.GetSourceOutputInfoList](): proto.OpGetSourceOutputInfoList,
	reflect.TypeFor[*proto.LoadModule]():              proto.OpLoadModule,
	reflect.TypeFor[*proto.UnloadModule]():            proto.OpUnloadModule,
	reflect.TypeFor[*proto.SetSinkVolume]():           proto.OpSetSinkVolume,
	reflect.TypeFor[*proto.SetSourceVolume]():         proto.OpSetSourceVolume,
	reflect.TypeFor[*proto.SetSinkMute]():             proto.OpSetSinkMute,
	reflect.TypeFor[*proto.SetSourceMute]():           proto.OpSetSourceMute,
	reflect.TypeFor[*proto.SuspendSink]():             proto.OpSuspendSink,
	reflect.TypeFor[*proto.SuspendSource]():           proto.OpSuspendSource,
	reflect.TypeFor[*proto.SetDefaultSink]():          proto.OpSetDefaultSink,
	reflect.TypeFor[*proto.SetDefaultSource]():        proto.OpSetDefaultSource,
	reflect.TypeFor[*proto.CreatePlaybackStream]():    proto.OpCreatePlaybackStream,
	reflect.TypeFor[*proto.DeletePlaybackStream]():    proto.OpDeletePlaybackStream,
	reflect.TypeFor[*proto.DrainPlaybackStream]():     proto.OpDrainPlaybackStream,
	reflect.TypeFor[*proto.FlushPlaybackStream]():     proto.OpFlushPlaybackStream,
	reflect.TypeFor[*proto.TriggerPlaybackStream]():   proto.OpTriggerPlaybackStream,
	reflect.TypeFor[*proto.GetPlaybackLatency]():      proto.OpGetPlaybackLatency,
	reflect.TypeFor[*proto.CreateRecordStream]():      proto.OpCreateRecordStream,
	reflect.TypeFor[*proto.DeleteRecordStream]():      proto.OpDeleteRecordStream,
	reflect.TypeFor[*proto.GetRecordLatency]():        proto.OpGetRecordLatency,
}
