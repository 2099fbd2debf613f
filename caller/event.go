package caller

import "time"

// Kind says what happened.
type Kind string

// Kinds of events. The call states are those of PJSIP's INVITE session.
const (
	Started            Kind = "started"             // pjsua reads its console
	Registering        Kind = "registering"         // told from log level 4 on
	Registered         Kind = "registered"          // Code, Reason, Expires
	RegistrationFailed Kind = "registration_failed" // Code (0 = nothing was sent), Reason
	Unregistered       Kind = "unregistered"
	Incoming           Kind = "incoming"     // a call that nobody has answered yet; Peer
	Calling            Kind = "calling"      // an INVITE was sent
	Early              Kind = "early"        // it rings; Code, Reason
	Connecting         Kind = "connecting"   // 200 was sent or received
	Confirmed          Kind = "confirmed"    // the call is up
	Disconnected       Kind = "disconnected" // Code, Reason; Peer and Duration where pjsua told
	Media              Kind = "media"        // from log level 4 on; Reason is active, local hold, remote hold, none or error
	DTMF               Kind = "dtmf"         // Digit
	Transfer           Kind = "transfer"     // how far a transfer is: Code, Reason
	AudioFault         Kind = "audio_fault"  // the sound device fails
	Failed             Kind = "failed"       // any other error that has an explanation
)

// NoCall is the Call of an event that belongs to no call, or to one whose
// number pjsua did not tell.
const NoCall = -1

// Event is something that pjsua's log told.
type Event struct {
	Time   time.Time
	Caller string
	Kind   Kind
	Call   int // pjsua's number of the call, or NoCall
	// Code is a SIP status code, or pjsua's own status for an AudioFault or a
	// Failed event; 0 if there is none.
	Code   int
	Reason string
	// Peer is the far end's URI.
	Peer string
	// Expires is how long a registration is good for.
	Expires time.Duration
	// Duration is the time from answer to end, in whole seconds.
	Duration time.Duration
	// Quality of the whole call comes with Disconnected.
	Quality *Quality
	Digit   string
	// Cause and Cure explain an error, as Explain does.
	Cause, Cure string
	// Text is the line that completed the event, as pjsua wrote it.
	Text string
}
