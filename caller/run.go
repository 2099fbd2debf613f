package caller

import (
	"bytes"
	"regexp"
	"sync"
	"time"

	"github.com/nullcard/nullcard/supervisor"
)

// run is what is known of one run of pjsua, from its log.
type run struct {
	console console
	started chan struct{} // closed when pjsua reads its console

	mu        sync.Mutex
	isStarted bool
	failed    Event // the last error before the start
	fault     string
	told      map[string]bool
	outgoing  map[int]bool // calls that we made
	quitting  bool
	menu      bool  // inside the console's menu
	incoming  Event // an incoming call whose lines are still coming
	summary   summary
}

func newRun() *run {
	return &run{started: make(chan struct{}), told: map[string]bool{}, outgoing: map[int]bool{}}
}

var (
	incomingCall = regexp.MustCompile(`^Incoming call for account \d+!$`)
	fromLine     = regexp.MustCompile(`^From: (.*)$`)
	endOfMenu    = regexp.MustCompile(`^You have \d+ active calls?$`)
	currentCall  = regexp.MustCompile(`^Current call id=\d+ to .* \[[A-Z]+\]$`)
	prompts      = regexp.MustCompile(`^(?:>>> )+`)
)

// observe takes the next line. It returns the event that the line completes, if
// any, and whether the line is worth showing: the console's menu is not.
func (r *run) observe(line supervisor.Line) (e Event, understood, show bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := bytes.TrimRight(line.Text, "\r")
	if bytes.HasPrefix(prompts.ReplaceAll(text, nil), []byte(">>>>")) {
		r.menu = true
		return r.start(Event{Call: NoCall, Kind: Started}, line)
	}
	_, message, isLog := splitLine(text)
	if r.menu {
		// Other threads write between the menu's lines, and some of its texts
		// come from the network: only its own end ends it.
		if endOfMenu.Match(text) {
			r.menu = false
			return Event{}, false, false
		}
		if !isLog {
			return Event{}, false, false
		}
	}
	if !isLog {
		if currentCall.Match(text) {
			return Event{}, false, false
		}
		e, ok := r.continued(text)
		e.Time, e.Text = line.Time, string(line.Text)
		return e, ok, true
	}
	r.incoming = Event{}
	if incomingCall.MatchString(message) {
		r.incoming = Event{Kind: Incoming, Call: NoCall}
		return Event{}, false, true
	}
	e, ok := parse(text)
	if !ok {
		return Event{}, false, true
	}
	e.Time = line.Time
	switch e.Kind {
	case Started:
		return r.start(e, line)
	case AudioFault:
		if r.fault == "" {
			r.fault = e.Reason
		}
	case Calling:
		r.outgoing[e.Call] = true
	case Disconnected:
		e.Peer, e.Duration = r.summary.take()
		if !r.outgoing[e.Call] {
			e.Cause, e.Cure = "", "" // it is we who were busy, or not there
		}
		delete(r.outgoing, e.Call)
	}
	if r.quitting {
		e.Cause, e.Cure = "", ""
	}
	if !r.isStarted && e.Cause != "" && e.Kind != RegistrationFailed {
		r.failed = e
	}
	return e, true, true
}

// start is told twice: by the log, unless its level is low, and by the menu.
func (r *run) start(e Event, line supervisor.Line) (Event, bool, bool) {
	show := e.Text != ""
	if r.isStarted {
		return Event{}, false, show
	}
	r.isStarted = true
	close(r.started)
	e.Time, e.Text = line.Time, string(line.Text)
	return e, true, show
}

// continued understands the lines that follow a message of several.
func (r *run) continued(text []byte) (Event, bool) {
	r.summary.line(text)
	if r.incoming.Kind == Incoming {
		if m := fromLine.FindSubmatch(text); m != nil {
			e := r.incoming
			e.Peer = string(m[1])
			r.incoming = Event{}
			return e, true
		}
	}
	return Event{}, false
}

// failure says why pjsua has not started, as far as its log told.
func (r *run) failure() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed.Cause == "" {
		return ""
	}
	return r.failed.Cause + "; " + r.failed.Cure
}

func (r *run) quits() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quitting = true
}

func (r *run) audioFault() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fault
}

// exitCode corrects that of a pjsua that never got to its prompt: it is 0.
func (r *run) exitCode(code int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if code != 0 || r.isStarted {
		return code
	}
	if source, _, _ := splitLine([]byte(r.failed.Text)); source == "pjsua_app_config.c" {
		return ExitConfig
	}
	return ExitUnavailable
}

// first tells whether a cause is new in this run: a lost device is logged
// hundreds of times a second.
func (r *run) first(cause string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told[cause] {
		return false
	}
	r.told[cause] = true
	return true
}

// summary collects the lines that pjsua writes about a call just before it
// reports it as disconnected.
type summary struct {
	peer     string
	duration time.Duration
}

var (
	callLine = regexp.MustCompile(`^ +\[[A-Z]+\] (?:To|From): (.*)$`)
	callTime = regexp.MustCompile(`^ +Call time: (\d+)h:(\d+)m:(\d+)s, `)
)

func (s *summary) line(text []byte) {
	if m := callLine.FindSubmatch(text); m != nil {
		*s = summary{peer: string(m[1])}
	}
	if m := callTime.FindSubmatch(text); m != nil {
		s.duration = time.Duration(number(string(m[1])))*time.Hour +
			time.Duration(number(string(m[2])))*time.Minute +
			time.Duration(number(string(m[3])))*time.Second
	}
}

func (s *summary) take() (peer string, duration time.Duration) {
	peer, duration = s.peer, s.duration
	*s = summary{}
	return peer, duration
}
