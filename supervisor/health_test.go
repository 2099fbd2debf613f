package supervisor

import (
	"context"
	"testing"
	"time"
)

// A check that did not come to its end counts as failed, but not when we woke
// up too late ourselves: then it gets a little more time.
func TestLateHealthCheck(t *testing.T) {
	h := newHealthWatch(Health{
		Check:    func(context.Context, *Instance) error { return nil },
		Interval: time.Hour, Timeout: time.Hour, Failures: 1,
	}, &instance{ctx: t.Context(), ready: time.Now()})
	defer h.stop()
	h.begin()
	h.due = time.Now().Add(-2 * overslept)
	h.late()
	if h.lost() || h.stuck {
		t.Error("a check counts as failed that had no time")
	}
	for !h.lost() { // it is due again soon
		<-h.overdue()
		h.late()
	}
}
