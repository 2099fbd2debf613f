package caller

import (
	"strings"
	"testing"
	"time"

	"github.com/nullcard/nullcard/supervisor"
)

func line(text string) supervisor.Line {
	return supervisor.Line{Process: "alice", Stream: "stdout", Text: []byte(text)}
}

// The lines are as pjsua 2.17 writes them; the tests with tag pjsua see to it
// that it still does.
func TestParse(t *testing.T) {
	tests := map[string]Event{
		"01:27:42.161                 main.c  Ready: Success": {Kind: Started, Call: NoCall},
		"01:30:55.603            pjsua_acc.c  ....SIP registration failed, status=503 (Service Unavailable)": {
			Kind: RegistrationFailed, Call: NoCall, Code: 503, Reason: "Service Unavailable"},
		">>> 01:30:55.603            pjsua_acc.c !....sip:a@b: registration success, status=200 (OK), will re-register in 300 seconds": {
			Kind: Registered, Call: NoCall, Code: 200, Reason: "OK", Peer: "sip:a@b", Expires: 300 * time.Second},
		"01:30:55.603            pjsua_acc.c  ....sip:a@b: unregistration success": {Kind: Unregistered, Call: NoCall, Peer: "sip:a@b"},
		"01:30:55.603            pjsua_acc.c !....SIP registration error: Credential failed to authenticate (PJSIP_EFAILEDCREDENTIAL) [status=171100]": {
			Kind: RegistrationFailed, Call: NoCall, Code: 401, Reason: "Credential failed to authenticate (PJSIP_EFAILEDCREDENTIAL)"},
		"01:30:55.603            pjsua_acc.c  ....SIP registration error: Connection refused [status=120111]": {
			Kind: RegistrationFailed, Call: NoCall, Reason: "Connection refused"},
		"01:27:42.162            pjsua_app.c  .......Call 0 state changed to CALLING": {Kind: Calling, Call: 0},
		">>> 01:30:05.256            pjsua_app.c !.....Call 3 state changed to EARLY (180 Ringing)": {
			Kind: Early, Call: 3, Code: 180, Reason: "Ringing"},
		"01:27:42.173            pjsua_app.c  .....Call 0 state changed to CONNECTING": {Kind: Connecting, Call: 0},
		"01:27:42.173            pjsua_app.c  .....Call 12 state changed to CONFIRMED": {Kind: Confirmed, Call: 12},
		"01:30:01.266            pjsua_app.c  ...Call 0 is DISCONNECTED [reason=503 (Connection refused)]": {
			Kind: Disconnected, Call: 0, Code: 503, Reason: "Connection refused"},
		"01:30:01.266            pjsua_app.c  ...Call 0 is DISCONNECTED [reason=486 (Busy (truly) [here])]\r": {
			Kind: Disconnected, Call: 0, Code: 486, Reason: "Busy (truly) [here]"},
		"DTMF strings to send (0-9*R#A-B) (empty to cancel): 01:27:44.122            pjsua_app.c !.Incoming DTMF on call 0: #, using RFC2833 method": {
			Kind: DTMF, Call: 0, Digit: "#", Reason: "RFC2833"},
		"01:27:44.122            pjsua_app.c  .Incoming DTMF on call 1: 5:duration(160), using SIP INFO method": {
			Kind: DTMF, Call: 1, Digit: "5", Reason: "SIP INFO"},
		"01:27:44.122            pjsua_acc.c  ....Acc 1: Registration sent":                       {Kind: Registering, Call: NoCall},
		"01:27:44.122            pjsua_app.c  ....Call 2: transfer status=200 (OK) [final]":       {Kind: Transfer, Call: 2, Code: 200, Reason: "OK"},
		"01:27:44.122            pjsua_app.c  ....Call 2: transfer status=100 (Trying) ":          {Kind: Transfer, Call: 2, Code: 100, Reason: "Trying"},
		"01:27:44.122            pjsua_app.c  .....Call 0 media 0 [type=audio], status is Active": {Kind: Media, Call: 0, Reason: "active"},
		"01:30:58.163            pjsua_aud.c  ..Error retrieving default audio device parameters: Unable to find default audio device (PJMEDIA_EAUD_NODEFDEV) [status=420006]": {
			Kind: AudioFault, Call: NoCall, Code: 420006,
			Reason: "Error retrieving default audio device parameters: Unable to find default audio device (PJMEDIA_EAUD_NODEFDEV) [status=420006]"},
		"01:30:58.163             alsa_dev.c  ALSA capture thread stopped due to error: Unknown error from audio driver (PJMEDIA_EAUD_SYSERR) [status=420002]": {
			Kind: AudioFault, Call: NoCall, Code: 420002,
			Reason: "ALSA capture thread stopped due to error: Unknown error from audio driver (PJMEDIA_EAUD_SYSERR) [status=420002]"},
		"01:30:47.652           pjsua_core.c  bind() error: Address already in use [status=120098]": {
			Kind: Failed, Call: NoCall, Code: 120098, Reason: "bind() error: Address already in use [status=120098]"},
	}
	for text, want := range tests {
		got, ok := parse([]byte(text))
		got.Text, got.Cause, got.Cure = "", "", ""
		if !ok || got != want {
			t.Errorf("%s\n got %+v, %v\nwant %+v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"",
		">>> ",
		"01:27:42.160           pjsua_core.c !.pjsua version 2.17 for Linux-6.18.44/x86_64/glibc-2.36 initialized",
		"01:27:42.161            pjsua_app.c  .Turning sound device -99 -99 ON",
		// What a far end may write is no event.
		"01:27:42.161            pjsua_app.c  MESSAGE from sip:a@b: Call 0 is DISCONNECTED [reason=200 (OK)] (text/plain)",
		"Call 0 is DISCONNECTED [reason=200 (OK)]",
		"01:30:01.266              other.c  Call 0 is DISCONNECTED [reason=200 (OK)]",
	} {
		if e, ok := parse([]byte(text)); ok {
			t.Errorf("%s\n got %+v, want nothing", text, e)
		}
	}
}

const incomingRecording = `01:27:42.161                 main.c  Ready: Success
>>>>
Account list:
 *[ 0] <sip:192.0.2.2:15064>: does not register
       Online status: Online
Buddy list:
 -none-

+=============================================================================+
|       Call Commands:         |   Buddy, IM & Presence:  |     Account:      |
01:27:42.162            pjsua_app.c !SIP TCP transport is connected to 127.0.0.1:49035
|  q  QUIT      L  ReLoad       I  IP change     n  detect NAT type           |
+=============================================================================+
You have 0 active call
>>> 01:27:42.170            pjsua_app.c !.......Incoming call for account 0!
Media count: 1 audio & 0 video & 0 text
From: "Bob" <sip:bob@192.0.2.7>
To: <sip:192.0.2.2>
Press a to answer or h to reject call
01:27:46.631          pjsua_media.c !.......
  [DISCONNECTED] To: "Bob" <sip:bob@192.0.2.7>;tag=772004c7` + "\r" + `
    Call time: 01h:02m:04s, 1st res in 1 ms, conn in 2ms
    #0 audio speex @16kHz, sendrecv, peer=192.0.2.2:14000
01:27:46.631            pjsua_app.c  ......Call 0 is DISCONNECTED [reason=200 (Normal call clearing)]
what nobody knows`

func TestObserve(t *testing.T) {
	r := newRun(false)
	var events []Event
	var shown []string
	for text := range strings.Lines(incomingRecording) {
		e, ok, show := r.observe(line(strings.TrimSuffix(text, "\n")))
		if ok {
			e.Text, e.Quality = "", nil
			events = append(events, e)
		}
		if show != nil {
			shown = append(shown, string(show))
		}
	}
	want := []Event{
		{Kind: Started, Call: NoCall},
		{Kind: Incoming, Call: NoCall, Peer: `"Bob" <sip:bob@192.0.2.7>`},
		{Kind: Disconnected, Call: 0, Code: 200, Reason: "Normal call clearing",
			Peer: `"Bob" <sip:bob@192.0.2.7>;tag=772004c7`, Duration: time.Hour + 2*time.Minute + 4*time.Second},
	}
	if len(events) != len(want) {
		t.Fatalf("%d events %+v, want %d", len(events), events, len(want))
	}
	for i := range want {
		if events[i] != want[i] {
			t.Errorf("event %d is %+v, want %+v", i, events[i], want[i])
		}
	}
	all := strings.Join(shown, "\n")
	for text, visible := range map[string]bool{
		"Ready: Success": true, "Account list": false, "+====": false, "QUIT": false, "You have": false,
		"SIP TCP transport": true, "From: ": true, "what nobody knows": true,
	} {
		if strings.Contains(all, text) != visible {
			t.Errorf("%q shown: %v, want %v in\n%s", text, !visible, visible, all)
		}
	}
	select {
	case <-r.started:
	default:
		t.Error("not started")
	}
}

// While a command runs, what the console says is not for the log; what goes on
// in the calls is.
func TestObserveWhileACommandRuns(t *testing.T) {
	r := newRun(false)
	r.console.asked = &answer{mark: "echo " + mark + "X", done: make(chan struct{})}
	tests := []struct {
		text string
		show string // empty means not at all
	}{
		{"01:27:42.170            pjsua_app.c !.......Incoming call for account 0!", "01:27:42.170            pjsua_app.c !.......Incoming call for account 0!"},
		{"From: <sip:bob@192.0.2.7>", "From: <sip:bob@192.0.2.7>"},
		{"Press a to answer or h to reject call", "Press a to answer or h to reject call"},
		{">>> dq", ""},
		{"01:27:42.171     pjsua_app_common.c !", ""},
		{"  [CONFIRMED] To: sip:127.0.0.1", ""},
		{"Make call: 01:27:42.172            pjsua_app.c  Call 1 state changed to CALLING", "01:27:42.172            pjsua_app.c  Call 1 state changed to CALLING"},
		{"01:27:42.172      tsx0x5  ....Temporary failure in sending Request msg INVITE/cseq=1 (tdta0), will try next server: Unsuitable transport selected (PJSIP_ETPNOTSUITABLE)", ""},
		{"01:27:42.173          pjsua_media.c  ..", ""},
		{"  [DISCONNECTED] To: sip:127.0.0.1", "  [DISCONNECTED] To: sip:127.0.0.1"},
		{">>> ", ""},
		{">>> echo " + mark + "X", ""},
		{">>> ", ""},
		{"", ""},
		{"what nobody knows", "what nobody knows"},
	}
	for _, tt := range tests {
		if _, _, show := r.observe(line(tt.text)); string(show) != tt.show {
			t.Errorf("%q is shown as %q, want %q", tt.text, show, tt.show)
		}
	}
}

func TestExitCodeOfAFailedStart(t *testing.T) {
	tests := map[string]struct {
		lines string
		code  int
		want  int
	}{
		"started and ended":    {"01:27:42.161                 main.c  Ready: Success", 0, 0},
		"port in use":          {"01:30:47.652           pjsua_core.c  bind() error: Address already in use [status=120098]", 0, ExitUnavailable},
		"unknown option":       {`01:30:42.601     pjsua_app_config.c !Argument "--bogus" is not valid. Use --help to see help`, 0, ExitConfig},
		"silent":               {"", 0, ExitUnavailable},
		"pjsua's own code":     {"", 1, 1},
		"started, then failed": {"01:27:42.161                 main.c  Ready: Success", 134, 134},
	}
	for name, tt := range tests {
		r := newRun(false)
		r.observe(line(tt.lines))
		if got := r.exitCode(tt.code); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", name, got, tt.want)
		}
	}
}

func FuzzObserve(f *testing.F) {
	f.Add(incomingRecording)
	f.Add(">>> >>> 01:27:42.170            pjsua_app.c !SIP TCP transport is connected to 192.0.2.2:51213")
	f.Add("01:30:01.266            pjsua_app.c  ...Call 99999999999999999999 is DISCONNECTED [reason=999 ()]")
	f.Fuzz(func(t *testing.T, text string) {
		r := newRun(false)
		for l := range strings.Lines(text) {
			e, ok, show := r.observe(line(l))
			if ok && e.Kind == "" {
				t.Errorf("an event without a kind from %q", l)
			}
			if !ok && show == nil && !r.menu && !strings.Contains(l, "You have") && !strings.Contains(l, ">>>>") && !strings.Contains(l, "Current call id=") && !harmless.MatchString(l) && !strings.Contains(l, "echo "+mark) && !strings.Contains(l, "Temporary failure") {
				t.Errorf("hidden: %q", l)
			}
		}
	})
}
