package audio

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"

	"github.com/jfreymuth/pulse/proto"
)

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
