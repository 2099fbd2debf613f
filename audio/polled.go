package audio

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// polled is a connection that is looked at every now and then, in place of at
// every message: a thread of Go's wakes up for each message on a net.Conn, read
// or not, and the samples of a device in a call come in 200 messages a second.
type polled struct {
	mu       sync.Mutex
	fd       int // −1 when closed
	every    time.Duration
	deadline time.Time // of writes

	changed chan struct{} // every or fd has changed
}

// promptly is how often a polled connection is looked at while a reply is
// awaited.
const promptly = 500 * time.Microsecond

// newPolled takes over nc, a TCP or Unix connection.
func newPolled(nc net.Conn) (*polled, error) {
	defer nc.Close()
	f, err := nc.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot duplicate the connection: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("cannot duplicate the connection: %w", err)
	}
	return &polled{fd: fd, every: promptly, changed: make(chan struct{}, 1)}, nil
}

// look sets how often it is looked at.
func (p *polled) look(every time.Duration) {
	p.mu.Lock()
	p.every = every
	p.mu.Unlock()
	p.change()
}

func (p *polled) change() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func (p *polled) Read(b []byte) (int, error) {
	for {
		p.mu.Lock()
		n, err, every := 0, net.ErrClosed, p.every
		if p.fd >= 0 {
			n, err = unix.Read(p.fd, b)
		}
		p.mu.Unlock()
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			select {
			case <-time.After(every):
			case <-p.changed:
			}
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (p *polled) Write(b []byte) (int, error) {
	for done := 0; ; {
		p.mu.Lock()
		n, err, deadline := 0, net.ErrClosed, p.deadline
		if p.fd >= 0 {
			n, err = unix.SendmsgN(p.fd, b[done:], nil, nil, unix.MSG_NOSIGNAL)
		}
		p.mu.Unlock()
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			if !deadline.IsZero() && time.Now().After(deadline) {
				return done, os.ErrDeadlineExceeded
			}
			time.Sleep(promptly)
		case err != nil:
			return done, err
		default:
			if done += n; done == len(b) {
				return done, nil
			}
		}
	}
}

func (p *polled) SetWriteDeadline(t time.Time) error {
	p.mu.Lock()
	p.deadline = t
	p.mu.Unlock()
	return nil
}

func (p *polled) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd < 0 {
		return net.ErrClosed
	}
	fd := p.fd
	p.fd = -1
	p.change()
	return unix.Close(fd)
}
