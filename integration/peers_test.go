package integration

import (
	"context"
	"flag"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/integration/stack"
)

var toolsImage = flag.String("tools-image", "nullcard/testtools:dev", "the image with the far ends: kamailio, baresip, sipp")

// TestBaresip runs another SIP stack on the same device as an app, with the
// configuration of examples/baresip. (That leaves out G.722, in which baresip
// and pjsua differ in level by 6 dB, each way.)
func TestBaresip(t *testing.T) {
	config, err := os.ReadFile("../examples/baresip/config")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	s := stack.New(t)
	at := registrar(ctx, s)
	to := s.Run(ctx, *toolsImage, stack.Name("baresip"), stack.Hardened(),
		stack.File("/etc/baresip/config", string(config)),
		stack.File("/etc/baresip/accounts", "<sip:bob@registrar>;outbound=\"sip:registrar:5060\";auth_user=bob;auth_pass=s3cret;answermode=auto\n"),
		stack.File("/etc/nullcard/nullcard.yaml", "apps: [{name: baresip, command: [baresip, -f, /etc/baresip]}]\n"))
	at.WaitLog(ctx, registered("bob"))
	from := callee(ctx, s, stack.Name("caller"))

	for _, round := range []string{"first", "after PulseAudio was killed"} {
		t.Run(round, func(t *testing.T) {
			from.Mark(ctx)
			from.MustExec(ctx, stack.Cmd("nullcard", "call", "dial", "sip:bob@registrar"))
			from.WaitLog(ctx, confirmed)
			duplex(ctx, t, from, to)
		})
		if round == "first" {
			from.Mark(ctx)
			at.Mark(ctx)
			to.SignalProcess(ctx, "pulseaudio", syscall.SIGKILL)
			from.WaitLog(ctx, disconnected)
			at.WaitLog(ctx, gone("bob"))
			at.WaitLog(ctx, registered("bob"))
			waitReady(ctx, to)
		}
	}
	at.Mark(ctx)
	if exit := to.Stop(ctx, syscall.SIGTERM); exit.Code != 0 {
		t.Errorf("exit code %d, want 0", exit.Code)
	}
	at.WaitLog(ctx, gone("bob"))
}
