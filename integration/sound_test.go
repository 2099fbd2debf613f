package integration

import (
	"context"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/integration/signal"
	"github.com/nullcard/nullcard/integration/stack"
	"github.com/ory/dockertest/v3/docker"
)

// breakable stands in for PulseAudio until /run/nullcard/mended is there.
var breakable = stack.Program("/usr/local/sbin/pulseaudio", `#!/bin/sh
[ -e /run/nullcard/mended ] || { echo "broken for this test" >&2; exit 1; }
exec /usr/bin/pulseaudio "$@"
`)

// Where PulseAudio cannot work, calls do all the same, and sound comes back
// when it can.
func TestNoSound(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	s := stack.New(t)
	to := callee(ctx, s)
	from := caller(ctx, s, breakable, stack.Env("NULLCARD_AUDIO_ON_FAILURE", "null"))
	from.WaitLog(ctx, confirmed)

	r := from.MustExec(ctx, stack.Cmd("nullcard", "health"))
	if !strings.HasPrefix(r.Stdout, "degraded: pulseaudio ") {
		t.Errorf("health says %q, want why it is degraded", r.Stdout)
	}
	wantProcesses(ctx, t, from, "nullcard", "pjsua")

	from.Mark(ctx)
	from.MustExec(ctx, stack.Cmd("touch", "/run/nullcard/mended"))
	from.WaitLog(ctx, regexp.MustCompile("sound works again"))
	from.WaitLog(ctx, proven)
	from.WaitLog(ctx, confirmed)
	waitReady(ctx, from)
	duplex(ctx, t, from, to)
	if exit := from.Stop(ctx, syscall.SIGTERM); exit.Code != 0 {
		t.Errorf("exit code %d, want 0", exit.Code)
	}
}

func TestNoSoundStopsAtOnce(t *testing.T) {
	ctx := t.Context()
	c := stack.New(t).Run(ctx, *image, breakable, stack.Hardened(), stack.Env("NULLCARD_AUDIO_ON_FAILURE", "null"))
	c.WaitLog(ctx, regexp.MustCompile("going on with null devices"))
	waitReady(ctx, c)
	if exit := c.Stop(ctx, syscall.SIGTERM); exit.Code != 0 || exit.Took > 8*time.Second {
		t.Errorf("exit code %d after %v, want 0 within the budget", exit.Code, exit.Took)
	}
}

// Otherwise the container ends, and says why.
func TestSoundFailureEnds(t *testing.T) {
	for _, policy := range []string{"exit", "restart"} {
		t.Run(policy, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
			defer cancel()
			c := stack.New(t).Run(ctx, *image, breakable, stack.Hardened(), stack.Env("NULLCARD_AUDIO_ON_FAILURE", policy))
			if code := c.Wait(ctx); code != 1 {
				t.Errorf("exit code %d, want 1, that of PulseAudio", code)
			}
			if log := c.Logs(ctx).All; !strings.Contains(log, "broken for this test") {
				t.Errorf("the log does not say why:\n%s", log)
			}
		})
	}
}

// A sound server that others run: nullcard waits for it, makes its devices
// there, and waits again when it goes away.
func TestExternalServer(t *testing.T) {
	const dir = "/run/nullcard/theirs"
	t.Run("PulseAudio", func(t *testing.T) {
		externalServer(t, *image, "unix:"+dir+"/native", "pulseaudio", "mkdir -p -m 700 "+dir+"; export PULSE_RUNTIME_PATH="+dir+" PULSE_STATE_PATH="+dir+
			"; pulseaudio -n -L 'module-native-protocol-unix socket="+dir+"/native auth-anonymous=1' -L 'module-null-sink sink_name=theirs'"+
			" --daemonize=yes --use-pid-file=no --exit-idle-time=-1 --realtime=no --high-priority=no")
	})
	t.Run("PipeWire", func(t *testing.T) {
		externalServer(t, *toolsImage, "unix:"+dir+"/pulse/native", "pipewire-pulse", "mkdir -p -m 700 "+dir+"; export XDG_RUNTIME_DIR="+dir+" HOME="+dir+`
			run() { pidof "$1" >/dev/null || setsid "$1" >/dev/null 2>&1 </dev/null & }
			run pipewire
			until [ -S "$HOME/pipewire-0" ]; do sleep 0.05; done # the others end where there is none
			run wireplumber
			run pipewire-pulse`)
	})
}

// externalServer runs nullcard on a server that start starts and that ends with
// process, twice.
func externalServer(t *testing.T, image, server, process, start string) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	c := stack.New(t).Run(ctx, image, stack.Hardened(), stack.Args("sleep", "infinity"),
		stack.Env("NULLCARD_AUDIO_BACKEND", "external"), stack.Env("PULSE_SERVER", server))
	c.WaitLog(ctx, regexp.MustCompile("waiting for the sound server"))
	for range 2 {
		c.MustExec(ctx, stack.Shell(start))
		c.WaitLog(ctx, proven)
		c.WaitLog(ctx, appStarted)
		waitReady(ctx, c)
		const listening = 2 * time.Second
		playing, mic := playTone(ctx, c, 440, 3*time.Second), record(ctx, c, "mic", listening)
		onlyTone(t, "from the feed to the microphone", heard(ctx, t, mic, listening), 440, 880)
		if r := playing.Wait(ctx); r.Code != 0 {
			t.Errorf("playing ended with exit code %d: %s", r.Code, r.Stderr)
		}
		c.Mark(ctx)
		c.SignalProcess(ctx, process, syscall.SIGKILL)
		c.WaitLog(ctx, regexp.MustCompile("process stopped, to be started again"))
		c.MustExec(ctx, stack.Cmd("rm", "-f", strings.TrimPrefix(server, "unix:")))
	}
	if exit := c.Stop(ctx, syscall.SIGTERM); exit.Code != 0 {
		t.Errorf("exit code %d, want 0", exit.Code)
	}
}

// A call is up and one direction is digital silence: that is told, with a cure.
func TestOneWayAudio(t *testing.T) {
	ctx := t.Context()
	s := stack.New(t)
	to := callee(ctx, s)
	from := caller(ctx, s, stack.Env("NULLCARD_AUDIO_ONE_WAY", "2s"))
	from.WaitLog(ctx, confirmed)
	playing := playTone(ctx, to, 440, 6*time.Second)
	from.WaitLog(ctx, regexp.MustCompile(`msg="the far end speaks"`))
	from.WaitLog(ctx, regexp.MustCompile(`one-way audio: nothing is sent to the far end.* cure=`))
	if r := playing.Wait(ctx); r.Code != 0 {
		t.Errorf("playing ended with exit code %d: %s", r.Code, r.Stderr)
	}
}

// Programs that know nothing of nullcard find the device with no arguments.
func TestALSAPrograms(t *testing.T) {
	ctx := t.Context()
	c := device(ctx, stack.New(t), stack.Config(func(c *docker.Config) { c.Image = *toolsImage }))
	const env = "export PULSE_SERVER=unix:/run/nullcard/pulse/native PULSE_SINK=virtual_speaker PULSE_SOURCE=virtual_mic ALSA_CONFIG_PATH=/run/nullcard/alsa.conf; "
	if list := c.MustExec(ctx, stack.Shell(env+"aplay -L")).Stdout; !strings.HasPrefix(list, "default\n") || strings.Count(list, "\n") != 2 {
		t.Errorf("aplay -L lists more than one device:\n%s", list)
	}
	const listening = 2 * time.Second
	test := c.Spawn(ctx, stack.Shell(env+"exec speaker-test -t sine -f 440 -l 1 -c 1 -S 25"))
	onlyTone(t, "from speaker-test to the speaker", heard(ctx, t, record(ctx, c, "speaker", listening), listening), 440, 880)
	if r := test.Wait(ctx); r.Code != 0 {
		t.Errorf("speaker-test ended with exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}

	playing := playTone(ctx, c, 440, 4*time.Second)
	r := c.MustExec(ctx, stack.Shell(env+"exec arecord -q -f S16_LE -r 16000 -c 1 -d 2"))
	clip, err := signal.DecodeWAV([]byte(r.Stdout))
	if err != nil {
		t.Fatal(err)
	}
	onlyTone(t, "from the feed to arecord", clip, 440, 880)
	if r := playing.Wait(ctx); r.Code != 0 {
		t.Errorf("playing ended with exit code %d: %s", r.Code, r.Stderr)
	}
}

// Devices of every format are made, proven, and carry sound.
func TestDeviceFormats(t *testing.T) {
	ctx := t.Context()
	c := device(ctx, stack.New(t), stack.File("/etc/nullcard/nullcard.yaml", `
devices:
  - {name: narrow, rate: 8000}
  - {name: studio, rate: 48000, channels: 2, format: s24le}
  - {name: float, rate: 44100, format: float32le}
  - {name: wide, rate: 96000, channels: 2, format: s32le}
`))
	list := c.MustExec(ctx, stack.Cmd("nullcard", "devices", "--prove")).Stdout
	for _, name := range []string{"narrow", "studio", "float", "wide"} {
		c.WaitLog(ctx, regexp.MustCompile(`msg="audio proven" device=`+name+" "))
		const listening = 2 * time.Second
		playing := c.Spawn(ctx, stack.Cmd("nullcard", "tone", "--device", name, "--freq", "440", "--level", "-12", "--duration", "3s"))
		mic := c.Spawn(ctx, stack.Cmd("nullcard", "record", "--device", name, "--source", "mic", "--duration", listening.String(), "-"))
		onlyTone(t, "through "+name, heard(ctx, t, mic, listening), 440, 880)
		if r := playing.Wait(ctx); r.Code != 0 {
			t.Errorf("playing to %s ended with exit code %d: %s", name, r.Code, r.Stderr)
		}
	}
	if strings.Count(list, " ok ") != 12 {
		t.Errorf("not all ends of the devices are well:\n%s", list)
	}
}
