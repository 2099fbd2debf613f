package integration

import (
	"context"
	"flag"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/integration/stack"
)

var toolsImage = flag.String("tools-image", "nullcard/testtools:dev", "the image with the far ends: kamailio, baresip, sipp")

// baresipConfig knows no sound device but ALSA's default, which is nullcard's.
// (In G.722 it and pjsua differ by 6 dB, each way.)
const baresipConfig = `audio_player	alsa,default
audio_source	alsa,default
audio_alert	alsa,default
ausrc_srate	16000
auplay_srate	16000
ausrc_channels	1
auplay_channels	1
module_path	/usr/lib/baresip/modules
module	g711.so
module	alsa.so
module_app	account.so
module_app	menu.so
`

// TestBaresip runs another SIP stack on the same device as an app.
func TestBaresip(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	s := stack.New(t)
	at := registrar(ctx, s)
	to := s.Run(ctx, *toolsImage, stack.Name("baresip"), stack.Hardened(),
		stack.File("/etc/baresip/config", baresipConfig),
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
