package caller

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ErrNoCall tells that there is no such call (any more).
var ErrNoCall = errors.New("there is no such call")

// Dial calls a URI and returns when pjsua has sent the INVITE; WaitCall tells
// how it goes on.
func (c *Caller) Dial(ctx context.Context, uri string) (Call, error) {
	uri = c.cfg.SIP.URI(uri)
	what := "cannot call " + uri
	if err := checkURI(uri); err != nil {
		return Call{}, fmt.Errorf("%s: %w", what, err)
	}
	r, err := c.running()
	if err != nil {
		return Call{}, fmt.Errorf("%s: %w", what, err)
	}
	a, err := r.console.ask(ctx, "m", uri)
	if err != nil {
		return Call{}, fmt.Errorf("%s: %w", what, err)
	}
	for _, e := range a.events {
		if e.Kind == Calling {
			t := r.call(e.Call)
			t.setPeer(uri)
			call, _ := t.state()
			return call, nil
		}
	}
	return Call{}, a.trouble(what)
}

// Answer answers an incoming call with a SIP status code: 180 rings, 200
// accepts, 4xx to 6xx refuse. Redirecting (3xx) is not offered.
func (c *Caller) Answer(ctx context.Context, id, code int) error {
	if code < 100 || code > 699 || code/100 == 3 {
		return fmt.Errorf("cannot answer call %d: %d is not a status code from 100 to 699 outside 3xx", id, code)
	}
	a, err := c.at(ctx, id, "answer", "a", fmt.Sprint(code))
	if err != nil {
		return err
	}
	if a.has("No pending incoming call") {
		return fmt.Errorf("cannot answer call %d: it is not an incoming call that waits for an answer", id)
	}
	return nil
}

// Hangup ends a call: a BYE, a CANCEL, or a refusal of one that rings here.
func (c *Caller) Hangup(ctx context.Context, id int) error {
	_, err := c.at(ctx, id, "hang up", "h")
	return err
}

// HangupAll ends all calls.
func (c *Caller) HangupAll(ctx context.Context) error {
	r, err := c.running()
	if err == nil {
		_, err = r.console.ask(ctx, "ha")
	}
	if err != nil {
		return fmt.Errorf("cannot hang up: %w", err)
	}
	return nil
}

// Hold puts a call on hold.
func (c *Caller) Hold(ctx context.Context, id int) error {
	return c.confirmed(ctx, id, "hold", "H")
}

// Resume takes a call from hold.
func (c *Caller) Resume(ctx context.Context, id int) error {
	return c.confirmed(ctx, id, "resume", "v")
}

// Transfer sends the far end of a call to another URI (REFER). The call ends
// here when the transfer went well.
func (c *Caller) Transfer(ctx context.Context, id int, uri string) error {
	uri = c.cfg.SIP.URI(uri)
	if err := checkURI(uri); err != nil {
		return fmt.Errorf("cannot transfer call %d: %w", id, err)
	}
	// The blank line answers the question that is asked instead if the call has
	// just ended.
	return c.confirmed(ctx, id, "transfer", "x", uri, "")
}

// Ways to send DTMF.
const (
	DTMFEvent = "rfc2833" // in the audio stream, RFC 4733 by its old name
	DTMFInfo  = "info"    // by SIP INFO
)

// maxDigits is how many digits pjsua queues.
const maxDigits = 32

var digits = regexp.MustCompile(`^[0-9*#A-D]+$`)

// DTMF sends digits (0-9, *, #, A-D) to the far end, by DTMFEvent (or "") or
// DTMFInfo. It returns when they are queued.
func (c *Caller) DTMF(ctx context.Context, id int, send, method string) error {
	send = strings.ToUpper(send)
	command, ok := map[string]string{"": "#", DTMFEvent: "#", DTMFInfo: "*"}[method]
	switch {
	case !ok:
		return fmt.Errorf("cannot send digits: %q is not one of %s, %s", method, DTMFEvent, DTMFInfo)
	case !digits.MatchString(send):
		return fmt.Errorf("cannot send digits: %q has others than 0-9, *, # and A-D", send)
	case len(send) > maxDigits:
		return fmt.Errorf("cannot send digits: %d are too many at once, pjsua takes %d", len(send), maxDigits)
	}
	// As in Transfer, for digits that are a command themselves.
	return c.confirmed(ctx, id, "send digits to", command, send, "")
}

// Quality measures a call that is up; that of one that has ended comes with its
// last event.
func (c *Caller) Quality(ctx context.Context, id int) (Quality, error) {
	a, err := c.at(ctx, id, "measure", "dq")
	if err != nil {
		return Quality{}, err
	}
	q, ok := parseQuality(a.lines)
	if !ok {
		return Quality{}, a.trouble(fmt.Sprintf("cannot measure call %d", id))
	}
	q.Call = id
	return q, nil
}

// Calls lists the calls that have not ended, by number.
func (c *Caller) Calls(ctx context.Context) ([]Call, error) {
	r, err := c.running()
	if err != nil {
		return nil, fmt.Errorf("cannot list calls: %w", err)
	}
	var calls []Call
	err = r.console.exclusively(ctx, func(ask asker) error {
		return scan(ask, func(s screen) bool {
			calls = append(calls, r.known(s))
			return false
		})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list calls: %w", err)
	}
	slices.SortFunc(calls, func(a, b Call) int { return a.ID - b.ID })
	return calls, nil
}

// WaitCall waits until done is true of a call, or the call has ended, and
// returns it as it is then. A call that ended before is found as long as its
// number was not given to another.
func (c *Caller) WaitCall(ctx context.Context, id int, done func(Call) bool) (Call, error) {
	t := c.current().call(id)
	if t == nil {
		return Call{}, fmt.Errorf("cannot wait for call %d: %w", id, ErrNoCall)
	}
	for {
		call, changed := t.state()
		if call.State == Disconnected || done != nil && done(call) {
			return call, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return call, fmt.Errorf("cannot wait any longer for call %d: %w", id, context.Cause(ctx))
		}
	}
}

// running returns the run if its console takes commands.
func (c *Caller) running() (*run, error) {
	r := c.current()
	select {
	case <-r.started:
		return r, nil
	default:
		return nil, ErrNotRunning
	}
}

// at makes a call the console's current one and runs a command on it.
func (c *Caller) at(ctx context.Context, id int, what string, command ...string) (*answer, error) {
	what = fmt.Sprintf("cannot %s call %d", what, id)
	r, err := c.running()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var a *answer
	err = r.console.exclusively(ctx, func(ask asker) error {
		found := false
		err := scan(ask, func(s screen) bool {
			found = s.current == id
			return found
		})
		if err != nil {
			return err
		}
		if !found {
			return ErrNoCall
		}
		if a, err = ask(command...); err == nil && a.has("No current call") {
			return ErrNoCall
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return a, nil
}

// confirmed runs a command on a call that is up, and fails if pjsua complains.
func (c *Caller) confirmed(ctx context.Context, id int, what string, command ...string) error {
	if t := c.current().call(id); t != nil {
		if call, _ := t.state(); call.State != Confirmed {
			return fmt.Errorf("cannot %s call %d: it is %s, not confirmed", what, id, call.State)
		}
	}
	a, err := c.at(ctx, id, what, command...)
	if err != nil {
		return err
	}
	for _, l := range a.lines {
		if strings.Contains(l, "[status=") || strings.Contains(l, "Media is not established yet") || strings.Contains(l, "Call has been disconnected") {
			return a.trouble(fmt.Sprintf("cannot %s call %d", what, id))
		}
	}
	return nil
}

// known adds what the log told to what the console tells. It makes known to
// WaitCall a call that the log has not given a number yet: one that rings here.
func (r *run) known(s screen) Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := Kind(strings.ToLower(s.state))
	t := r.calls[s.current]
	if t != nil {
		if c, _ := t.state(); c.State == Disconnected {
			t = nil
		}
	}
	if t == nil {
		t = newTrack(Call{ID: s.current, State: state, Since: time.Now(), Outgoing: state == Calling})
		r.calls[s.current] = t
	}
	t.setPeer(s.peer)
	call, _ := t.state()
	return call
}

func (r *run) call(id int) *track {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[id]
}

func (t *track) setPeer(uri string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.call.Peer = uri
}

// maxURI is the length of the console's buffer for one, less its end.
const maxURI = 126

// checkURI keeps from the console what it would take for something else: lines,
// numbers of its buddy list, a cancelled question.
func checkURI(uri string) error {
	switch {
	case len(uri) > maxURI:
		return fmt.Errorf("the URI has %d bytes, pjsua's console takes %d", len(uri), maxURI)
	case strings.ContainsAny(uri, "\r\n\x00"):
		return errors.New("the URI has a line end")
	case !strings.HasPrefix(uri, "sip:") && !strings.HasPrefix(uri, "sips:") && !strings.HasPrefix(uri, "<sip") && !strings.HasPrefix(uri, `"`):
		return errors.New("it is not a SIP URI such as sip:bob@example.com")
	}
	return nil
}
