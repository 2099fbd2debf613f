//go:build pjsua

package caller

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nullcard/nullcard/config"
)

func confirmed(c Call) bool { return c.State == Confirmed }

func TestDialAndHangup(t *testing.T) {
	t.Parallel()
	bob := newPhone(t, config.Caller{Name: "bob", AutoAnswer: 200}, null).started()
	alice := newPhone(t, config.Caller{Name: "alice"}, null).started()
	call, err := alice.Dial(t.Context(), bob.uri)
	if err != nil {
		t.Fatal(err)
	}
	if call.Peer != bob.uri || !call.Outgoing {
		t.Errorf("dialled %+v", call)
	}
	if call, err = alice.WaitCall(t.Context(), call.ID, confirmed); err != nil || call.State != Confirmed {
		t.Fatalf("%+v, %v; want it confirmed", call, err)
	}
	for name, p := range map[string]*phone{"alice": alice, "bob": bob} {
		p.wait(Confirmed)
		calls, err := p.Calls(t.Context())
		if err != nil || len(calls) != 1 || calls[0].State != Confirmed || calls[0].Outgoing != (name == "alice") || !strings.Contains(calls[0].Peer, "sip:") {
			t.Errorf("%s has calls %+v, %v; want one", name, calls, err)
		}
	}
	if err := alice.Hangup(t.Context(), call.ID); err != nil {
		t.Fatal(err)
	}
	call, err = alice.WaitCall(t.Context(), call.ID, nil)
	if err != nil || call.State != Disconnected || call.Code != 200 || !call.Answered {
		t.Errorf("ended as %+v, %v", call, err)
	}
	if e := bob.wait(Disconnected); e.Reason != "Normal call clearing" {
		t.Errorf("the far end saw %q, want a BYE", e.Reason)
	}
	if calls, err := alice.Calls(t.Context()); err != nil || len(calls) != 0 {
		t.Errorf("calls %+v, %v; want none", calls, err)
	}
	for what, err := range map[string]error{
		"hang up": alice.Hangup(t.Context(), call.ID),
		"hold":    alice.Hold(t.Context(), 17),
	} {
		if err == nil {
			t.Errorf("%s a call that is not there: no error", what)
		}
	}
	// What the console said is nothing for the log.
	for _, l := range alice.shown() {
		if strings.Contains(l, ">>>") || strings.Contains(l, "echo ") || strings.Contains(l, "active call") {
			t.Errorf("the log has %q", l)
		}
	}
}

func TestDialRefused(t *testing.T) {
	t.Parallel()
	alice := newPhone(t, config.Caller{Name: "alice"}, null).started()
	for uri, want := range map[string]string{
		"bob":                             "not a SIP URI",
		"-1":                              "not a SIP URI",
		"sip:bob@example.com\nq":          "line end",
		"sip:" + strings.Repeat("b", 130): "126",
		"sip:":                            "URI",
	} {
		if _, err := alice.Dial(t.Context(), uri); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("dial %q: %v, want an error with %q", uri, err, want)
		}
	}
	bob := newPhone(t, config.Caller{Name: "bob", AutoAnswer: 603}, null).started()
	call, err := alice.Dial(t.Context(), bob.uri)
	if err != nil {
		t.Fatal(err)
	}
	call, err = alice.WaitCall(t.Context(), call.ID, nil)
	if err != nil || call.Code != 603 || call.Answered || !strings.Contains(call.Cause, "declined") {
		t.Errorf("ended as %+v, %v; want it declined", call, err)
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	bob := newPhone(t, config.Caller{Name: "bob"}, null).started()
	alice := newPhone(t, config.Caller{Name: "alice"}, null).started()
	for code, want := range map[int]Kind{200: Confirmed, 486: Disconnected} {
		call, err := alice.Dial(t.Context(), bob.uri)
		if err != nil {
			t.Fatal(err)
		}
		bob.wait(Incoming)
		calls, err := bob.Calls(t.Context())
		if err != nil || len(calls) != 1 || calls[0].State != Incoming {
			t.Fatalf("bob has calls %+v, %v; want one incoming", calls, err)
		}
		if err := bob.Answer(t.Context(), calls[0].ID, 180); err != nil {
			t.Fatal(err)
		}
		alice.wait(Early)
		if err := bob.Answer(t.Context(), calls[0].ID, code); err != nil {
			t.Fatal(err)
		}
		call, err = alice.WaitCall(t.Context(), call.ID, confirmed)
		if err != nil || call.State != want || want == Disconnected && call.Code != code {
			t.Errorf("answered with %d: %+v, %v", code, call, err)
		}
		if want == Confirmed {
			bob.wait(Confirmed)
			if err := bob.Answer(t.Context(), calls[0].ID, 200); err == nil {
				t.Error("answered a call twice")
			}
			if err := bob.Hangup(t.Context(), calls[0].ID); err != nil {
				t.Fatal(err)
			}
		}
		bob.wait(Disconnected)
		alice.wait(Disconnected)
	}
}

func TestDTMF(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t)
	const all = "0123456789*#ABCD"
	if err := alice.DTMF(t.Context(), 0, strings.ToLower(all), DTMFEvent); err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if e := bob.wait(DTMF); e.Digit != string(d) || e.Reason != "RFC2833" {
			t.Fatalf("digit %q by %s arrived, want %q", e.Digit, e.Reason, d)
		}
	}
	if err := bob.DTMF(t.Context(), 0, "5", DTMFInfo); err != nil {
		t.Fatal(err)
	}
	if e := alice.wait(DTMF); e.Digit != "5" || e.Reason != "SIP INFO" {
		t.Errorf("digit %q by %s arrived, want 5 by SIP INFO", e.Digit, e.Reason)
	}
	for send, method := range map[string]string{"1q": "", "": "", strings.Repeat("1", 33): "", "1": "smoke"} {
		if err := alice.DTMF(t.Context(), 0, send, method); err == nil {
			t.Errorf("sent %q by %q", send, method)
		}
	}
}

// What pjsua tells only at level 4, among all SIP messages.
func TestMoreLog(t *testing.T) {
	t.Parallel()
	r := newRegistrar(t, "alice", "S3cret")
	bob := newPhone(t, config.Caller{Name: "bob", AutoAnswer: 200}, null).started()
	alice := newPhone(t, config.Caller{Name: "alice", LogLevel: 5, SIP: config.SIP{
		ID: "sip:alice@127.0.0.1", Registrar: r.uri(), Username: "alice", PasswordFile: secret(t, "S3cret"),
	}}, null).started()
	alice.wait(Registering)
	alice.wait(Registered)
	call, err := alice.Dial(t.Context(), bob.uri)
	if err != nil {
		t.Fatal(err)
	}
	if e := alice.wait(Media); e.Reason != "active" {
		t.Errorf("media is %s, want active", e.Reason)
	}
	if _, err := alice.WaitCall(t.Context(), call.ID, confirmed); err != nil {
		t.Fatal(err)
	}
	if err := alice.Hold(t.Context(), call.ID); err != nil {
		t.Fatal(err)
	}
	if e := alice.wait(Media); e.Reason != "local hold" {
		t.Errorf("media is %s, want local hold", e.Reason)
	}
	alice.quits()
	if out := strings.Join(alice.recording(), "\n"); strings.Contains(out, "S3cret") {
		t.Error("pjsua wrote the password")
	}
}

func TestHoldAndQuality(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t)
	// RTCP of the far end is needed for a round trip; it comes every 5 s.
	deadline := time.Now().Add(12 * time.Second)
	var q Quality
	for q.RoundTrip == 0 || q.Received.Packets < 100 {
		if time.Now().After(deadline) {
			t.Fatalf("no RTCP or no packets within 12 s: %+v", q)
		}
		var err error
		if q, err = alice.Quality(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	if q.Codec == "" || q.Rate < 8000 || q.Direction != "sendrecv" || q.Sent.Packets < 50 || q.Duration == 0 || q.RoundTrip > 50 || q.MOS < 4 || q.MOS > 4.5 {
		t.Errorf("quality %+v", q)
	}
	if err := alice.Hold(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	direction := func(want string) {
		t.Helper()
		for {
			q, err := alice.Quality(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if q.Direction == want {
				return
			}
			if time.Now().After(deadline.Add(10 * time.Second)) {
				t.Fatalf("direction %s, want %s", q.Direction, want)
			}
		}
	}
	direction("sendonly")
	if err := alice.Resume(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	direction("sendrecv")
	bob.quits()
	if e := alice.wait(Disconnected); e.Quality == nil || e.Quality.Codec != q.Codec || e.Duration == 0 {
		t.Errorf("ended with %+v", e)
	}
}

// Commands reach the call that they name, also when they come all at once.
func TestSeveralCalls(t *testing.T) {
	t.Parallel()
	alice := newPhone(t, config.Caller{Name: "alice"}, null).started()
	var bobs []*phone
	var calls []Call
	for i := range 3 {
		bob := newPhone(t, config.Caller{Name: fmt.Sprintf("bob%d", i), AutoAnswer: 200}, null).started()
		call, err := alice.Dial(t.Context(), bob.uri)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := alice.WaitCall(t.Context(), call.ID, confirmed); err != nil {
			t.Fatal(err)
		}
		bob.wait(Confirmed)
		bobs, calls = append(bobs, bob), append(calls, call)
	}
	list, err := alice.Calls(t.Context())
	if err != nil || len(list) != 3 {
		t.Fatalf("calls %+v, %v; want 3", list, err)
	}
	for i, c := range list {
		if c.ID != calls[i].ID || !strings.Contains(c.Peer, strings.TrimPrefix(bobs[i].uri, "sip:")) {
			t.Errorf("call %d is %+v, want one to %s", i, c, bobs[i].uri)
		}
	}
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			if err := alice.DTMF(t.Context(), calls[i].ID, fmt.Sprint(i), ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, bob := range bobs {
		if e := bob.wait(DTMF); e.Digit != fmt.Sprint(i) {
			t.Errorf("%s got digit %s, want %d", bob.Name(), e.Digit, i)
		}
	}
	if err := alice.Hangup(t.Context(), calls[1].ID); err != nil {
		t.Fatal(err)
	}
	bobs[1].wait(Disconnected)
	if list, err = alice.Calls(t.Context()); err != nil || len(list) != 2 || list[0].ID != calls[0].ID || list[1].ID != calls[2].ID {
		t.Errorf("calls %+v, %v; want the first and the third", list, err)
	}
	if err := alice.HangupAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	bobs[0].wait(Disconnected)
	bobs[2].wait(Disconnected)
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t)
	carol := newPhone(t, config.Caller{Name: "carol", AutoAnswer: 200}, null).started()
	if err := alice.Transfer(t.Context(), 0, carol.uri); err != nil {
		t.Fatal(err)
	}
	carol.wait(Confirmed)
	for e := alice.wait(Transfer); e.Code != 200; e = alice.wait(Transfer) {
		if e.Code/100 != 1 {
			t.Fatalf("transfer status %d (%s)", e.Code, e.Reason)
		}
	}
	alice.wait(Disconnected)
	if err := alice.Transfer(t.Context(), 0, carol.uri); err == nil {
		t.Error("transferred a call that has ended")
	}
	bob.HangupAll(t.Context())
	carol.wait(Disconnected)
}

func TestJob(t *testing.T) {
	t.Parallel()
	never := config.Restart{Policy: "never"}
	_, nobody := ports(t)
	tests := map[string]struct {
		answer int
		dial   string
		code   int
	}{
		"answered":       {200, "", 0},
		"busy":           {486, "", ExitBusy},
		"declined":       {603, "", ExitDeclined},
		"not found":      {404, "", ExitNotFound},
		"forbidden":      {403, "", ExitUnauthorized},
		"failed":         {500, "", ExitServer},
		"other":          {415, "", ExitRefused},
		"nobody listens": {0, fmt.Sprintf("sip:127.0.0.1:%d;transport=tcp", nobody), ExitServer},
		"cannot be made": {0, "sip:127.0.0.1;transport=tls", ExitUnavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var bob *phone
			if tt.answer != 0 {
				bob = newPhone(t, config.Caller{Name: "bob", AutoAnswer: tt.answer}, null).started()
				tt.dial = bob.uri
			}
			alice := newPhone(t, config.Caller{Name: "alice", Dial: tt.dial, Restart: never}, null).started()
			if tt.answer == 200 {
				alice.wait(Confirmed)
				if err := bob.HangupAll(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if code := alice.end(15 * time.Second); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
		})
	}
}

// A call whose pjsua is killed is over for those who wait for it.
func TestWaitForACallOfAKilledPjsua(t *testing.T) {
	t.Parallel()
	alice, _ := pair(t)
	waited := make(chan error, 1)
	go func() {
		call, err := alice.WaitCall(t.Context(), 0, nil)
		if err == nil && (call.State != Disconnected || call.Cause == "") {
			err = fmt.Errorf("call is %+v", call)
		}
		waited <- err
	}()
	if err := alice.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	alice.end(5 * time.Second)
	if err := <-waited; err != nil {
		t.Error(err)
	}
	if _, err := alice.Calls(t.Context()); err == nil {
		t.Error("listed the calls of a pjsua that is gone")
	}
}

func TestCommandsNeedAPjsua(t *testing.T) {
	t.Parallel()
	alice := newPhone(t, config.Caller{Name: "alice"}, null)
	if _, err := alice.Dial(t.Context(), "sip:a@b"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("dialled without pjsua: %v", err)
	}
}
