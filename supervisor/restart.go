package supervisor

import (
	"slices"
	"time"
)

// Defaults for zero values of Restart.
const (
	DefaultBackoffInitial = 500 * time.Millisecond
	DefaultBackoffMax     = 30 * time.Second
	DefaultBackoffReset   = 30 * time.Second
	DefaultStormFailures  = 10
	DefaultStormWindow    = time.Minute
)

func (r Restart) withDefaults() Restart {
	if r.Policy == "" {
		r.Policy = Always
	}
	setDefault(&r.Backoff.Initial, DefaultBackoffInitial)
	setDefault(&r.Backoff.Max, max(r.Backoff.Initial, DefaultBackoffMax))
	setDefault(&r.Backoff.Reset, DefaultBackoffReset)
	setDefault(&r.Storm.Failures, DefaultStormFailures)
	setDefault(&r.Storm.Window, DefaultStormWindow)
	return r
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// success tells whether an exit code counts as success.
func (r Restart) success(code int) bool {
	return code == 0 || slices.Contains(r.SuccessExitCodes, code)
}

// ceiling is the longest pause before the restart that follows n others
// without a healthy run between them.
func (b Backoff) ceiling(n int) time.Duration {
	d := b.Initial
	for range n {
		if d >= b.Max/2 {
			return b.Max
		}
		d *= 2
	}
	return min(d, b.Max)
}

// history is what a restart decision needs to remember of earlier runs.
type history struct {
	streak   int         // restarts since the last healthy run
	failures []time.Time // within the storm window
}

// verdict is what follows the end of a run.
type verdict struct {
	again bool
	pause time.Duration // before the next run
	storm bool          // too many failures: the supervisor must end
}

// decide says what follows a run that ended by itself at now, after it had
// been of use for healthy. random is in [0, 1).
func (r Restart) decide(h *history, now time.Time, failed bool, healthy time.Duration, random float64) verdict {
	if healthy >= r.Backoff.Reset {
		h.streak = 0
	}
	if failed {
		h.failures = slices.DeleteFunc(append(h.failures, now), func(t time.Time) bool {
			return now.Sub(t) >= r.Storm.Window
		})
	}
	if r.Policy == Never || r.Policy == OnFailure && !failed {
		return verdict{}
	}
	if failed && r.Storm.Failures > 0 && len(h.failures) >= r.Storm.Failures {
		return verdict{storm: true}
	}
	v := verdict{again: true, pause: time.Duration(random * float64(r.Backoff.ceiling(h.streak)))}
	h.streak++
	return v
}
