package audio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jfreymuth/pulse/proto"

	"github.com/nullcard/nullcard/audio/pcm"
)

// fakeServer accepts connections and hands each to serve, for what a real
// server can't be made to do.
func fakeServer(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "native")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return socket
}

// frame is body on a channel.
func frame(channel uint32, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = binary.BigEndian.AppendUint32(b, channel)
	return append(append(b, make([]byte, 12)...), body...)
}

func controlFrame(op, tag uint32, fields ...any) []byte {
	b := binary.BigEndian.AppendUint32([]byte{'L'}, op)
	b = binary.BigEndian.AppendUint32(append(b, 'L'), tag)
	for _, f := range fields {
		var err error
		if b, err = encodeField(b, f); err != nil {
			panic(err)
		}
	}
	return frame(control, b)
}

// readRequest reads one frame and gives its operation and tag.
func readRequest(c net.Conn) (op, tag uint32, err error) {
	head := make([]byte, headSize)
	if _, err := io.ReadFull(c, head); err != nil {
		return 0, 0, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head))
	if _, err := io.ReadFull(c, body); err != nil {
		return 0, 0, err
	}
	if len(body) < 10 || binary.BigEndian.Uint32(head[4:]) != control {
		return 0, 0, nil
	}
	return binary.BigEndian.Uint32(body[1:]), binary.BigEndian.Uint32(body[6:]), nil
}

// polite answers the introduction and leaves the rest to then.
func polite(c net.Conn, then func(op, tag uint32) bool) {
	for {
		op, tag, err := readRequest(c)
		if err != nil {
			return
		}
		switch op {
		case proto.OpAuth:
			_, _ = c.Write(controlFrame(proto.OpReply, tag, uint32(35)))
		case proto.OpSetClientName:
			_, _ = c.Write(controlFrame(proto.OpReply, tag, uint32(7)))
		default:
			if !then(op, tag) {
				return
			}
		}
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// dialer is Dial or the like.
type dialer func(ctx context.Context, server string) (*Conn, error)

// overBoth runs a test over both kinds of connection.
func overBoth(t *testing.T, test func(*testing.T, dialer)) {
	t.Run("told of messages", func(t *testing.T) { test(t, Dial) })
	t.Run("polled", func(t *testing.T) {
		test(t, func(ctx context.Context, server string) (*Conn, error) {
			c, _, err := dialPolled(ctx, server)
			return c, err
		})
	})
}

func TestDialFaults(t *testing.T) { overBoth(t, testDialFaults) }

func testDialFaults(t *testing.T, dial dialer) {
	for _, tt := range []struct {
		name  string
		serve func(net.Conn)
		want  string
	}{
		{"accepts and closes, as with the 65th client", func(net.Conn) {}, "64 clients"},
		{"is silent", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, "does not answer"},
		{"takes nothing", nil, "does not answer"},
		{"sends a web page", func(c net.Conn) {
			_, _, _ = readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"+strings.Repeat("x", 100))
		}, "not PulseAudio's protocol"},
		{"sends an empty message", func(c net.Conn) {
			_, _, _ = readRequest(c)
			_, _ = c.Write(frame(control, nil))
		}, "not PulseAudio's protocol"},
		{"answers with a string", func(c net.Conn) {
			_, tag, _ := readRequest(c)
			_, _ = c.Write(controlFrame(proto.OpReply, tag, "hello"))
			_, _ = io.Copy(io.Discard, c)
		}, "not PulseAudio's protocol"},
		{"answers with nothing", func(c net.Conn) {
			_, tag, _ := readRequest(c)
			_, _ = c.Write(controlFrame(proto.OpReply, tag))
			_, _ = io.Copy(io.Discard, c)
		}, "not PulseAudio's protocol"},
		{"denies access", func(c net.Conn) {
			_, tag, _ := readRequest(c)
			_, _ = c.Write(controlFrame(proto.OpError, tag, uint32(proto.ErrAccessDenied)))
			_, _ = io.Copy(io.Discard, c)
		}, "access denied"},
		{"is ancient", func(c net.Conn) {
			_, tag, _ := readRequest(c)
			_, _ = c.Write(controlFrame(proto.OpReply, tag, uint32(8)))
			_, _ = io.Copy(io.Discard, c)
		}, "too old"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.serve == nil {
				tt.serve = func(c net.Conn) { <-t.Context().Done() }
			}
			c, err := dial(within(t, 300*time.Millisecond), fakeServer(t, tt.serve))
			if err == nil {
				c.Close()
				t.Fatal("connected")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want one with %q", err, tt.want)
			}
		})
	}
}

func TestDialWithoutServer(t *testing.T) {
	_, err := Dial(t.Context(), filepath.Join(t.TempDir(), "native"))
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("error %v", err)
	}
}

// TestLostConnection has requests and streams under way when the server goes.
func TestLostConnection(t *testing.T) { overBoth(t, testLostConnection) }

func testLostConnection(t *testing.T, dial dialer) {
	f := pcm.Format{Rate: 16000, Channels: 1}
	gone := make(chan struct{})
	socket := fakeServer(t, func(c net.Conn) {
		polite(c, func(op, tag uint32) bool {
			switch op {
			case proto.OpCreatePlaybackStream:
				_, _ = c.Write(controlFrame(proto.OpReply, tag, uint32(0), uint32(1), uint32(4),
					uint32(0), uint32(0), uint32(0), uint32(0), sampleSpec(f), channelMap(1),
					uint32(0), "sink", false, proto.Microseconds(0), proto.FormatInfo{}))
			case proto.OpCreateRecordStream:
				_, _ = c.Write(controlFrame(proto.OpReply, tag, uint32(0), uint32(1),
					uint32(0), uint32(0), sampleSpec(f), channelMap(1),
					uint32(0), "source", false, proto.Microseconds(0), proto.FormatInfo{}))
				_, _ = c.Write(frame(0, []byte{1, 2, 3, 4}))
			case proto.OpGetServerInfo:
				<-gone
				return false
			}
			return true
		})
	})
	c, err := dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := c.Play(t.Context(), StreamOptions{Device: "sink", Format: f})
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Record(t.Context(), StreamOptions{Device: "source", Format: f})
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 3)
	// Room for four bytes of a thousand: the rest must not wait for ever.
	go func() { errs <- p.Write(t.Context(), make([]byte, 1000)) }()
	go func() {
		got, err := readAll(t.Context(), r)
		if !bytes.Equal(got, []byte{1, 2, 3, 4}) {
			t.Errorf("read %v before the end", got)
		}
		errs <- err
	}()
	go func() { errs <- c.Request(t.Context(), &proto.GetServerInfo{}, &proto.GetServerInfoReply{}) }()
	close(gone)
	for range 3 {
		if err := <-errs; err == nil || !strings.Contains(err.Error(), "lost the sound server") {
			t.Errorf("error %v", err)
		}
	}
	<-c.Done()
	if err := c.Request(t.Context(), &proto.GetServerInfo{}, &proto.GetServerInfoReply{}); err == nil || err != c.Err() {
		t.Errorf("a request afterwards: %v", err)
	}
}

func readAll(ctx context.Context, r *Recording) ([]byte, error) {
	var all []byte
	buf := make([]byte, 100)
	for {
		n, err := r.Read(ctx, buf)
		all = append(all, buf[:n]...)
		if err != nil {
			return all, err
		}
	}
}

// TestLateReply has a reply come after its requester has gone: it is dropped,
// and the next request gets its own.
func TestLateReply(t *testing.T) { overBoth(t, testLateReply) }

func testLateReply(t *testing.T, dial dialer) {
	late := make(chan struct{})
	var first uint32
	socket := fakeServer(t, func(c net.Conn) {
		n := 0
		polite(c, func(_, tag uint32) bool {
			if n++; n == 1 {
				first = tag
				return true
			}
			<-late
			_, _ = c.Write(controlFrame(proto.OpReply, first, uint32(111)))
			_, _ = c.Write(controlFrame(proto.OpReply, tag, uint32(222)))
			return true
		})
	})
	c, err := dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var one, two proto.LoadModuleReply
	if err := c.Request(within(t, 20*time.Millisecond), &proto.LoadModule{Name: "a"}, &one); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the first request: %v", err)
	}
	close(late)
	if err := c.Request(t.Context(), &proto.LoadModule{Name: "b"}, &two); err != nil {
		t.Fatal(err)
	}
	if one.ModuleIndex != 0 || two.ModuleIndex != 222 {
		t.Errorf("replies %d and %d, want none and 222", one.ModuleIndex, two.ModuleIndex)
	}
}

// TestServerTakesNothing fills the socket of a server that does not read.
func TestServerTakesNothing(t *testing.T) { overBoth(t, testServerTakesNothing) }

func testServerTakesNothing(t *testing.T, dial dialer) {
	stop := make(chan struct{})
	socket := fakeServer(t, func(c net.Conn) {
		polite(c, func(_, _ uint32) bool {
			<-stop
			return false
		})
	})
	defer close(stop)
	c, err := dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := within(t, 300*time.Millisecond)
	args := strings.Repeat("x", 100<<10)
	for ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		err = c.Request(short, &proto.LoadModule{Name: "module", Args: args}, nil)
		cancel()
		if c.Err() != nil {
			break
		}
	}
	if err == nil || c.Err() == nil {
		t.Errorf("%v; the connection ended with %v, want the write that could not be done", err, c.Err())
	}
}

func TestRequestsThatCannotBe(t *testing.T) {
	socket := fakeServer(t, func(c net.Conn) { polite(c, func(_, _ uint32) bool { return true }) })
	c, err := Dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, tt := range []struct {
		name  string
		req   proto.RequestArgs
		reply proto.Reply
		want  string
	}{
		{"too long", &proto.LoadModule{Name: "a", Args: strings.Repeat("x", maxFrame)}, nil, "too long"},
		{"a zero byte", &proto.LoadModule{Name: "a\x00b"}, nil, "zero byte"},
		{"not known", &proto.Exit{}, nil, "not supported"},
		{"another's reply", &proto.LoadModule{}, &proto.GetServerInfoReply{}, "no reply to"},
	} {
		if err := c.Request(t.Context(), tt.req, tt.reply); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
	if c.Err() != nil {
		t.Errorf("the connection ended: %v", c.Err())
	}
}

func TestCloseWaitsAndRepeats(t *testing.T) { overBoth(t, testCloseWaitsAndRepeats) }

func testCloseWaitsAndRepeats(t *testing.T, dial dialer) {
	socket := fakeServer(t, func(c net.Conn) { polite(c, func(_, _ uint32) bool { return true }) })
	c, err := dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	pending := make(chan error, 1)
	go func() { pending <- c.Request(t.Context(), &proto.GetServerInfo{}, &proto.GetServerInfoReply{}) }()
	c.Close()
	c.Close()
	select {
	case <-c.Done():
	default:
		t.Error("not done after Close")
	}
	if err := <-pending; !errors.Is(err, ErrClosed) {
		t.Errorf("the request under way: %v", err)
	}
}

// serveBytes makes a Conn whose server sends b and goes, beyond the introduction.
func serveBytes(b []byte) *Conn {
	client, server := net.Pipe()
	c := newConn(client, "")
	go func() {
		_, _ = server.Write(b)
		server.Close()
	}()
	go c.read()
	return c
}

func FuzzServerMessages(f *testing.F) {
	f.Add(controlFrame(proto.OpReply, 0, uint32(35)))
	f.Add(controlFrame(proto.OpRequest, 0, uint32(1), uint32(99)))
	f.Add(controlFrame(proto.OpSubscribeEvent, 0, uint32(1), uint32(99)))
	f.Add(frame(3, []byte{1, 2, 3, 4}))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := serveBytes(b)
		<-c.Done()
		if c.Err() == nil {
			t.Error("the connection ended without a reason")
		}
		c.Close()
	})
}
