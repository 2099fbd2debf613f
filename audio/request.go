package audio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"

	"github.com/jfreymuth/pulse/proto"
)

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
