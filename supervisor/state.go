package supervisor

import (
	"encoding/json"
	"fmt"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// State is where a process stands; the package comment has the diagram.
type State string

const (
	Waiting    State = "waiting"
	Starting   State = "starting"
	Ready      State = "ready"
	Stopping   State = "stopping"
	BackingOff State = "backoff"
	Exited     State = "exited"
	Failed     State = "failed"
)

// Transitions holds, for each state, those that may follow it.
var Transitions = map[State][]State{
	"":         {Waiting},
	Waiting:    {Starting, Exited},
	Starting:   {Ready, Stopping, Waiting, BackingOff, Exited, Failed},
	Ready:      {Stopping},
	Stopping:   {Waiting, BackingOff, Exited, Failed},
	BackingOff: {Waiting, Exited},
	Exited:     {Waiting},
	Failed:     {Waiting},
}

func (s State) mayBecome(next State) bool { return slices.Contains(Transitions[s], next) }

// Exit is how a process ended.
type Exit struct {
	// Code is the exit code, or 128+n when signal n ended the process.
	Code int
	// Signal that ended the process, or 0.
	Signal syscall.Signal
	// Core tells that the process left a core dump.
	Core bool
	// Rusage is what the process and the children it waited for have used.
	Rusage syscall.Rusage
}

func newExit(ws syscall.WaitStatus, ru syscall.Rusage) Exit {
	if ws.Signaled() {
		return Exit{Code: 128 + int(ws.Signal()), Signal: ws.Signal(), Core: ws.CoreDump(), Rusage: ru}
	}
	return Exit{Code: ws.ExitStatus(), Rusage: ru}
}

// String reads like "exit code 3" or "killed by SIGSEGV (core dumped)".
func (e Exit) String() string {
	switch {
	case e.Signal == 0:
		return fmt.Sprintf("exit code %d", e.Code)
	case e.Core:
		return fmt.Sprintf("killed by %s (core dumped)", SignalName(e.Signal))
	default:
		return "killed by " + SignalName(e.Signal)
	}
}

// exitJSON is the JSON form of an Exit: CPU times in seconds, the largest
// resident set in KiB, the signal by name.
type exitJSON struct {
	Code   int     `json:"code"`
	Signal string  `json:"signal,omitempty"`
	Core   bool    `json:"core_dumped,omitempty"`
	User   float64 `json:"user_seconds"`
	System float64 `json:"system_seconds"`
	RSS    int64   `json:"max_rss_kib"`
}

// MarshalJSON gives code, signal by name, CPU times in seconds and the
// largest resident set in KiB.
func (e Exit) MarshalJSON() ([]byte, error) {
	v := exitJSON{Code: e.Code, Core: e.Core, User: seconds(e.Rusage.Utime), System: seconds(e.Rusage.Stime), RSS: int64(e.Rusage.Maxrss)}
	if e.Signal != 0 {
		v.Signal = SignalName(e.Signal)
	}
	return json.Marshal(v)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (e *Exit) UnmarshalJSON(b []byte) error {
	var v exitJSON
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*e = Exit{Code: v.Code, Signal: unix.SignalNum(v.Signal), Core: v.Core}
	e.Rusage.Utime = syscall.NsecToTimeval(int64(v.User * 1e9))
	e.Rusage.Stime = syscall.NsecToTimeval(int64(v.System * 1e9))
	fit(&e.Rusage.Maxrss, v.RSS)
	return nil
}

// fit stores n in a field that is narrower on some machines.
func fit[T ~int32 | ~int64](to *T, n int64) { *to = T(n) }

func seconds(tv syscall.Timeval) float64 { return time.Duration(tv.Nano()).Seconds() }

// SignalName is the name of a signal ("SIGTERM"), or its number ("signal 40")
// when it has none.
func SignalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(sig))
}

// Event is one change of the state of one process. Those of one Supervisor
// come one after the other, those of a process in their order.
type Event struct {
	Time    time.Time `json:"time"`
	Process string    `json:"process"`
	From    State     `json:"from,omitempty"` // empty for the first event of a process
	To      State     `json:"to"`
	Cause   string    `json:"cause,omitempty"`
	Attempt int       `json:"attempt,omitempty"` // number of the run; 1 for the first
	PID     int       `json:"pid,omitempty"`     // of the run that is on or has just ended
	Exit    *Exit     `json:"exit,omitempty"`    // once the process has ended
}

// Status is where a process stands now.
type Status struct {
	Name     string    `json:"name"`
	State    State     `json:"state"`
	PID      int       `json:"pid,omitempty"` // 0 when there is no process
	Since    time.Time `json:"since"`         // of State
	Attempt  int       `json:"attempt"`       // runs so far, this one included
	Restarts int       `json:"restarts"`      // runs that followed another
	Cause    string    `json:"cause,omitempty"`
	LastExit *Exit     `json:"last_exit,omitempty"`
	Needs    []string  `json:"needs,omitempty"`
	Critical bool      `json:"critical,omitempty"`
	// Dropped counts lines that the sink of Output was too slow for.
	Dropped uint64 `json:"dropped_lines,omitempty"`
}
