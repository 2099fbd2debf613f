package supervisor

import (
	"context"
	"sync"
	"time"
)

const (
	// MaxLine is the length at which a line is cut in two, in bytes.
	MaxLine = 16 << 20
	// TailLines is how many lines are kept of each process, up to
	// tailBytes in all.
	TailLines = 1000
	tailBytes = 1 << 20

	// queueBytes may wait for the sink of one process (one longer line may
	// wait alone). When they do, the process' writes are held up by at most
	// sinkPatience; then lines are dropped, and counted, until half of the
	// queue is free.
	queueBytes   = 8 << 20
	sinkPatience = 250 * time.Millisecond
	lineOverhead = 96 // of a queued Line beside its text, in bytes
)

// output takes the lines of one process over all its runs: it keeps the last
// ones, and hands all to the sink, one at a time.
type output struct {
	process string
	sink    func(Line)
	onDrop  func(lines, bytes uint64) // called by the sink's goroutine

	mu    sync.Mutex
	tail  ring
	count uint64        // lines so far
	more  chan struct{} // closed at the next line; nil when nobody waits

	queue                      []queued
	queued                     int // bytes, with the line in the sink's hands
	dropping                   bool
	dropped                    uint64 // lines, in all
	episodeLines, episodeBytes uint64
	closing                    bool
	arrived                    chan struct{} // one signal for the sink's goroutine
	space                      chan struct{} // closed when the queue has shrunk; nil when nobody waits
	done                       chan struct{} // closed when the sink's goroutine has ended
}

func newOutput(process string, sink func(Line), onDrop func(lines, bytes uint64)) *output {
	o := &output{process: process, sink: sink, onDrop: onDrop, arrived: make(chan struct{}, 1), done: make(chan struct{})}
	if sink == nil {
		close(o.done)
	} else {
		go o.drain()
	}
	return o
}

// queued is a line for the sink, or a mark that is closed when it is reached.
type queued struct {
	Line
	mark chan struct{}
}

// put takes one line. It returns within sinkPatience.
func (o *output) put(l Line) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail.add(l)
	o.count++
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
	if o.sink == nil || o.closing {
		return
	}
	size := len(l.Text) + lineOverhead
	var patience <-chan time.Time
	for o.queued > 0 && o.queued+size > queueBytes && !o.dropping {
		if patience == nil {
			t := time.NewTimer(sinkPatience)
			defer t.Stop()
			patience = t.C
		}
		if o.space == nil {
			o.space = make(chan struct{})
		}
		space := o.space
		o.mu.Unlock()
		expired := false
		select {
		case <-space:
		case <-patience:
			expired = true
		}
		o.mu.Lock()
		o.dropping = o.dropping || expired
	}
	if o.dropping {
		o.dropped++
		o.episodeLines++
		o.episodeBytes += uint64(len(l.Text))
		return
	}
	o.queue = append(o.queue, queued{Line: l})
	o.queued += size
	select {
	case o.arrived <- struct{}{}:
	default:
	}
}

// settle waits until the sink has had all that was put so far, unless it is
// stuck.
func (o *output) settle(ctx context.Context) {
	if o.sink == nil {
		return
	}
	had := make(chan struct{})
	o.mu.Lock()
	o.queue = append(o.queue, queued{mark: had})
	o.mu.Unlock()
	select {
	case o.arrived <- struct{}{}:
	default:
	}
	select {
	case <-had:
	case <-o.done:
	case <-ctx.Done():
	}
}

func (o *output) drain() {
	defer close(o.done)
	for {
		o.mu.Lock()
		if len(o.queue) == 0 {
			o.queue = nil
			if o.closing {
				o.mu.Unlock()
				return
			}
			o.mu.Unlock()
			<-o.arrived
			continue
		}
		l := o.queue[0]
		o.queue[0] = queued{}
		o.queue = o.queue[1:]
		o.mu.Unlock()
		if l.mark != nil {
			close(l.mark)
			continue
		}

		o.sink(l.Line)

		o.mu.Lock()
		o.queued -= len(l.Text) + lineOverhead
		if o.space != nil {
			close(o.space)
			o.space = nil
		}
		var lines, size uint64
		if o.dropping && o.queued <= queueBytes/2 {
			lines, size = o.episodeLines, o.episodeBytes
			o.dropping, o.episodeLines, o.episodeBytes = false, 0, 0
		}
		o.mu.Unlock()
		if lines > 0 {
			o.onDrop(lines, size)
		}
	}
}

// close waits until the sink has everything. When the context ends first, the
// sink is stuck, and left so.
func (o *output) close(ctx context.Context) {
	o.mu.Lock()
	o.closing = true
	o.mu.Unlock()
	select {
	case o.arrived <- struct{}{}:
	default:
	}
	select {
	case <-o.done:
	case <-ctx.Done():
		o.mu.Lock()
		o.dropped += uint64(len(o.queue))
		o.queue = nil
		o.mu.Unlock()
	}
}

func (o *output) last(n int) []Line {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tail.last(n)
}

// since returns the lines that came after the first n, as far as they are
// kept, the number of all so far, and a channel that is closed at the next.
func (o *output) since(n uint64) ([]Line, uint64, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more == nil {
		o.more = make(chan struct{})
	}
	return o.tail.last(int(min(o.count-n, TailLines))), o.count, o.more
}

// total is how many lines there were.
func (o *output) total() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count
}

func (o *output) droppedLines() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dropped
}
