package integration

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nullcard/nullcard/integration/stack"
)

// Steps of a sipp scenario that answers a call.
const (
	sippACK = `<recv request="ACK"/>`
	sippBYE = `<recv request="BYE"/>`
	// Telephony's PCMU, from a raw file, until the call ends.
	sippPlay = `<nop><action><exec rtp_stream="/run/nullcard/tone.ul,-1,0,PCMU/8000"/></action></nop>`
)

func sippPause(d time.Duration) string {
	return fmt.Sprintf(`<pause milliseconds="%d"/>`, d.Milliseconds())
}

// sippSend answers with a status line such as "180 Ringing".
func sippSend(status string, sdp bool) string {
	body := "Content-Length: 0\n\n"
	if sdp {
		body = `Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
`
	}
	return `<send><![CDATA[
SIP/2.0 ` + status + `
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
` + body + `]]></send>`
}

func sippScenario(steps ...string) string {
	return "<?xml version=\"1.0\"?>\n<scenario>\n<recv request=\"INVITE\"/>\n" + strings.Join(steps, "\n") + "\n</scenario>\n"
}

// What far ends do to a call, and what `dial --wait` makes of it. sipp ends
// with 0 only if the caller kept to the scenario.
func TestFarEnds(t *testing.T) {
	const ringing = "180 Ringing"
	tests := []struct {
		name     string
		scenario string
		code     int    // exit code of dial
		reason   string // in what it says
		during   string // what the call is meanwhile: hung up by us when confirmed
		tone     bool   // heard before it is answered
	}{
		{"busy", sippScenario(sippSend("486 Busy Here", false), sippACK), 10, "486 Busy Here", "", false},
		{"declined", sippScenario(sippSend(ringing, false), sippSend("603 Decline", false), sippACK), 11, "603 Decline", "", false},
		{"not found", sippScenario(sippSend("404 Not Found", false), sippACK), 12, "404 Not Found", "", false},
		{"not there", sippScenario(sippSend("480 Temporarily Unavailable", false), sippACK), 13, "480 Temporarily Unavailable", "", false},
		{"forbidden", sippScenario(sippSend("403 Forbidden", false), sippACK), 14, "403 Forbidden", "", false},
		{"out of service", sippScenario(sippSend("503 Service Unavailable", false), sippACK), 15, "503 Service Unavailable", "", false},
		{"no codec", sippScenario(sippSend("488 Not Acceptable Here", false), sippACK), 16, "488 Not Acceptable Here", "", false},
		{
			"late answer",
			sippScenario(sippSend(ringing, false), sippPause(1500*time.Millisecond), sippSend("200 OK", true), sippACK, sippBYE, sippSend("200 OK", false)),
			0, "200 OK", "early", false,
		},
		{
			"early media", // an announcement, then the reason
			sippScenario(sippSend("183 Session Progress", true), sippPlay, sippPause(4*time.Second), sippSend("404 Not Found", false), sippACK),
			12, "404 Not Found", "early", true,
		},
	}
	ctx := t.Context()
	s := stack.New(t)
	options := []stack.Option{stack.Name("far"), stack.Hardened(), stack.Entrypoint("sleep", "infinity")}
	for _, test := range tests {
		options = append(options, stack.File("/scenarios/"+strings.ReplaceAll(test.name, " ", "-"), test.scenario))
	}
	far := s.Run(ctx, *toolsImage, options...)
	far.MustExec(ctx, stack.Cmd("sox", "-q", "-n", "-r", "8000", "-c", "1", "-t", "ul", "/run/nullcard/tone.ul", "synth", "10", "sine", "1000", "vol", "0.25"))
	from := s.Run(ctx, *image, stack.Name("caller"), stack.Hardened())
	waitReady(ctx, from)

	state := func(t *testing.T, want string) {
		t.Helper()
		from.WaitExec(ctx, stack.Shell("nullcard call list | grep -q ' "+want+" '"))
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sipp := far.Spawn(ctx, stack.Shell("cd /run/nullcard && exec sipp -sf '/scenarios/"+strings.ReplaceAll(test.name, " ", "-")+
				"' -i $(hostname -i) -p 5060 -m 1 -nostdin -timeout 20 -timeout_error"))
			waitListening(ctx, far)
			dial := from.Spawn(ctx, stack.Cmd("nullcard", "call", "dial", "--wait", "sip:far"))
			if test.during != "" {
				state(t, test.during)
			}
			if test.tone {
				const listening = 2 * time.Second
				onlyTone(t, "before an answer", heard(ctx, t, record(ctx, from, "speaker", listening), listening), 1000, 440)
				state(t, test.during)
			}
			if test.code == 0 {
				state(t, "confirmed")
				from.MustExec(ctx, stack.Cmd("nullcard", "call", "hangup"))
			}
			if r := dial.Wait(ctx); r.Code != test.code || !regexp.MustCompile(`: `+regexp.QuoteMeta(test.reason)).MatchString(r.Stdout) {
				t.Errorf("exit code %d, said %q and %q; want %d and %q", r.Code, r.Stdout, r.Stderr, test.code, test.reason)
			}
			if r := sipp.Wait(ctx); r.Code != 0 {
				t.Errorf("sipp was not content, exit code %d: %s", r.Code, r.Stderr)
			}
		})
	}
}
