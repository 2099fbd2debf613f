package supervisor

import (
	"context"
	"fmt"
	"time"
)

// healthWatch repeats a health check, one at a time.
type healthWatch struct {
	Health
	in       *instance
	ticker   *time.Ticker // nil without a check
	timer    *time.Timer
	due      time.Time // of timer
	pending  <-chan error
	cancel   context.CancelFunc
	stuck    bool // the pending check has had its time
	failures int  // in a row
	problem  error
}

func newHealthWatch(h Health, in *instance) *healthWatch {
	w := &healthWatch{Health: h, in: in}
	if h.Check != nil {
		w.ticker = time.NewTicker(h.Interval)
		w.timer = time.NewTimer(h.Timeout)
		w.timer.Stop()
	}
	return w
}

func (w *healthWatch) tick() <-chan time.Time {
	if w.ticker == nil {
		return nil
	}
	return w.ticker.C
}

func (w *healthWatch) overdue() <-chan time.Time {
	if w.timer == nil {
		return nil
	}
	return w.timer.C
}

func (w *healthWatch) result() <-chan error { return w.pending }

func (w *healthWatch) begin() {
	if w.stuck {
		w.fail(fmt.Errorf("the check still hangs after %v", w.Timeout))
		return
	}
	if w.pending != nil {
		return
	}
	ctx, cancel := context.WithTimeout(w.in.ctx, w.Timeout)
	w.cancel = cancel
	w.pending = w.in.task(func() error { return w.Check(ctx, &w.in.Instance) })
	w.allow(w.Timeout + taskPatience)
}

// allow gives the pending check that much time from now.
func (w *healthWatch) allow(d time.Duration) {
	w.due = time.Now().Add(d)
	w.timer.Reset(d)
}

// overslept is how much later than due we wake only when we wait for a
// processor, or all of us were paused.
const overslept = 50 * time.Millisecond

func (w *healthWatch) returned(err error) {
	w.cancel()
	w.timer.Stop()
	w.pending = nil
	switch {
	case w.stuck: // counted when it was due
		w.stuck = false
	case err != nil:
		w.fail(err)
	default:
		w.failures = 0
	}
}

// late counts a check that does not come to its end, unless it had as little of
// the time as we.
func (w *healthWatch) late() {
	if time.Since(w.due) > overslept {
		w.allow(taskPatience)
		return
	}
	w.stuck = true
	w.fail(fmt.Errorf("no answer within %v", w.Timeout))
}

func (w *healthWatch) fail(err error) {
	if time.Since(w.in.ready) < w.Grace {
		return
	}
	w.failures++
	w.problem = err
}

func (w *healthWatch) lost() bool { return w.failures >= w.Failures }

func (w *healthWatch) stop() {
	if w.ticker != nil {
		w.ticker.Stop()
		w.timer.Stop()
	}
	if w.cancel != nil {
		w.cancel()
	}
}
