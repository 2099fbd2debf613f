// Package control lets operators and programs look into a running nullcard, by
// HTTP on a unix socket.
//
//	GET /livez   200 while nullcard runs
//	GET /readyz  200 when every process does its work, else 503; one line says why
//	GET /status  Status as JSON
package control

import (
	"fmt"
	"strings"
	"time"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/caller"
	"github.com/nullcard/nullcard/supervisor"
)

// Status is what nullcard knows of itself.
type Status struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Backend string    `json:"backend"` // of the sound: pulse, external or null
	// Degraded says what is missing while nullcard goes on without it.
	Degraded string   `json:"degraded,omitempty"`
	Devices  []string `json:"devices"`
	// Proofs are how sound last passed through each device.
	Proofs []audio.Proof `json:"proofs,omitempty"`
	// Levels are how loud both ends of each device are.
	Levels  []audio.Level `json:"levels,omitempty"`
	Callers []Caller      `json:"callers,omitempty"`
	// Processes in the order in which they are started.
	Processes []supervisor.Status `json:"processes"`
}

// Caller is how a caller with a registrar stands there.
type Caller struct {
	Name string `json:"name"`
	// Registration is registered, registration_failed or unregistered; empty
	// before the registrar's first answer.
	Registration caller.Kind `json:"registration"`
	Code         int         `json:"code,omitempty"` // the registrar's last answer
	Reason       string      `json:"reason,omitempty"`
	Cause        string      `json:"cause,omitempty"` // of a failure, and its cure
	Cure         string      `json:"cure,omitempty"`
}

// Problem says in words what the registrar's last answer was.
func (c Caller) Problem() string {
	var s string
	if c.Code != 0 {
		s = fmt.Sprintf("%d %s", c.Code, c.Reason)
	}
	if c.Cause != "" {
		s += fmt.Sprintf(" (%s; %s)", c.Cause, c.Cure)
	}
	return strings.TrimSpace(s)
}

// Ready tells whether every process does its work, and if not, what is in the
// way. A process that has ended for good with success is in nobody's way.
// Degraded is ready: a restart of the container would not help.
func (s Status) Ready() (ok bool, reason string) {
	for _, p := range s.Processes {
		switch p.State {
		case supervisor.Ready, supervisor.Exited:
			continue
		}
		reason = fmt.Sprintf("%s is %s", p.Name, p.State)
		if p.Cause != "" {
			reason += ": " + p.Cause
		}
		for _, c := range s.Callers {
			if c.Name == p.Name && c.Registration == caller.RegistrationFailed {
				reason += ": registration failed: " + c.Problem()
			}
		}
		return false, reason
	}
	if s.Degraded != "" {
		return true, "degraded: " + s.Degraded
	}
	return true, fmt.Sprintf("%d of %d processes work", len(s.Processes), len(s.Processes))
}
