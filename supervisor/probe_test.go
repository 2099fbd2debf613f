package supervisor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReadiness(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
		case "/elsewhere":
			http.Redirect(w, r, "/bad", http.StatusFound)
		default:
			http.Error(w, "no", http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(web.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	closed.Close()
	file := filepath.Join(t.TempDir(), "ready")

	for name, c := range map[string]struct {
		steps  []string
		ready  Check
		notify Notify
		never  string // why it is never ready
	}{
		"tcp":                   {ready: Until(CheckTCP(listener.Addr().String()))},
		"tcp, nobody":           {ready: Until(CheckTCP(closed.Addr().String())), never: "refused"},
		"http":                  {ready: Until(CheckHTTP(web.URL + "/ok"))},
		"http, redirect":        {ready: Until(CheckHTTP(web.URL + "/elsewhere"))},
		"http, error":           {ready: Until(CheckHTTP(web.URL + "/bad")), never: "503"},
		"exec":                  {steps: []string{"wait 30ms", "touch " + file}, ready: Until(CheckExec(self("until "+file, "exit 0")...))},
		"exec, failing":         {ready: Until(CheckExec(self("err because", "exit 3")...)), never: "exit code 3: because"},
		"exec, missing":         {ready: CheckExec("no-such-program"), never: "no program"},
		"line":                  {steps: []string{"say not yet", "wait 20ms", "err we are ready now"}, ready: ReadyLine(regexp.MustCompile("ready"))},
		"line, none":            {steps: []string{"say not yet"}, ready: ReadyLine(regexp.MustCompile("ready")), never: "no line matches"},
		"descriptor":            {steps: []string{"wait 20ms", "write 3 up"}, notify: Notify{FD: 3}},
		"descriptor 7":          {steps: []string{"write 7 up"}, notify: Notify{FD: 7}},
		"descriptor, silent":    {notify: Notify{FD: 3}, never: "notification descriptor"},
		"sd_notify":             {steps: []string{"notify STATUS=starting", "notify STATUS=up\nREADY=1"}, notify: Notify{Systemd: true}},
		"sd_notify, by another": {steps: []string{"leave notify READY=1/wait 3s", "sleep"}, notify: Notify{Systemd: true}, never: "NOTIFY_SOCKET"},
		"sd_notify, by a child": {steps: []string{"fork notify READY=1"}, notify: Notify{Systemd: true}},
		"both":                  {steps: []string{"write 3 up", "say up"}, notify: Notify{FD: 3}, ready: ReadyLine(regexp.MustCompile("up"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := Spec{Name: "it", Command: self(append(c.steps, "sleep")...), Ready: c.ready, Notify: c.notify, Restart: Restart{Policy: Never}}
			if c.never != "" {
				spec.ReadyTimeout = 2 * time.Second
			}
			r := begin(t, Options{}, spec)
			if c.never == "" {
				r.reached("it", Ready, 1)
				return
			}
			_, err := r.end()
			if err == nil || !strings.Contains(err.Error(), c.never) {
				t.Errorf("error %v, want one with %q", err, c.never)
			}
			if got := r.path("it"); got != "waiting starting stopping failed" {
				t.Errorf("path %q", got)
			}
		})
	}
}

// A check that hangs is ended with all that it started.
func TestHangingCheckIsKilledWithItsGroup(t *testing.T) {
	mark := fmt.Sprintf("say hung%d", time.Now().UnixNano())
	r := begin(t, Options{}, Spec{Name: "it", Command: self("sleep"), Restart: Restart{Storm: Storm{Failures: 2}},
		Health: Health{Interval: 10 * time.Millisecond, Timeout: 200 * time.Millisecond, Failures: 1,
			Check: CheckExec(self("fork ignore 15/sleep", "ignore 15", "sleep", mark)...)}})
	_, err := r.end()
	if err == nil || !strings.Contains(err.Error(), "took too long") && !strings.Contains(err.Error(), "no answer within") {
		t.Errorf("error %v", err)
	}
	if pids := withArgument(t, mark); len(pids) > 0 {
		t.Errorf("checks live on: %v", pids)
	}
	if got, want := r.path("it"), "waiting starting ready stopping backoff waiting starting ready stopping failed"; got != want {
		t.Errorf("path %q, want %q", got, want)
	}
}

func TestHealth(t *testing.T) {
	hang := func(ctx context.Context, _ *Instance) error { select {} }
	for name, c := range map[string]struct {
		health Health
		says   string
	}{
		"ignores its context": {Health{Check: hang, Interval: 5 * time.Millisecond, Timeout: 5 * time.Millisecond, Failures: 3}, "3 times"},
		"ends it all":         {Health{Check: blocked, Interval: 5 * time.Millisecond, Timeout: 5 * time.Millisecond, Failures: 1, Exit: true}, "was lost"},
		"waits for it":        {Health{Check: blocked, Interval: 5 * time.Millisecond, Timeout: 5 * time.Millisecond, Failures: 2}, "2 times"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy := Never
			if c.health.Exit {
				policy = Always
			}
			r := begin(t, Options{}, Spec{Name: "it", Command: self("sleep"), Health: c.health, Restart: Restart{Policy: policy}})
			_, err := r.end()
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one with %q", err, c.says)
			}
		})
	}
}

func TestNotifyReadsNoFurther(t *testing.T) {
	// The descriptor is gone after readiness; a process that goes on writing
	// must not be blocked, but get EPIPE at worst.
	r := begin(t, Options{}, Spec{Name: "it", Command: self("ignore 13", "write 3 up", "say up", "sleep"), Notify: Notify{FD: 3}})
	r.reached("it", Ready, 1)
	if got := r.Status()[0].PID; syscall.Kill(got, 0) != nil {
		t.Error("it is gone")
	}
}
