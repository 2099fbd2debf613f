//go:build pjsua

package caller

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nullcard/nullcard/config"
)

// sipp runs SIPp, which is a SIP stack of its own, for one call. It ends with 0
// when all messages of its scenario were exchanged.
type sipp struct {
	t      *testing.T
	cmd    *exec.Cmd
	output bytes.Buffer
	ended  chan error
	uri    string
}

func newSIPp(t *testing.T, args ...string) *sipp {
	t.Helper()
	port, media := ports(t)
	s := &sipp{t: t, ended: make(chan error, 1), uri: fmt.Sprintf("sip:sipp@127.0.0.1:%d", port)}
	s.cmd = exec.Command("sipp", append([]string{"-i", "127.0.0.1", "-p", fmt.Sprint(port), "-mp", fmt.Sprint(media),
		"-m", "1", "-timeout", "20", "-timeout_error", "-nostdin", "-trace_err"}, args...)...)
	s.cmd.Dir = t.TempDir()
	s.cmd.Env = append(os.Environ(), "TERM=dumb")
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("cannot start sipp, which these tests need: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ended <- s.cmd.Wait()
	}()
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		<-done
		if t.Failed() {
			t.Logf("sipp wrote:\n%s", s.output.String())
		}
	})
	s.listens(port)
	return s
}

// listens waits until sipp has its port.
func (s *sipp) listens(port int) {
	s.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		sockets, err := os.ReadFile("/proc/net/udp")
		if err != nil {
			s.t.Fatal(err)
		}
		if bytes.Contains(sockets, fmt.Appendf(nil, " 0100007F:%04X ", port)) {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			s.t.Fatal("sipp does not listen after 10 s")
		}
	}
}

func (s *sipp) succeeds() {
	s.t.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("sipp did not see the call as it should be: %v", err)
		}
	case <-time.After(20 * time.Second):
		s.t.Error("sipp did not end within 20 s")
	}
}

// Hanging up by the console and quitting both end the call with a BYE that
// another SIP stack is content with.
func TestByeReachesAnotherStack(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*phone){
		"quit":   func(p *phone) { p.quits() },
		"hangup": func(p *phone) { p.Hangup(p.t.Context(), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newSIPp(t, "-sn", "uas")
			alice := newPhone(t, config.Caller{Name: "alice", Codecs: []string{"PCMU"}}, null).started()
			call := alice.dial(far.uri)
			if call.State != Confirmed {
				t.Fatalf("call %+v, want it confirmed", call)
			}
			end(alice)
			far.succeeds()
		})
	}
}

// dial calls, and returns the call once it is up or has ended.
func (p *phone) dial(uri string) Call {
	p.t.Helper()
	call, err := p.Dial(p.t.Context(), uri)
	if err == nil {
		call, err = p.WaitCall(p.t.Context(), call.ID, confirmed)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return call
}

func TestCallFromAnotherStack(t *testing.T) {
	t.Parallel()
	bob := newPhone(t, config.Caller{Name: "bob", AutoAnswer: 200}, null).started()
	far := newSIPp(t, "-sn", "uac", "-d", "300", strings.TrimPrefix(bob.uri, "sip:bob@"))
	bob.wait(Confirmed)
	if e := bob.wait(Disconnected); e.Reason != "Normal call clearing" {
		t.Errorf("ended with %d (%s)", e.Code, e.Reason)
	}
	far.succeeds()
}

const scenario = `<?xml version="1.0" encoding="ISO-8859-1" ?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="answer">
  <recv request="INVITE"/>
  %s
</scenario>
`

func response(status string, body bool) string {
	content, sdp := "Content-Length: 0\n", ""
	if body {
		content = "Contact: <sip:[local_ip]:[local_port]>\n    Content-Type: application/sdp\n    Content-Length: [len]\n"
		sdp = `
    v=0
    o=- 1 1 IN IP4 [local_ip]
    s=-
    c=IN IP4 [media_ip]
    t=0 0
    m=audio [media_port] RTP/AVP 0
    a=rtpmap:0 PCMU/8000
`
	}
	return fmt.Sprintf(`<send><![CDATA[
    SIP/2.0 %s
    [last_Via:]
    [last_From:]
    [last_To:];tag=sipp
    [last_Call-ID:]
    [last_CSeq:]
    %s%s
  ]]></send>
`, status, content, sdp)
}

func TestAnswersOfAnotherStack(t *testing.T) {
	t.Parallel()
	const ack, bye = `<recv request="ACK"/>`, `<recv request="ACK"/><recv request="BYE"/>`
	okBye := strings.ReplaceAll(response("200 OK", false), "[last_To:];tag=sipp", "[last_To:]")
	tests := map[string]struct {
		steps string
		want  Call
		early string
		cause string
	}{
		"late, after early media": {response("183 Session Progress", true) + `<pause milliseconds="2000"/>` + response("200 OK", true) + bye + okBye,
			Call{State: Confirmed, Code: 200}, "183 Session Progress", ""},
		"busy":        {response("486 Busy Here", false) + ack, Call{State: Disconnected, Code: 486}, "", "busy"},
		"declined":    {response("180 Ringing", false) + response("603 Decline", false) + ack, Call{State: Disconnected, Code: 603}, "180 Ringing", "declined"},
		"unavailable": {response("480 Temporarily Unavailable", false) + ack, Call{State: Disconnected, Code: 480}, "", "not registered"},
		"odd reason":  {response("500 Odd (really) reason=200 (OK)", false) + ack, Call{State: Disconnected, Code: 500}, "", "far end failed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "scenario.xml")
			if err := os.WriteFile(file, fmt.Appendf(nil, scenario, tt.steps), 0o600); err != nil {
				t.Fatal(err)
			}
			far := newSIPp(t, "-sf", file)
			alice := newPhone(t, config.Caller{Name: "alice", Codecs: []string{"PCMU"}}, null).started()
			call := alice.dial(far.uri)
			if call.State != tt.want.State || call.Code != tt.want.Code || !strings.Contains(call.Cause, tt.cause) {
				t.Errorf("call %+v, want %+v, %q", call, tt.want, tt.cause)
			}
			if tt.early != "" {
				if e := alice.wait(Early); fmt.Sprintf("%d %s", e.Code, e.Reason) != tt.early {
					t.Errorf("early with %d (%s), want %s", e.Code, e.Reason, tt.early)
				}
			}
			if call.State == Confirmed {
				if err := alice.Hangup(t.Context(), call.ID); err != nil {
					t.Error(err)
				}
			}
			far.succeeds()
		})
	}
}
