package supervisor

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
)

// logQueue is how many log records may wait for a log that is stuck before
// they are dropped.
const logQueue = 1024

// lateLog writes log records from a goroutine of its own: who reads our log
// must not be able to hold up what we supervise.
type lateLog struct {
	records chan func()
	dropped atomic.Int64
	done    chan struct{}

	mu     sync.Mutex
	closed bool
}

func newLateLog() *lateLog {
	l := &lateLog{records: make(chan func(), logQueue), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for write := range l.records {
			write()
		}
	}()
	return l
}

// logger returns one that writes to the same place, later.
func (l *lateLog) logger(to *slog.Logger) *slog.Logger {
	return slog.New(lateHandler{l, to.Handler()})
}

func (l *lateLog) put(write func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	select {
	case l.records <- write:
	default:
		l.dropped.Add(1)
	}
}

// close waits until all records are written, or the context ends.
func (l *lateLog) close(ctx context.Context) {
	l.mu.Lock()
	l.closed = true
	close(l.records)
	l.mu.Unlock()
	select {
	case <-l.done:
	case <-ctx.Done():
	}
}

type lateHandler struct {
	late *lateLog
	slog.Handler
}

// Handle tells of dropped records as soon as there is room again.
func (h lateHandler) Handle(ctx context.Context, r slog.Record) error {
	r = r.Clone()
	h.late.put(func() {
		if n := h.late.dropped.Swap(0); n > 0 {
			lost := slog.NewRecord(r.Time, slog.LevelWarn, "log records dropped: the log was stuck", 0)
			lost.AddAttrs(slog.Int64("records", n))
			_ = h.Handler.Handle(ctx, lost)
		}
		_ = h.Handler.Handle(ctx, r)
	})
	return nil
}

func (h lateHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return lateHandler{h.late, h.Handler.WithAttrs(attrs)}
}

func (h lateHandler) WithGroup(name string) slog.Handler {
	return lateHandler{h.late, h.Handler.WithGroup(name)}
}
