package caller

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// prefix is what pjsua puts before a message: the console's prompt, if it was
// waiting for an answer, the time, the source, and a mark and dots for thread
// and depth.
var prefix = regexp.MustCompile(`^(?:>>> |Make call: |Transfer to URL: |[^:]*\(empty to cancel\): )*\d\d:\d\d:\d\d\.\d{3} +(\S+) [ !](?:\.*)(.*)$`)

// pattern is one kind of line that is understood.
type pattern struct {
	source string // empty means any
	text   *regexp.Regexp
	fill   func(e *Event, m []string)
}

var patterns = []pattern{
	{"main.c", regexp.MustCompile(`^Ready: Success$`), func(e *Event, _ []string) { e.Kind = Started }},

	{"pjsua_acc.c", regexp.MustCompile(`^(.*): registration success, status=(\d+) \((.*)\), (?:will re-register in (\d+) seconds|auto re-register disabled)$`),
		func(e *Event, m []string) {
			e.Kind, e.Peer, e.Code, e.Reason = Registered, m[1], number(m[2]), m[3]
			e.Expires = time.Duration(number(m[4])) * time.Second
		}},
	{"pjsua_acc.c", regexp.MustCompile(`^Acc \d+: Registration sent$`), func(e *Event, _ []string) { e.Kind = Registering }},
	{"pjsua_acc.c", regexp.MustCompile(`^(.*): unregistration success`),
		func(e *Event, m []string) { e.Kind, e.Peer = Unregistered, m[1] }},
	{"pjsua_acc.c", regexp.MustCompile(`^SIP registration failed, status=(\d+) \((.*)\)$`),
		func(e *Event, m []string) { e.Kind, e.Code, e.Reason = RegistrationFailed, number(m[1]), m[2] }},
	{"pjsua_acc.c", regexp.MustCompile(`^SIP registration error: (.*) \[status=(\d+)\]$`),
		func(e *Event, m []string) {
			e.Kind, e.Reason = RegistrationFailed, m[1]
			if credentials.MatchString(m[0]) {
				e.Code = 401 // asked for again, which PJSIP counts as its own error
			}
		}},

	{"pjsua_app.c", regexp.MustCompile(`^Call (\d+) state changed to (CALLING|INCOMING|EARLY|CONNECTING|CONFIRMED)(?: \((\d+) (.*)\))?$`),
		func(e *Event, m []string) {
			e.Kind, e.Call, e.Code, e.Reason = Kind(strings.ToLower(m[2])), number(m[1]), number(m[3]), m[4]
		}},
	{"pjsua_app.c", regexp.MustCompile(`^Call (\d+) is DISCONNECTED \[reason=(\d+) \((.*)\)\]$`),
		func(e *Event, m []string) {
			e.Kind, e.Call, e.Code, e.Reason = Disconnected, number(m[1]), number(m[2]), m[3]
		}},
	{"pjsua_app.c", regexp.MustCompile(`^Incoming DTMF on call (\d+): (.)(?::duration\(\d+\))?, using (.*) method$`),
		func(e *Event, m []string) { e.Kind, e.Call, e.Digit, e.Reason = DTMF, number(m[1]), m[2], m[3] }},
	{"pjsua_app.c", regexp.MustCompile(`^Call (\d+): transfer status=(\d+) \((.*)\)(?: |$)`),
		func(e *Event, m []string) {
			e.Kind, e.Call, e.Code, e.Reason = Transfer, number(m[1]), number(m[2]), m[3]
		}},
	{"pjsua_app.c", regexp.MustCompile(`^Call (\d+) media \d+ \[type=audio\], status is (.*)$`),
		func(e *Event, m []string) { e.Kind, e.Call, e.Reason = Media, number(m[1]), strings.ToLower(m[2]) }},
}

// audioFaults are lines after which pjsua has no sound: it could not open the
// device, or lost it, and it does not try again during a call. What is left out
// of 4200xx is about single capabilities, such as a volume.
var audioFaults = regexp.MustCompile(`\[status=4200(?:0[1-6]|1[0-2])\]|^ALSA (?:capture|playback) thread stopped due to error`)

// status is how pjsua ends a line about an error of its own.
var status = regexp.MustCompile(`\[status=(\d+)\]`)

// parse understands one line on its own.
func parse(text []byte) (Event, bool) {
	source, message, ok := splitLine(text)
	if !ok {
		return Event{}, false
	}
	e := Event{Call: NoCall, Text: string(text)}
	for _, p := range patterns {
		if p.source != source {
			continue
		}
		if m := p.text.FindStringSubmatch(message); m != nil {
			p.fill(&e, m)
			e.Cause, e.Cure, _ = explainEvent(e)
			return e, true
		}
	}
	cause, cure, known := Explain(message)
	fault := audioFaults.MatchString(message)
	if !known && !fault {
		return Event{}, false
	}
	e.Kind, e.Reason, e.Cause, e.Cure = Failed, message, cause, cure
	if fault {
		e.Kind = AudioFault
	}
	if m := status.FindStringSubmatch(message); m != nil {
		e.Code = number(m[1])
	}
	return e, true
}

// splitLine splits a line of pjsua's log into its source and what it says.
func splitLine(text []byte) (source, message string, ok bool) {
	m := prefix.FindSubmatch(bytes.TrimRight(text, "\r"))
	if m == nil {
		return "", "", false
	}
	return string(m[1]), string(m[2]), true
}

// number reads digits; what does not fit is 0, as what is missing.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
