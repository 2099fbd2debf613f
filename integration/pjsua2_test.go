package integration

import (
	"context"
	"flag"
	"os"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/integration/signal"
	"github.com/nullcard/nullcard/integration/stack"
)

var pjsua2Image = flag.String("pjsua2-image", "nullcard/pjsua2:dev", "the image with Python and pjsua2")

const botFile = "/opt/bot/bot.py"

var (
	botListed = regexp.MustCompile(`bot: audio device \d+: (.*)`)
	botReady  = regexp.MustCompile(`bot: ready for calls`)
	botEnded  = regexp.MustCompile(`bot: call \d+, .*: DISCONNECTED`)
)

// bot is examples/pjsua2-bot as a user would run it, with a tone of 660 Hz for
// its callers. With /tmp as a tmpfs it can record in a read-only container.
func bot(ctx context.Context, t *testing.T, s *stack.Stack, options ...stack.Option) *stack.Container {
	t.Helper()
	program, err := os.ReadFile("../examples/pjsua2-bot/bot.py")
	if err != nil {
		t.Fatal(err)
	}
	c := s.Run(ctx, *pjsua2Image, append([]stack.Option{
		stack.Name("bot"), stack.Hardened(), stack.Tmpfs("/tmp"), stack.File(botFile, string(program)),
		stack.Args("python3", botFile), stack.Env("BOT_TONE", "660"),
	}, options...)...)
	c.WaitLog(ctx, botReady)
	return c
}

// botCall calls the bot, wants its tone at the caller's speaker, hangs up, and
// wants what the caller said in the bot's recording of that call.
func botCall(ctx context.Context, t *testing.T, from, to *stack.Container, recording string) {
	t.Helper()
	from.Mark(ctx)
	to.Mark(ctx)
	from.MustExec(ctx, stack.Cmd("nullcard", "call", "dial", "sip:bot"))
	from.WaitLog(ctx, confirmed)

	const sending, listening = 3 * time.Second, 2 * time.Second
	said := playTone(ctx, from, 440, sending)
	onlyTone(t, "from the bot to the caller", heard(ctx, t, record(ctx, from, "speaker", listening), listening), 660, 440)
	if r := said.Wait(ctx); r.Code != 0 {
		t.Errorf("playing ended with exit code %d: %s", r.Code, r.Stderr)
	}

	from.MustExec(ctx, stack.Cmd("nullcard", "call", "hangup"))
	to.WaitLog(ctx, botEnded)
	wav := to.MustExec(ctx, stack.Cmd("cat", recording)).Stdout
	clip, err := signal.DecodeWAV([]byte(wav))
	if err != nil {
		t.Fatalf("the bot's recording: %v", err)
	}
	part := purest(clip, 440, time.Second)
	if is, other := part.ToneLevel(440), part.ToneLevel(660); clip.Duration() < sending || part.Level() < -20 || is < -3 || other > -30 {
		t.Errorf("the bot recorded %v with a second of %.1f dBFS, of which 440 Hz %.1f dB and 660 Hz %.1f dB; want at least %v, -20, -3, and at most -30",
			clip.Duration(), part.Level(), is, other, sending)
	}
}

func TestBot(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	s := stack.New(t)
	from := callee(ctx, s, stack.Name("caller"))
	to := bot(ctx, t, s)

	t.Run("devices", func(t *testing.T) {
		devices := botListed.FindAllStringSubmatch(to.Logs(ctx).Stdout, -1)
		if want := "default (ALSA, 1 in, 1 out)"; len(devices) != 1 || devices[0][1] != want {
			t.Errorf("the bot lists %q, want only %q", devices, want)
		}
	})
	t.Run("call", func(t *testing.T) { botCall(ctx, t, from, to, "/tmp/call-1.wav") })
	t.Run("device in the call", func(t *testing.T) {
		from.Mark(ctx)
		from.MustExec(ctx, stack.Cmd("nullcard", "call", "dial", "sip:bot"))
		from.WaitLog(ctx, confirmed)
		const sending, listening = 3 * time.Second, 2 * time.Second
		said := playTone(ctx, from, 440, sending)
		onlyTone(t, "from the caller to the bot's device", heard(ctx, t, record(ctx, to, "speaker", listening), listening), 440, 660)
		said.Wait(ctx)
	})
	t.Run("stop in a call", func(t *testing.T) {
		from.Mark(ctx)
		exit := to.Stop(ctx, syscall.SIGTERM)
		if exit.Code != 0 || exit.Took > 4*time.Second {
			t.Errorf("exit code %d after %v, want 0 within 4s", exit.Code, exit.Took)
		}
		if m := from.WaitLog(ctx, disconnected); m[1] != "200" {
			t.Errorf("the caller saw the call end with %s, want 200 (by a BYE)", m[1])
		}
	})
}

// A bot whose sound cannot be set up answers calls all the same.
func TestBotWithoutSound(t *testing.T) {
	for name, option := range map[string]stack.Option{
		"without nullcard": stack.Entrypoint("python3", botFile),
		"on purpose":       stack.Env("BOT_AUDIO", "null"),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			s := stack.New(t)
			from := callee(ctx, s, stack.Name("caller"))
			to := bot(ctx, t, s, option)
			to.WaitLog(ctx, regexp.MustCompile(`bot: sound: the null device`))
			botCall(ctx, t, from, to, "/tmp/call-1.wav")
			if exit := to.Stop(ctx, syscall.SIGTERM); exit.Code != 0 {
				t.Errorf("exit code %d, want 0", exit.Code)
			}
		})
	}
}

// With its sound server a bot loses its calls, and is back for the next one.
func TestBotRecovery(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"PulseAudio killed": syscall.SIGKILL, "PulseAudio hung": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			s := stack.New(t)
			from := callee(ctx, s, stack.Name("caller"))
			to := bot(ctx, t, s)
			from.MustExec(ctx, stack.Cmd("nullcard", "call", "dial", "sip:bot"))
			from.WaitLog(ctx, confirmed)

			from.Mark(ctx)
			to.Mark(ctx)
			to.SignalProcess(ctx, "pulseaudio", sig)
			if m := from.WaitLog(ctx, disconnected); m[1] != "200" {
				t.Errorf("the caller saw the call end with %s, want 200 (by a BYE)", m[1])
			}
			to.WaitLog(ctx, botReady)
			waitReady(ctx, to)
			botCall(ctx, t, from, to, "/tmp/call-1.wav") // its count begins anew
		})
	}
}
