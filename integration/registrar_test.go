package integration

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/integration/stack"
)

// kamailio is a registrar that asks for a digest, knows one password for all
// users, and routes calls to who is registered. It logs what it keeps after
// each registration.
const kamailio = `#!KAMAILIO
debug=1
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:0.0.0.0:5060

loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "xlog.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"

request_route {
	if (!is_method("REGISTER")) {
		if (lookup("location")) {
			t_relay();
		} else {
			sl_send_reply("404", "Not Found");
		}
		exit;
	}
	if (!pv_www_authenticate("nullcard.test", "s3cret", "0")) {
		if (is_present_hf("Authorization")) {
			xlog("L_ALERT", "$tU: wrong password\n");
		}
		www_challenge("nullcard.test", "0");
		exit;
	}
	save("location");
	if (reg_fetch_contacts("location", "$tu", "kept")) {
		xlog("L_ALERT", "$tU: $(ulc(kept=>count)) at $(ulc(kept=>addr)[0])\n");
	} else {
		xlog("L_ALERT", "$tU: 0\n");
	}
}
`

// registrar is one whose users have the password s3cret.
func registrar(ctx context.Context, s *stack.Stack) *stack.Container {
	c := s.Run(ctx, *toolsImage, stack.Name("registrar"), stack.Hardened(), stack.File("/etc/kamailio/test.cfg", kamailio),
		stack.Entrypoint("kamailio", "-DD", "-E", "-m", "16", "-M", "4", "-Y", "/run/nullcard", "-f", "/etc/kamailio/test.cfg"))
	waitListening(ctx, c)
	return c
}

// waitListening waits until something in c has UDP port 5060.
func waitListening(ctx context.Context, c *stack.Container) {
	c.WaitExec(ctx, stack.Cmd("grep", "-q", ":13C4 ", "/proc/net/udp"))
}

// registered is what the registrar logs when user has one contact, registered
// again or not; gone, when it has none.
func registered(user string) *regexp.Regexp {
	return regexp.MustCompile(`<script>: ` + user + `: 1 at (\S+)`)
}

func gone(user string) *regexp.Regexp { return regexp.MustCompile(`<script>: ` + user + `: 0`) }

// alice is a caller with an account at the registrar.
func alice(ctx context.Context, s *stack.Stack, password string) *stack.Container {
	c := s.Run(ctx, *image, stack.Name("alice"), stack.Hardened(),
		stack.Secret("/etc/nullcard/password", password+"\n", 10001),
		stack.File("/etc/nullcard/nullcard.yaml", `
callers:
  - name: alice
    sip: {id: "sip:alice@registrar", registrar: "sip:registrar", username: alice, password_file: /etc/nullcard/password}
    auto_answer: 200
`))
	return c
}

// account is what `nullcard status --json` tells of the one caller.
type account struct {
	Registration string `json:"registration"`
	Code         int    `json:"code"`
	Cause        string `json:"cause"`
	Cure         string `json:"cure"`
	restarts     int
}

func waitAccount(ctx context.Context, t *testing.T, c *stack.Container, registration string) account {
	t.Helper()
	var a account
	c.WaitFor(ctx, "an account that is "+registration, func(context.Context) (bool, string) {
		r := c.Exec(ctx, stack.Cmd("nullcard", "status", "--json"))
		if r.Code != 0 {
			return false, r.Stderr
		}
		out := r.Stdout
		var status struct {
			Callers   []account `json:"callers"`
			Processes []struct {
				Name     string `json:"name"`
				Restarts int    `json:"restarts"`
			} `json:"processes"`
		}
		if err := json.Unmarshal([]byte(out), &status); err != nil {
			t.Fatalf("status: %v: %s", err, out)
		}
		if len(status.Callers) != 1 || len(status.Processes) != 2 {
			return false, out
		}
		a = status.Callers[0]
		a.restarts = status.Processes[1].Restarts
		return a.Registration == registration, out
	})
	return a
}

func TestRegistration(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	s := stack.New(t)
	at := registrar(ctx, s)
	c := alice(ctx, s, "s3cret")
	contact := at.WaitLog(ctx, registered("alice"))[1]
	if a := waitAccount(ctx, t, c, "registered"); a.Code != 200 || a.Cause != "" {
		t.Errorf("the account is %+v, want 200 and no cause", a)
	}

	t.Run("called by name", func(t *testing.T) {
		from := callee(ctx, s, stack.Name("caller"))
		from.MustExec(ctx, stack.Cmd("nullcard", "call", "dial", "sip:alice@registrar"))
		from.WaitLog(ctx, confirmed)
		c.WaitLog(ctx, confirmed)
		from.MustExec(ctx, stack.Cmd("nullcard", "call", "hangup"))
	})
	t.Run("restart", func(t *testing.T) {
		at.Mark(ctx)
		c.MustExec(ctx, stack.Cmd("nullcard", "restart", "alice"))
		at.WaitLog(ctx, gone("alice"))
		if again := at.WaitLog(ctx, registered("alice"))[1]; again != contact {
			t.Errorf("registered %s and after a restart %s, want the same", contact, again)
		}
	})
	t.Run("killed", func(t *testing.T) {
		at.Mark(ctx)
		c.SignalProcess(ctx, "pjsua", syscall.SIGKILL)
		if again := at.WaitLog(ctx, registered("alice"))[1]; again != contact {
			t.Errorf("registered %s and after a crash %s, want the same", contact, again)
		}
		waitAccount(ctx, t, c, "registered")
	})
	t.Run("stop", func(t *testing.T) {
		at.Mark(ctx)
		if exit := c.Stop(ctx, syscall.SIGTERM); exit.Code != 0 {
			t.Errorf("exit code %d, want 0", exit.Code)
		}
		at.WaitLog(ctx, gone("alice"))
	})
}

// A registration that is refused is explained, and nothing is restarted for
// it: the caller still makes calls.
func TestWrongPassword(t *testing.T) {
	ctx := t.Context()
	s := stack.New(t)
	at := registrar(ctx, s)
	to := callee(ctx, s)
	c := alice(ctx, s, "s3cre7")

	a := waitAccount(ctx, t, c, "registration_failed")
	if a.Code != 401 || !strings.Contains(a.Cause, "does not accept the password") || !strings.Contains(a.Cure, "sip.password_file") {
		t.Errorf("the account is %+v, want 401, the password as its cause, and the file to check", a)
	}
	if r := c.Exec(ctx, stack.Cmd("nullcard", "health")); r.Code != 1 || !strings.Contains(r.Stderr, "alice is starting: registration failed: 401 ") {
		t.Errorf("health: exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	c.WaitLog(ctx, regexp.MustCompile(`level=WARN .*does not accept the password.* caller=alice .*password_file`))
	c.MustExec(ctx, stack.Cmd("nullcard", "call", "dial", "sip:callee"))
	to.WaitLog(ctx, confirmed)
	if a := waitAccount(ctx, t, c, "registration_failed"); a.restarts != 0 {
		t.Errorf("%d restarts, want none", a.restarts)
	}
	if n := strings.Count(at.Logs(ctx).All, "alice: wrong password"); n != 1 {
		t.Errorf("the registrar was asked %d times with the wrong password, want once", n)
	}
	for _, secret := range []string{"s3cre7", "s3cret"} {
		if strings.Contains(c.Logs(ctx).All, secret) {
			t.Errorf("the log has the password %s", secret)
		}
	}
}

func TestBotRegisters(t *testing.T) {
	ctx := t.Context()
	s := stack.New(t)
	at := registrar(ctx, s)
	c := bot(ctx, t, s,
		stack.Secret("/opt/bot/password", "s3cret\n", 10001),
		stack.Env("BOT_SIP_ID", "sip:bot@registrar"), stack.Env("BOT_SIP_REGISTRAR", "sip:registrar"),
		stack.Env("BOT_SIP_USERNAME", "bot"), stack.Env("BOT_SIP_PASSWORD_FILE", "/opt/bot/password"))
	at.WaitLog(ctx, registered("bot"))
	if exit := c.Stop(ctx, syscall.SIGTERM); exit.Code != 0 || exit.Took > 4*time.Second {
		t.Errorf("exit code %d after %v, want 0 within 4s", exit.Code, exit.Took)
	}
	at.WaitLog(ctx, gone("bot"))
}
