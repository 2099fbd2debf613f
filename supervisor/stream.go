package supervisor

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stream reads one pipe of one run and cuts it into lines.
type stream struct {
	name string
	file *os.File
	out  *output
	rest []byte // of a line whose end has not been seen
	done chan struct{}
}

func newStream(fd int, name string, out *output) (*stream, error) {
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	s := &stream{name: name, file: os.NewFile(uintptr(fd), out.process+" "+name), out: out, done: make(chan struct{})}
	go s.read()
	return s, nil
}

func (s *stream) read() {
	defer close(s.done)
	buf := make([]byte, 32<<10)
	for {
		n, err := s.file.Read(buf)
		s.split(buf[:n])
		if err == nil {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.empty(buf)
		}
		break
	}
	if len(s.rest) > 0 {
		s.emit(s.rest)
		s.rest = nil
	}
	_ = s.file.Close()
}

// empty takes what is in the pipe, and no more: somebody outside the group may
// hold its other end and go on writing.
func (s *stream) empty(buf []byte) {
	_ = s.file.SetReadDeadline(time.Time{})
	conn, err := s.file.SyscallConn()
	if err != nil {
		return
	}
	left := 64 << 10
	_ = conn.Control(func(fd uintptr) {
		if size, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0); err == nil {
			left = size
		}
	})
	for left > 0 {
		n := 0
		_ = conn.Read(func(fd uintptr) bool {
			for {
				if n, err = syscall.Read(int(fd), buf); err != syscall.EINTR {
					return true // never wait
				}
			}
		})
		if n <= 0 || err != nil {
			return
		}
		left -= n
		s.split(buf[:n])
	}
}

func (s *stream) split(b []byte) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			s.rest = append(s.rest, b...)
			for len(s.rest) >= MaxLine {
				s.emit(s.rest[:MaxLine])
				s.rest = append([]byte(nil), s.rest[MaxLine:]...)
			}
			return
		}
		if len(s.rest) > 0 {
			s.emit(append(s.rest, b[:i]...))
			s.rest = nil
		} else {
			s.emit(b[:i])
		}
		b = b[i+1:]
	}
}

func (s *stream) emit(text []byte) {
	s.out.put(Line{Time: time.Now(), Process: s.out.process, Stream: s.name, Text: bytes.Clone(text)})
}

// finish ends the reading once everything that is in the pipe has been taken.
func (s *stream) finish() {
	_ = s.file.SetReadDeadline(time.Now())
	<-s.done
}
