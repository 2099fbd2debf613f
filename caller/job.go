package caller

// Exit codes of a caller that is a job: one with `dial` and restart policy
// `never`, which ends when its call has ended. 0 is a call that was answered
// and hung up by either side; ExitUnavailable one that could not be made.
const (
	ExitBusy         = 10 // 486, 600
	ExitDeclined     = 11 // 603
	ExitNotFound     = 12 // 404, 410, 484, 604
	ExitNoAnswer     = 13 // 408, 480, 487
	ExitUnauthorized = 14 // 401, 403, 407
	ExitServer       = 15 // 5xx
	ExitRefused      = 16 // any other status
)

// job is the one call that a caller was started for.
type job struct {
	wanted bool
	call   *track
	ended  bool // the call, or the hope for one
	told   bool // that it has ended
}

// prompted takes the number of calls at the console's first prompt: by then
// pjsua has made its call, or failed to.
func (j *job) prompted(noCalls bool) {
	if j.wanted && j.call == nil && noCalls {
		j.ended = true
	}
}

// follow takes what happened to a call.
func (j *job) follow(e Event, t *track) {
	switch {
	case !j.wanted || j.ended:
	case e.Kind == Calling && j.call == nil:
		j.call = t
	case e.Kind == Disconnected && t == j.call:
		j.ended = true
	}
}

// exitCode says how a job's call went.
func (j *job) exitCode() int {
	if j.call == nil {
		return ExitUnavailable
	}
	c, _ := j.call.state()
	return c.ExitCode()
}

// ExitCode says in an exit code how a call went; ExitUnavailable if it was lost,
// because pjsua went before the call did.
func (c Call) ExitCode() int {
	if c.State != Disconnected || c.Code == 0 {
		return ExitUnavailable
	}
	switch c.Code {
	case 486, 600:
		return ExitBusy
	case 603:
		return ExitDeclined
	case 404, 410, 484, 604:
		return ExitNotFound
	case 408, 480, 487:
		return ExitNoAnswer
	case 401, 403, 407:
		return ExitUnauthorized
	}
	switch c.Code / 100 {
	case 2:
		return 0
	case 5:
		return ExitServer
	}
	return ExitRefused
}
