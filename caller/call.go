package caller

import (
	"encoding/json"
	"sync"
	"time"
)

// Call is one call as pjsua's log told of it so far.
type Call struct {
	ID   int    `json:"id"`   // pjsua's number of it; a later call may get it again
	Peer string `json:"peer"` // URI or name-addr of the far end
	// State is calling, incoming, early, connecting, confirmed or disconnected.
	State    Kind      `json:"state"`
	Outgoing bool      `json:"outgoing"`
	Answered bool      `json:"answered"` // it is or was up
	Since    time.Time `json:"since"`
	// Code and Reason are the far end's last answer, or ours to an incoming call;
	// 0 for a call that was lost because pjsua ended.
	Code   int    `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Duration is the time from answer to end, once it has ended.
	Duration time.Duration `json:"-"`
	// Quality is that of the whole call, once it has ended.
	Quality *Quality `json:"quality,omitempty"`
	// Cause and Cure explain an end that was a failure.
	Cause string `json:"cause,omitempty"`
	Cure  string `json:"cure,omitempty"`
}

// MarshalJSON adds the duration, in seconds.
func (c Call) MarshalJSON() ([]byte, error) {
	type plain Call
	return json.Marshal(struct {
		plain
		Seconds float64 `json:"duration_s,omitempty"`
	}{plain(c), c.Duration.Seconds()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Call) UnmarshalJSON(b []byte) error {
	type plain Call
	v := struct {
		*plain
		Seconds float64 `json:"duration_s"`
	}{plain: (*plain)(c)}
	err := json.Unmarshal(b, &v)
	c.Duration = time.Duration(v.Seconds * float64(time.Second))
	return err
}

// track follows one call from its first event to its end.
type track struct {
	mu      sync.Mutex
	call    Call
	changed chan struct{} // closed and replaced at each change
}

func newTrack(c Call) *track { return &track{call: c, changed: make(chan struct{})} }

func (t *track) state() (Call, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.call, t.changed
}

func (t *track) apply(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.call.State = e.Kind
	if e.Code != 0 {
		t.call.Code, t.call.Reason = e.Code, e.Reason
	}
	if e.Kind == Confirmed {
		t.call.Answered, t.call.Code, t.call.Reason = true, 200, "OK"
	}
	if e.Kind == Disconnected {
		t.call.Duration, t.call.Quality = e.Duration, e.Quality
		t.call.Cause, t.call.Cure = e.Cause, e.Cure
	}
	if t.call.Peer == "" {
		t.call.Peer = e.Peer
	}
	t.change()
}

// lost ends a call whose pjsua is gone without a word.
func (t *track) lost() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.call.State == Disconnected {
		return
	}
	t.call.State, t.call.Code, t.call.Reason = Disconnected, 0, "pjsua ended"
	t.call.Cause, t.call.Cure = "pjsua ended during the call", "see its log for the reason"
	t.change()
}

// change needs t.mu.
func (t *track) change() {
	close(t.changed)
	t.changed = make(chan struct{})
}
