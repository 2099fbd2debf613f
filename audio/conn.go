package audio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
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
	nc      transport
	version int

	server  string     // as it was dialled
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

// transport is what a Conn needs of a net.Conn.
type transport interface {
	io.ReadWriteCloser
	SetWriteDeadline(time.Time) error
}

// Dial connects to a server, named by its socket's path or as in PULSE_SERVER,
// and introduces us.
func Dial(ctx context.Context, server string) (*Conn, error) {
	return connect(ctx, server, func(nc net.Conn) (transport, error) { return nc, nil })
}

// dialPolled is Dial for a connection that is looked at as often as look says.
func dialPolled(ctx context.Context, server string) (c *Conn, look func(time.Duration), err error) {
	var p *polled
	c, err = connect(ctx, server, func(nc net.Conn) (transport, error) {
		var err error
		p, err = newPolled(nc)
		return p, err
	})
	if err != nil {
		return nil, nil, err
	}
	return c, p.look, nil
}

func connect(ctx context.Context, server string, over func(net.Conn) (transport, error)) (*Conn, error) {
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
	t, err := over(nc)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the sound server: %w", err)
	}
	c := newConn(t, server)
	go c.read()
	if err := c.introduce(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot talk to the sound server at %s: %w", server, err)
	}
	return c, nil
}

func newConn(nc transport, server string) *Conn {
	return &Conn{
		nc:       nc,
		server:   server,
		version:  protocolVersion,
		calls:    map[uint32]*call{},
		playback: map[uint32]*Playback{},
		record:   map[uint32]*Recording{},
		done:     make(chan struct{}),
	}
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
	return c.Request(ctx, &proto.SetClientName{Props: proto.PropList{
		"application.name":           proto.PropListString("nullcard"),
		"application.process.id":     proto.PropListString(strconv.Itoa(os.Getpid())),
		"application.process.binary": proto.PropListString("nullcard"),
	}}, &proto.SetClientNameReply{})
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

// Subscribe makes f be called for each event in mask, on the read loop: it must
// not block nor make requests.
func (c *Conn) Subscribe(ctx context.Context, mask proto.SubscriptionMask, f func(proto.SubscribeEvent)) error {
	c.mu.Lock()
	c.events = f
	c.mu.Unlock()
	return c.Request(ctx, &proto.Subscribe{Mask: mask}, nil)
}
