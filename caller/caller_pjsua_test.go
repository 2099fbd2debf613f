//go:build pjsua

package caller

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nullcard/nullcard/config"
)

var null = Options{NullAudio: true}

// pair returns two phones in a call, the first of which has called the second.
func pair(t *testing.T) (alice, bob *phone) {
	t.Helper()
	bob = newPhone(t, config.Caller{Name: "bob", AutoAnswer: 200}, null).started()
	alice = newPhone(t, config.Caller{Name: "alice", Dial: bob.uri}, null).started()
	alice.wait(Calling)
	alice.wait(Confirmed)
	bob.wait(Confirmed)
	return alice, bob
}

func TestQuitSendsBye(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t)
	start := time.Now()
	if code := alice.quits(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	t.Logf("quit took %v", time.Since(start).Round(time.Millisecond))
	e := bob.wait(Disconnected)
	if e.Code != 200 || e.Reason != "Normal call clearing" {
		t.Errorf("the far end ended with %d (%s), want 200 by a BYE", e.Code, e.Reason)
	}
	if !strings.Contains(e.Peer, "sip:127.0.0.1") {
		t.Errorf("the far end's peer is %q", e.Peer)
	}
	if code := bob.quits(); code != 0 {
		t.Errorf("exit code of the far end %d, want 0", code)
	}
}

func TestIncomingCallRings(t *testing.T) {
	t.Parallel()
	bob := newPhone(t, config.Caller{Name: "bob", AutoAnswer: 180}, null).started()
	alice := newPhone(t, config.Caller{Name: "alice", Dial: bob.uri, SIP: config.SIP{ID: "sip:alice@127.0.0.1"}}, null).started()
	if e := bob.wait(Incoming); !strings.Contains(e.Peer, "sip:alice@127.0.0.1") {
		t.Errorf("the call is from %q, want alice", e.Peer)
	}
	if e := alice.wait(Early); e.Code != 180 || e.Reason != "Ringing" {
		t.Errorf("early with %d (%s), want 180 (Ringing)", e.Code, e.Reason)
	}
}

func TestRefusedCall(t *testing.T) {
	t.Parallel()
	bob := newPhone(t, config.Caller{Name: "bob", AutoAnswer: 486}, null).started()
	alice := newPhone(t, config.Caller{Name: "alice", Dial: bob.uri}, null).started()
	e := alice.wait(Disconnected)
	if e.Code != 486 || !strings.Contains(e.Cause, "busy") {
		t.Errorf("got %d (%s), cause %q; want 486, busy", e.Code, e.Reason, e.Cause)
	}
}

// Passwords that pjsua's file makes awkward must reach the registrar, and
// nothing else.
func TestPassword(t *testing.T) {
	t.Parallel()
	for name, password := range map[string]string{
		"plain":            "S3cretMarker",
		"blanks":           "S3cret Marker ",
		"quotes":           `S3cretMarker'"`,
		"blank and quote":  `S3cret "Marker`,
		"hash":             "#S3cretMarker",
		"long":             "S3cretMarker" + strings.Repeat("0123456789", 18),
		"not ASCII":        "S3cretMarkerÄöü",
		"an option":        "--S3cretMarker=x",
		"backslash, comma": `S3cretMarker\,;:%`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegistrar(t, "alice", password)
			p := newPhone(t, config.Caller{Name: "alice", SIP: config.SIP{
				ID: "sip:alice@127.0.0.1", Registrar: r.uri(), Username: "alice", PasswordFile: secret(t, password+"\n"),
			}}, null).started()
			r.saw("challenged")
			r.saw("registered")
			if e := p.wait(Registered); e.Expires <= 0 || e.Peer != "sip:alice@127.0.0.1" {
				t.Errorf("registered %q for %v", e.Peer, e.Expires)
			}
			for _, file := range []string{"cmdline", "environ"} {
				content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.inst.PID, file))
				if err != nil {
					t.Fatal(err)
				}
				if len(content) == 0 || bytes.Contains(content, []byte("S3cret")) {
					t.Errorf("/proc/PID/%s shows the password, or nothing: %q", file, content)
				}
			}
			if code := p.quits(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			r.saw("unregistered")
			p.wait(Unregistered)
			if out := strings.Join(p.recording(), "\n"); strings.Contains(out, "S3cret") {
				t.Errorf("pjsua wrote the password:\n%s", out)
			}
		})
	}
}

func TestRegistrationFails(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"403 Forbidden":           "refuses this account",
		"404 Not Found":           "does not know this account",
		"408 Request Timeout":     "does not answer",
		"503 Service Unavailable": "out of service",
	} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			r := newRegistrar(t, "alice", "x")
			r.answer(answer)
			p := newPhone(t, config.Caller{Name: "alice", SIP: config.SIP{
				ID: "sip:alice@127.0.0.1", Registrar: r.uri(), Username: "alice", PasswordFile: secret(t, "x"),
			}}, null).running()
			e := p.wait(RegistrationFailed)
			if got := fmt.Sprintf("%d %s", e.Code, e.Reason); got != answer || !strings.Contains(e.Cause, want) {
				t.Errorf("failed with %q, cause %q; want %q, %q", got, e.Cause, answer, want)
			}
			// It is no reason to end.
			if err := p.spec.Health.Check(t.Context(), p.inst); err != nil {
				t.Errorf("not healthy: %v", err)
			}
			if code := p.quits(); code != 0 && code != 128+15 {
				t.Errorf("exit code %d, want 0 or 143", code)
			}
		})
	}
}

// A registrar that is out of service is asked again, sooner than pjsua would,
// and the caller is ready, where that is wanted, once it is registered.
func TestRegistersAgain(t *testing.T) {
	t.Parallel()
	r := newRegistrar(t, "alice", "x")
	r.answer("503 Service Unavailable")
	p := newPhone(t, config.Caller{Name: "alice", SIP: config.SIP{
		ID: "sip:alice@127.0.0.1", Registrar: r.uri(), Username: "alice", PasswordFile: secret(t, "x"),
	}}, Options{NullAudio: true}).start()
	ready := make(chan error, 1)
	go func() { ready <- p.spec.Ready(t.Context(), p.inst) }()
	p.wait(RegistrationFailed)
	select {
	case err := <-ready:
		t.Fatalf("ready (%v) before it was registered", err)
	default:
	}
	r.answer("")
	p.wait(Registered)
	if err := <-ready; err != nil {
		t.Errorf("not ready: %v", err)
	}
	if e, ok := p.Registration(); !ok || e.Kind != Registered {
		t.Errorf("registration is %+v, %v", e, ok)
	}
}

// For a registrar that is not there pjsua would wait for 4 s; nullcard does not,
// but sees to it that the far end of a call has its BYE.
func TestQuitWhileRegistering(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	bob := newPhone(t, config.Caller{Name: "bob", AutoAnswer: 200}, null).started()
	p := newPhone(t, config.Caller{Name: "alice", Dial: bob.uri, SIP: config.SIP{
		ID: "sip:alice@127.0.0.1", Registrar: "sip:" + conn.LocalAddr().String(), Username: "alice", PasswordFile: secret(t, "x"),
	}}, null).running()
	p.wait(Confirmed)
	bob.wait(Confirmed)
	start := time.Now()
	if code := p.quits(); code != 128+15 {
		t.Errorf("exit code %d, want 143", code)
	}
	if took := time.Since(start); took > quitPatience {
		t.Errorf("quit took %v", took)
	}
	if e := bob.wait(Disconnected); e.Reason != "Normal call clearing" {
		t.Errorf("the far end saw %d (%s), want a BYE", e.Code, e.Reason)
	}
}

// A registrar that is gone by the time must not make quitting longer than it
// may take.
func TestQuitWithoutTheRegistrar(t *testing.T) {
	t.Parallel()
	r := newRegistrar(t, "alice", "x")
	p := newPhone(t, config.Caller{Name: "alice", SIP: config.SIP{
		ID: "sip:alice@127.0.0.1", Registrar: r.uri(), Username: "alice", PasswordFile: secret(t, "x"),
	}}, null).started()
	p.wait(Registered)
	r.conn.Close()
	if code := p.quits(); code != 128+15 && code != 0 {
		t.Errorf("exit code %d, want 0 or 143", code)
	}
}

func TestFailedStarts(t *testing.T) {
	t.Parallel()
	taken, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	port := taken.LocalAddr().(*net.UDPAddr).Port
	_, rtp := ports(t)
	tests := map[string]struct {
		cfg  config.Caller
		code int
		want string
	}{
		"port in use":        {config.Caller{LocalPort: port, RTPPort: rtp}, ExitUnavailable, "in use by another program"},
		"an unknown option":  {config.Caller{Args: []string{"--bogus"}}, ExitConfig, "does not know one of its options"},
		"a value refused":    {config.Caller{Args: []string{"--clock-rate=1"}}, ExitConfig, "refuses the value"},
		"a URI refused":      {config.Caller{Dial: "sip:"}, ExitConfig, "takes one of the URIs for invalid"},
		"a device not there": {config.Caller{Args: []string{"--null-audio=no", "--capture-dev=55", "--playback-dev=55"}}, ExitUnavailable, "no sound device with the number"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPhone(t, tt.cfg, null).start()
			if code := p.end(10 * time.Second); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if why := p.current().failure(); !strings.Contains(why, tt.want) {
				t.Errorf("failed because %q, want %q", why, tt.want)
			}
		})
	}
}

// Without a device the call connects and has no sound; that is a fault which
// the supervisor is told of.
func TestNoDevice(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "alsa.conf")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bob := newPhone(t, config.Caller{Name: "bob", AutoAnswer: 200}, null).started()
	alice := newPhone(t, config.Caller{Name: "alice", Dial: bob.uri}, Options{Env: append(os.Environ(), "ALSA_CONFIG_PATH="+empty)}).started()
	if e := alice.wait(AudioFault); e.Code != 420006 || !strings.Contains(e.Cure, "ALSA_CONFIG_PATH") {
		t.Errorf("fault %d, cure %q; want 420006", e.Code, e.Cure)
	}
	if err := alice.spec.Health.Check(t.Context(), alice.inst); err == nil {
		t.Error("healthy without sound")
	}
}

// What args say wins over what nullcard says.
func TestArgsWin(t *testing.T) {
	t.Parallel()
	local, rtp := ports(t)
	p := newPhone(t, config.Caller{Args: []string{
		fmt.Sprintf("--local-port=%d", local), fmt.Sprintf("--rtp-port=%d", rtp), "--app-log-level=4", "--no-tcp=no",
	}}, null).started()
	p.quits()
	out := strings.Join(p.recording(), "\n")
	for _, want := range []string{fmt.Sprintf("<sip:127.0.0.1:%d>", local), fmt.Sprintf("<sip:127.0.0.1:%d;transport=TCP>", local)} {
		if !strings.Contains(out, want) {
			t.Errorf("no account %s", want)
		}
	}
}

// 126 arguments in the file and --config-file itself are what pjsua takes.
func TestArgumentLimit(t *testing.T) {
	t.Parallel()
	args, err := arguments(config.Caller{LocalPort: 1, RTPPort: 1, Args: []string{"--bound-addr=127.0.0.1", "--ip-addr=127.0.0.1"}}, Options{NullAudio: true, Rate: 16000})
	if err != nil {
		t.Fatal(err)
	}
	newPhone(t, config.Caller{Args: slices.Repeat([]string{"--mwi"}, maxArguments-len(args))}, null).started()
	newPhone(t, config.Caller{Args: []string{"--contact-params=" + strings.Repeat("x", maxLine-len("--contact-params="))}}, null).started()
}
