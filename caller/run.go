package caller

import (
	"bytes"
	"context"
	"maps"
	"regexp"
	"slices"
	"sync"

	"github.com/nullcard/nullcard/supervisor"
)

// run is what is known of one run of pjsua, from its log.
type run struct {
	console *console
	started chan struct{} // closed when pjsua reads its console

	mu        sync.Mutex
	isStarted bool
	quitting  bool
	failed    Event // the last error that has an explanation
	fault     string
	told      map[string]bool
	menu      bool           // inside the console's menu
	incoming  bool           // inside the lines about an incoming call
	source    string         // of the last message
	block     []string       // the lines after it: a call's statistics
	summary   *Quality       // of the call that is about to end
	calls     map[int]*track // the last call with each number
	reg       registration
	job       job
}

func newRun(isJob bool) *run {
	return &run{
		job:     job{wanted: isJob},
		console: newConsole(),
		started: make(chan struct{}),
		told:    map[string]bool{},
		calls:   map[int]*track{},
		reg:     registration{changed: make(chan struct{})},
	}
}

// maxBlock bounds the lines that are kept for one message; the statistics of a
// call with one stream are 16.
const maxBlock = 200

var (
	incomingCall = regexp.MustCompile(`^Incoming call for account \d+!$`)
	// pjsua tries TCP for each INVITE, as those are long, and goes on with UDP
	// when there is none.
	harmless      = regexp.MustCompile(`^Temporary failure in sending .*, will try next server: .*\(PJSIP_(?:ETPNOTSUITABLE|EUNSUPTRANSPORT)\)$`)
	endOfIncoming = regexp.MustCompile(`^Press \w+(?: \w)? to answer or \w+ to reject call$`)
	fromLine      = regexp.MustCompile(`^From: (.*)$`)
	endOfMenu     = regexp.MustCompile(`^You have (\d+) active calls?$`)
	currentCall   = regexp.MustCompile(`^Current call id=(\d+) to (.*) \[([A-Z]+)\]$`)
	prompts       = regexp.MustCompile(`^(?:>>> |Make call: |Transfer to URL: |[^:]*\(empty to cancel\): )+`)
)

// observe takes the next line. It returns the event that the line completes, if
// any, and the line as it is worth showing: without the console's questions. A
// nil line is not worth it at all, as the console's menu.
func (r *run) observe(line supervisor.Line) (e Event, understood bool, show []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := bytes.TrimRight(line.Text, "\r")
	asked := r.console.take(text)
	e, understood, visible := r.understand(text)
	e.Time = line.Time
	if understood {
		e.Text = string(line.Text)
		r.apply(&e)
	}
	switch _, message, isLog := splitLine(text); {
	case isLog:
		line.Text = prompts.ReplaceAll(line.Text, nil)
		visible = !harmless.MatchString(message) && (message != "" || !asked)
	case prompts.Match(text) && len(prompts.ReplaceAll(text, nil)) == 0:
		visible = false
	case asked && !r.incoming:
		// What the command made pjsua write; only the statistics of a call that
		// has just ended go on to the log.
		visible = visible && r.source == "pjsua_media.c" && bytes.HasPrefix(text, []byte("  "))
	}
	if endOfIncoming.Match(text) {
		r.incoming = false
	}
	if !visible {
		return e, understood, nil
	}
	return e, understood, line.Text
}

func (r *run) understand(text []byte) (e Event, understood, visible bool) {
	source, message, isLog := splitLine(text)
	if isLog {
		// pjsua_media.c sums a call up just before it is reported as ended.
		if q, ok := parseQuality(r.block); ok && r.source == "pjsua_media.c" {
			r.summary = &q
		}
		r.block, r.source = nil, source
		r.incoming = incomingCall.MatchString(message)
		e, ok := parse(text)
		return e, ok && !(e.Kind == Started && r.isStarted), true
	}
	if bytes.HasPrefix(prompts.ReplaceAll(text, nil), []byte(">>>>")) {
		r.menu = true
		return Event{Call: NoCall, Kind: Started}, !r.isStarted, false
	}
	// Other threads write between the menu's lines, and some of its texts come
	// from the network: only its own end ends it.
	if r.menu {
		if m := endOfMenu.FindSubmatch(text); m != nil {
			r.menu = false
			r.job.prompted(string(m[1]) == "0")
		}
		return Event{}, false, false
	}
	if len(r.block) < maxBlock {
		r.block = append(r.block, string(text))
	}
	if r.incoming {
		if m := fromLine.FindSubmatch(text); m != nil {
			return Event{Kind: Incoming, Call: NoCall, Peer: string(m[1])}, true, true
		}
	}
	return Event{}, false, !currentCall.Match(text)
}

// apply keeps what the event changes, and completes it.
func (r *run) apply(e *Event) {
	switch e.Kind {
	case Started:
		// The log tells it, unless its level is low, and then the menu.
		r.isStarted = true
		close(r.started)
	case Registered, RegistrationFailed, Unregistered:
		r.reg.apply(*e)
	case AudioFault:
		if r.fault == "" {
			r.fault = e.Reason
		}
	case Calling, Early, Connecting, Confirmed, Disconnected:
		r.applyCall(e)
	}
	if r.quitting {
		e.Cause, e.Cure = "", ""
	}
	if e.Cause != "" && e.Kind != RegistrationFailed {
		r.failed = *e
	}
	r.console.event(*e)
}

// jobOver tells, once, that the job's call has ended.
func (r *run) jobOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	over := r.job.ended && !r.job.told
	r.job.told = r.job.told || over
	return over
}

func (r *run) applyCall(e *Event) {
	t := r.calls[e.Call]
	if t != nil {
		if c, _ := t.state(); c.State == Disconnected {
			t = nil
		}
	}
	if t == nil {
		t = newTrack(Call{ID: e.Call, Since: e.Time, Outgoing: e.Kind == Calling})
		r.calls[e.Call] = t
	}
	if e.Kind == Disconnected {
		if q := r.summary; q != nil {
			q.Call = e.Call
			e.Peer, e.Duration, e.Quality, r.summary = q.Peer, q.Duration, q, nil
		}
		if c, _ := t.state(); !c.Outgoing {
			e.Cause, e.Cure = "", "" // it is we who were busy, or not there
		}
	}
	t.apply(*e)
	r.job.follow(*e, t)
}

// failure says what went wrong last, as far as the log told.
func (r *run) failure() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed.Cause == "" {
		return ""
	}
	return r.failed.Cause + "; " + r.failed.Cure
}

// quits notes that pjsua was asked to end: what fails from now on, such as a
// registrar that does not answer, is nothing to be told.
func (r *run) quits() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quitting = true
}

// awaitNoCalls returns when all calls have ended.
func (r *run) awaitNoCalls(ctx context.Context) {
	r.mu.Lock()
	tracks := slices.Collect(maps.Values(r.calls))
	r.mu.Unlock()
	for _, t := range tracks {
		for {
			call, changed := t.state()
			if call.State == Disconnected {
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (r *run) audioFault() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fault
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

// exitCode is the one to go by for a pjsua that ended by itself with code. It
// ends with 0 also when it never got to its console, and whatever became of its
// call.
func (r *run) exitCode(code int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endCalls()
	if code != 0 {
		return code
	}
	if !r.isStarted {
		if source, _, _ := splitLine([]byte(r.failed.Text)); source == "pjsua_app_config.c" {
			return ExitConfig
		}
		return ExitUnavailable
	}
	if r.job.wanted {
		return r.job.exitCode()
	}
	return 0
}

// end takes the run as over: whoever waits for one of its calls is told so.
func (r *run) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endCalls()
}

func (r *run) endCalls() {
	for _, t := range r.calls {
		t.lost()
	}
}
