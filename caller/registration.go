package caller

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Pauses between registrations that fail, doubled each time up to the maximum.
// pjsua itself would wait for 60 s and then 300 s after a server's failure, and
// never try again after a refusal.
const (
	retryFailed     = 5 * time.Second // no answer, 408, 5xx
	retryRefused    = time.Minute     // 401, 403, 404: a person has to act
	retryFailedMax  = 5 * time.Minute
	retryRefusedMax = 15 * time.Minute
)

// registration is what is known of an account at its registrar.
type registration struct {
	last     Event // Registered, RegistrationFailed, Unregistered; zero before
	failures int
	retry    time.Time // when to try again; zero if not at all
	changed  chan struct{}
}

func (r *registration) apply(e Event) {
	r.last = e
	close(r.changed)
	r.changed = make(chan struct{})
	r.retry = time.Time{}
	if e.Kind != RegistrationFailed {
		r.failures = 0
		return
	}
	r.retry = e.Time.Add(jitter(retryPause(e.Code, r.failures)))
	r.failures++
}

// retryPause is the pause after a registration that failed with that SIP status
// (0 if there was none), as the one after so many others.
func retryPause(code, failures int) time.Duration {
	pause, most := retryRefused, retryRefusedMax
	if code == 0 || code == 408 || code/100 == 5 {
		pause, most = retryFailed, retryFailedMax
	}
	for ; failures > 0 && pause < most; failures-- {
		pause *= 2
	}
	return min(pause, most)
}

// jitter spreads what many callers would do at once: it takes off up to a half.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2)
}

// due tells whether it is time to register again, and takes that as done.
func (r *registration) due(now time.Time) bool {
	if r.retry.IsZero() || now.Before(r.retry) {
		return false
	}
	r.retry = time.Time{}
	return true
}

// registrationLimit is no limit: a registrar that is down for a day must not
// make the caller start over.
const registrationLimit = 10 * 365 * 24 * time.Hour

// awaitRegistration returns once the account is registered. Meanwhile it tries
// again when that is due.
func (c *Caller) awaitRegistration(ctx context.Context, r *run) error {
	for {
		last, retry, changed := r.registration()
		if last.Kind == Registered {
			return nil
		}
		if fault := r.audioFault(); fault != "" {
			return fmt.Errorf("sound is lost: %s", fault)
		}
		var due <-chan time.Time
		if !retry.IsZero() {
			due = time.After(time.Until(retry))
		}
		select {
		case <-changed:
		case now := <-due:
			if r.registerAgain(now) {
				if err := r.console.send(ctx, "rr"); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			if last.Cause != "" {
				return fmt.Errorf("not registered: %s; %s", last.Cause, last.Cure)
			}
			return fmt.Errorf("not registered: %w", context.Cause(ctx))
		}
	}
}

// Registration returns the last event about the account at its registrar:
// Registered, RegistrationFailed or Unregistered. It is false before the first.
func (c *Caller) Registration() (Event, bool) {
	last, _, _ := c.current().registration()
	last.Caller = c.cfg.Name
	return last, last.Kind != ""
}

func (r *run) registration() (last Event, retry time.Time, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reg.last, r.reg.retry, r.reg.changed
}

// registerAgain tells whether it is time to, and takes it as done.
func (r *run) registerAgain(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.quitting && r.reg.due(now)
}
