//go:build pulse

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/audio/pcm"
	"github.com/nullcard/nullcard/supervisor"
)

// startSound runs a sound server under the supervisor and points the commands
// at it.
func startSound(t *testing.T) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "nc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("NULLCARD_RUNTIME_DIR", dir)
	server, err := audio.NewServer(audio.Options{
		RuntimeDir: dir, Devices: []audio.Device{{Name: "virtual"}}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{}, 1)
	sup, err := supervisor.New(supervisor.Options{
		Logger: slog.New(slog.DiscardHandler),
		Output: func(l supervisor.Line) { t.Logf("%s", l.Text) },
		Event: func(e supervisor.Event) {
			if e.To == supervisor.Ready {
				ready <- struct{}{}
			}
		},
	}, []supervisor.Spec{server.Spec()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = sup.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		server.Close()
	})
	select {
	case <-ready:
	case <-time.After(10 * time.Second):
		t.Fatal("no sound server after 10 s; this test needs pulseaudio")
	}
	return dir
}

// recordMic records the mic in the background.
func recordMic(t *testing.T, args ...string) func() (pcm.Format, []float64, transferReport) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "mic.wav")
	var errout bytes.Buffer
	var code int
	done := make(chan struct{})
	go func() {
		defer close(done)
		code = Main(t.Context(), append(append([]string{"record", "--json", "--source", "mic"}, args...), name), stdio{nil, io.Discard, &errout})
	}()
	return func() (pcm.Format, []float64, transferReport) {
		t.Helper()
		<-done
		if code != 0 {
			t.Fatalf("record: exit code %d: %s", code, &errout)
		}
		var r transferReport
		if err := json.Unmarshal(errout.Bytes(), &r); err != nil {
			t.Fatalf("record reported %q: %v", &errout, err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		format, n, err := pcm.ReadWAV(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil || int64(len(b)) != n {
			t.Fatalf("%d bytes of %d announced, %v", len(b), n, err)
		}
		return format, format.Encoding.Decode(nil, b), r
	}
}

// encode writes mono samples in a format, the same on all channels.
func encode(f pcm.Format, samples []float64) []byte {
	var b []byte
	le := binary.LittleEndian
	for _, v := range samples {
		for range f.Channels {
			switch f.Encoding {
			case pcm.U8:
				b = append(b, byte(math.Round(v*127))+128)
			case pcm.S16:
				b = pcm.EncodeS16(b, []float64{v})
			case pcm.S24:
				n := uint32(int32(v * (1<<23 - 1)))
				b = append(b, byte(n), byte(n>>8), byte(n>>16))
			case pcm.S32:
				b = le.AppendUint32(b, uint32(int32(v*(1<<31-1))))
			case pcm.F32:
				b = le.AppendUint32(b, math.Float32bits(float32(v)))
			}
		}
	}
	return b
}

// TestPulsePlayAndRecord plays a chirp in each format and hears it at the mic.
func TestPulsePlayAndRecord(t *testing.T) {
	startSound(t)
	const length = 100 * time.Millisecond
	for _, test := range []struct {
		format pcm.Format
		args   []string // raw, with these
	}{
		{format: pcm.Format{Encoding: pcm.S16, Rate: 16000, Channels: 1}},
		{format: pcm.Format{Encoding: pcm.U8, Rate: 8000, Channels: 1}},
		{format: pcm.Format{Encoding: pcm.S24, Rate: 48000, Channels: 2}},
		{format: pcm.Format{Encoding: pcm.S32, Rate: 44100, Channels: 1}},
		{format: pcm.Format{Encoding: pcm.F32, Rate: 96000, Channels: 2}},
		{format: pcm.Format{Encoding: pcm.S16, Rate: 22050, Channels: 1}},
		{format: pcm.Format{Encoding: pcm.S16, Rate: 16000, Channels: 1}, args: []string{"--raw"}},
		{format: pcm.Format{Encoding: pcm.F32, Rate: 48000, Channels: 2}, args: []string{"--raw", "--format", "float32le", "--rate", "48000", "--channels", "2"}},
	} {
		t.Run(test.format.String()+strings.Join(test.args, " "), func(t *testing.T) {
			result := recordMic(t, "--duration", "1s")
			sound := encode(test.format, append(make([]float64, test.format.Rate/5), pcm.Chirp(test.format.Rate, length, 0.5)...))
			if test.args == nil {
				sound = append(pcm.WAVHeader(test.format, int64(len(sound))), sound...)
			}
			var errout bytes.Buffer
			code := Main(t.Context(), append(append([]string{"play", "--json"}, test.args...), "-"), stdio{bytes.NewReader(sound), io.Discard, &errout})
			var played transferReport
			if err := json.Unmarshal(errout.Bytes(), &played); code != 0 || err != nil {
				t.Fatalf("play: exit code %d: %s", code, &errout)
			}
			format, heard, recorded := result()
			if want := (pcm.Format{Encoding: pcm.S16, Rate: 16000, Channels: 1}); format != want || len(heard) != 16000 {
				t.Errorf("recorded %d samples of %v, want 16000 of %v", len(heard), format, want)
			}
			if played.Frames != int64(test.format.Rate/5+test.format.Rate/10) || played.Underflows != 0 || math.Abs(played.PeakDBFS+6) > 0.2 {
				t.Errorf("played %+v", played)
			}
			// 8 kHz carries the chirp up to 3.4 kHz, too.
			m := pcm.Find(heard, pcm.Chirp(16000, length, 0.5))
			if m.Score < 0.9 || m.Gain < 0.9 || m.Gain > 1.1 {
				t.Fatalf("the chirp came out as %+v", m)
			}
			delay := recorded.StartedUnixNS + int64(m.Offset)*1e9/16000 - played.StartedUnixNS - 2e8
			if delay < -5e6 || delay > 5e6 {
				t.Errorf("the chirp came %v after it was played", time.Duration(delay))
			}
		})
	}
}

// TestPulseCutShort plays what there is of a broken file, and says so.
func TestPulseCutShort(t *testing.T) {
	startSound(t)
	f := pcm.Format{Encoding: pcm.S16, Rate: 16000, Channels: 1}
	file := append(pcm.WAVHeader(f, 32000), make([]byte, 3200)...)
	var errout bytes.Buffer
	code := Main(t.Context(), []string{"play", "-"}, stdio{bytes.NewReader(file), io.Discard, &errout})
	if code != 1 || !strings.Contains(errout.String(), "played 0.100 s") || !strings.Contains(errout.String(), "cut short, at 0.100 s of 1.000 s") {
		t.Errorf("exit code %d: %s", code, &errout)
	}
}

// TestPulseInterruptedRecording ends a recording as Ctrl-C does.
func TestPulseInterruptedRecording(t *testing.T) {
	startSound(t)
	result := recordMic(t)
	code, _, errout := nullcard(t, "tone", "--duration", "300ms")
	if code != 0 || !strings.Contains(errout, "played 0.300 s") {
		t.Fatalf("tone: exit code %d: %s", code, errout)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_, heard, report := result()
	if len(heard) < 4000 || report.Frames != int64(len(heard)) || math.Abs(report.PeakDBFS+12) > 0.1 {
		t.Errorf("recorded %d samples, reported as %+v", len(heard), report)
	}
}

func TestPulseDevices(t *testing.T) {
	startSound(t)
	code, out, errout := nullcard(t, "devices", "--json", "--prove")
	var list []audio.Standing
	if err := json.Unmarshal([]byte(out), &list); code != 0 || err != nil {
		t.Fatalf("devices: exit code %d, %v: %s%s", code, err, out, errout)
	}
	if len(list) != 1 || list[0].Name != "virtual" || !list[0].Whole() || list[0].Rate != 16000 || list[0].Channels != 1 ||
		list[0].Proof == nil || list[0].Mic.Level == nil || list[0].Mic.Level.RMS != pcm.Floor {
		t.Errorf("devices: %s", out)
	}
	if code, out, errout := nullcard(t, "devices"); code != 0 || !strings.Contains(out, "virtual_mic ") || !strings.Contains(out, "silent") {
		t.Errorf("devices: exit code %d: %s%s", code, out, errout)
	}
	if code, out, errout := nullcard(t, "level", "--duration", "450ms"); code != 0 || strings.Count(out, "virtual mic ") != 4 {
		t.Errorf("level: exit code %d: %s%s; want four windows", code, out, errout)
	}
	if code, _, errout := nullcard(t, "level", "--device", "other"); code != 69 || !strings.Contains(errout, "no such device") {
		t.Errorf("level of another device: exit code %d: %s", code, errout)
	}
	if code, _, errout := nullcard(t, "tone", "--device", "other"); code != 69 || !strings.Contains(errout, `no device "other"`) {
		t.Errorf("tone on another device: exit code %d: %s", code, errout)
	}
	if code, _, errout := nullcard(t, "record", "--device", "other", filepath.Join(t.TempDir(), "x")); code != 69 || !strings.Contains(errout, `no device "other"`) {
		t.Errorf("record from another device: exit code %d: %s", code, errout)
	}
}

// TestPulseSetup has nothing to do on a server where the device stands.
func TestPulseSetup(t *testing.T) {
	dir := startSound(t)
	t.Setenv("PULSE_SERVER", "unix:"+audio.Socket(dir))
	for _, test := range []struct {
		args []string
		out  string
	}{
		{[]string{"setup"}, "PULSE_SINK=virtual_speaker PULSE_SOURCE=virtual_mic"},
		{[]string{"setup", "virtual"}, "nothing to do"},
		{[]string{"teardown", "none"}, "nothing to do"},
	} {
		if code, out, errout := nullcard(t, test.args...); code != 0 || !strings.Contains(out, test.out) {
			t.Errorf("%v: exit code %d: %s%s", test.args, code, out, errout)
		}
	}
	if code, out, errout := nullcard(t, "devices"); code != 0 || !strings.Contains(out, "virtual_mic ") {
		t.Errorf("devices afterwards: exit code %d: %s%s", code, out, errout)
	}
}
