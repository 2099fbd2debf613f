package caller

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nullcard/nullcard/config"
	"github.com/nullcard/nullcard/supervisor"
)

func TestRetryPause(t *testing.T) {
	for _, tt := range []struct {
		code, failures int
		want           time.Duration
	}{
		{503, 0, 5 * time.Second},
		{0, 1, 10 * time.Second},
		{408, 3, 40 * time.Second},
		{500, 6, 5 * time.Minute},
		{500, 1 << 40, 5 * time.Minute},
		{403, 0, time.Minute},
		{401, 2, 4 * time.Minute},
		{404, 100, 15 * time.Minute},
	} {
		if got := retryPause(tt.code, tt.failures); got != tt.want {
			t.Errorf("after %d and %d failures: %v, want %v", tt.code, tt.failures, got, tt.want)
		}
	}
	for range 100 {
		if d := jitter(time.Minute); d < 30*time.Second || d >= time.Minute {
			t.Fatalf("jitter made %v of 1m", d)
		}
	}
}

func TestRegistrationIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registration{changed: make(chan struct{})}
		if r.due(time.Now()) {
			t.Error("due before it failed")
		}
		fail := func() { r.apply(Event{Kind: RegistrationFailed, Code: 503, Time: time.Now()}) }
		fail()
		if r.due(time.Now()) {
			t.Error("due at once")
		}
		time.Sleep(retryFailed)
		if !r.due(time.Now()) || r.due(time.Now()) {
			t.Error("not due once after the pause")
		}
		fail()
		if r.failures != 2 {
			t.Errorf("%d failures, want 2", r.failures)
		}
		r.apply(Event{Kind: Registered, Time: time.Now()})
		time.Sleep(time.Hour)
		if r.due(time.Now()) || r.failures != 0 {
			t.Error("due although registered")
		}
	})
}

// The health check is where time passes for a caller that is ready.
func TestHealthRegistersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(config.Caller{Name: "alice"}, Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		var in strings.Builder
		spec, inst := c.Spec(), &supervisor.Instance{Stdin: &in}
		if err := c.current().console.attach(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
		failed := line("01:30:55.603            pjsua_acc.c  ....SIP registration failed, status=503 (Service Unavailable)")
		failed.Time = time.Now()
		spec.Output(failed)
		for range 8 {
			if err := spec.Health.Check(t.Context(), inst); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if in.String() != "rr\n" {
			t.Errorf("pjsua was told %q within 8 s of a failure, want rr once", in.String())
		}
		// This pjsua does nothing of what it is told.
		if err := spec.Stop.Ask(t.Context(), inst); err == nil || !strings.HasSuffix(in.String(), "q\n") {
			t.Errorf("pjsua was told %q (%v), want q, and that it has not quit", in.String(), err)
		}
	})
}
