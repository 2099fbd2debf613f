//go:build pulse

package audio

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jfreymuth/pulse/proto"

	"github.com/nullcard/nullcard/audio/pcm"
)

// pactl runs PulseAudio's own tool on the server and gives what it prints.
func pactl(t *testing.T, s *Server, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "pactl", args...)
	cmd.Env = []string{"PATH=" + path(), "LANG=C", "HOME=" + s.dir(), "PULSE_SERVER=unix:" + Socket(s.o.RuntimeDir)}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("pactl %s: %v: %s; this test needs pulseaudio-utils", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// eventually waits until check gives nil, and fails with its last error.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(5 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// asWanted tells what is not as the devices should be.
func asWanted(ctx context.Context, c *Conn, devices []Device) error {
	have, err := observe(ctx, c)
	if err != nil {
		return err
	}
	steps, err := plan(have, wanted{devices: devices, defaults: true})
	if err == nil && len(steps) > 0 {
		err = &unwanted{describe(steps)}
	}
	return err
}

type unwanted struct{ steps string }

func (u *unwanted) Error() string { return "still to do: " + u.steps }

// TestDevicesAreRepaired breaks the devices with pactl and waits for them.
func TestDevicesAreRepaired(t *testing.T) {
	devices := []Device{{Name: "virtual"}, {Name: "second", Rate: 48000, Channels: 2}}
	s, inst := startServer(t, devices...)
	c := dial(t, s)
	// pactl load-module prints the index of what it made.
	foreign := strings.TrimSpace(pactl(t, s, "load-module", "module-null-sink", "sink_name=foreign"))
	module := func(name string) string {
		for line := range strings.Lines(pactl(t, s, "list", "short", "modules")) {
			if strings.Contains(line, "_name="+name+" ") {
				return strings.Fields(line)[0]
			}
		}
		t.Fatalf("no module made %s", name)
		return ""
	}
	for _, tt := range []struct {
		name    string
		breakIt func() []string
		proven  string // device that is proven again
	}{
		{"speaker unloaded", func() []string { return []string{"unload-module", module("virtual_speaker")} }, "virtual"},
		{"feed unloaded", func() []string { return []string{"unload-module", module("second_mic_feed")} }, "second"},
		{"mic unloaded", func() []string { return []string{"unload-module", module("virtual_mic")} }, "virtual"},
		{"sink muted", func() []string { return []string{"set-sink-mute", "virtual_mic_feed", "1"} }, ""},
		{"source muted", func() []string { return []string{"set-source-mute", "virtual_mic", "1"} }, ""},
		{"monitor muted", func() []string { return []string{"set-source-mute", "virtual_speaker.monitor", "1"} }, ""},
		{"volume lowered", func() []string { return []string{"set-sink-volume", "virtual_speaker", "10%"} }, ""},
		{"volume raised", func() []string { return []string{"set-source-volume", "second_mic", "150%"} }, ""},
		{"sink suspended", func() []string { return []string{"suspend-sink", "virtual_speaker", "1"} }, ""},
		{"source suspended", func() []string { return []string{"suspend-source", "virtual_mic", "1"} }, ""},
		{"default sink changed", func() []string { return []string{"set-default-sink", "foreign"} }, ""},
		{"default source changed", func() []string { return []string{"set-default-source", "foreign.monitor"} }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := time.Now()
			pactl(t, s, tt.breakIt()...)
			broken := time.Now()
			eventually(t, "repaired", func() error { return asWanted(t.Context(), c, devices) })
			t.Logf("as wanted again %v after pactl returned", time.Since(broken))
			eventually(t, "proven", func() error {
				for _, p := range s.Proofs() {
					if p.Device == tt.proven && p.Time.Before(before) {
						return &unwanted{"prove " + p.Device}
					}
				}
				return nil
			})
			eventually(t, "healthy", func() error { return s.Spec().Health.Check(t.Context(), inst) })
		})
	}
	now := time.Now()
	eventually(t, "all ends listened to", func() error {
		for _, l := range s.Levels() {
			if l.Time.Before(now) {
				return &unwanted{"listen to " + l.Device + " " + l.End}
			}
		}
		return nil
	})
	if !strings.Contains(pactl(t, s, "list", "short", "modules"), foreign+"\tmodule-null-sink") {
		t.Error("another's sink was removed")
	}
	if n := strings.Count(pactl(t, s, "list", "short", "modules"), "module-"); n != 8 {
		t.Errorf("%d modules, want the protocol, one foreign and six of ours", n)
	}
}

// TestLostDeviceIsTold takes away a device that is used and one that is not.
func TestLostDeviceIsTold(t *testing.T) {
	dir := t.TempDir()
	s, err := NewServer(Options{RuntimeDir: dir, Devices: []Device{{Name: "used"}, {Name: "idle"}}})
	if err != nil {
		t.Fatal(err)
	}
	lost := make(chan string, 10)
	s.OnLost(func(device string) { lost <- device })
	t.Cleanup(s.Close)
	runServer(t, s)
	c, d := dial(t, s), Device{Name: "used"}
	if _, err := c.Record(t.Context(), StreamOptions{Device: d.Mic(), Format: d.Format()}); err != nil {
		t.Fatal(err)
	}
	// It is measured closely once its use has been noticed.
	var last time.Time
	eventually(t, "use noticed", func() error {
		l := s.Levels()[0]
		since := l.Time.Sub(last)
		last = l.Time
		if since == 0 || since > idleWindow/2 {
			return &unwanted{"measure closely"}
		}
		return nil
	})
	pactl(t, s, "unload-module", "module-null-sink")
	if got := <-lost; got != "used" {
		t.Errorf("lost %s, want used", got)
	}
	eventually(t, "repaired", func() error { return asWanted(t.Context(), c, s.o.Devices) })
	if len(lost) > 0 {
		t.Errorf("%s was lost, too", <-lost)
	}
}

// TestProofWaitsForCallers has a recorder on the mic while its feed is remade.
func TestProofWaitsForCallers(t *testing.T) {
	s, _ := startServer(t)
	c := dial(t, s)
	d := Device{Name: "virtual"}
	r, err := c.Record(t.Context(), StreamOptions{Device: d.Mic(), Format: d.Format()})
	if err != nil {
		t.Fatal(err)
	}
	proven := s.Proofs()[0].Time
	for line := range strings.Lines(pactl(t, s, "list", "short", "modules")) {
		if strings.Contains(line, "_name=virtual_speaker ") {
			pactl(t, s, "unload-module", strings.Fields(line)[0])
		}
	}
	eventually(t, "repaired", func() error { return asWanted(t.Context(), c, []Device{d}) })
	// Whatever was fed by then would have come out of the mic.
	silence := make([]byte, d.Format().Bytes(500*time.Millisecond))
	for got := 0; got < len(silence); {
		n, err := r.Read(t.Context(), silence[got:])
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	for _, b := range silence {
		if b != 0 {
			t.Fatal("a caller on the mic heard the proof")
		}
	}
	if !s.Proofs()[0].Time.Equal(proven) {
		t.Error("the device was proven while its mic was in use")
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "proven", func() error {
		if s.Proofs()[0].Time.Equal(proven) {
			return &unwanted{"prove the device that nobody uses now"}
		}
		return nil
	})
}

// TestLevels plays a tone to one end and reads the meters of all.
func TestLevels(t *testing.T) {
	s, _ := startServer(t)
	d := Device{Name: "virtual"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	played := make(chan struct{})
	go func() {
		defer close(played)
		_, _ = Feed(ctx, dial(t, s), StreamOptions{Device: d.Speaker(), Format: d.Format()}, &endlessTone{})
	}()
	// While somebody plays, the levels are those of the last 100 ms.
	eventually(t, "levels", func() error {
		l := s.Levels()
		if len(l) != 2 || l[0].End != "speaker" || l[1].End != "mic" {
			t.Fatalf("levels %+v", l)
		}
		if math.Abs(l[0].Peak+6) > 0.1 || math.Abs(l[0].RMS+9) > 0.1 || l[1].Peak != pcm.Floor || l[1].RMS != pcm.Floor ||
			!l[0].SilentSince.IsZero() || l[1].SilentSince.IsZero() {
			return &unwanted{fmt.Sprintf("%+v: speaker at -6 and -9 dBFS, mic silent", l)}
		}
		return nil
	})
	seen := map[time.Time]bool{}
	for begun := time.Now(); time.Since(begun) < 2*time.Second; time.Sleep(5 * time.Millisecond) {
		for _, l := range s.Levels() {
			seen[l.Time] = true
		}
	}
	if len(seen) < 36 || len(seen) > 44 {
		t.Errorf("%d levels of two ends in 2 s, want 10 a second of each", len(seen))
	}
	n := 0
	begun := time.Now()
	err := Watch(t.Context(), dial(t, s), []Device{d}, func(l []Level) error {
		if n++; n == 1 {
			begun = time.Now()
		}
		if math.Abs(l[0].Peak+6) > 0.1 || math.Abs(l[0].RMS+9) > 0.1 || l[1].Peak != pcm.Floor || l[1].RMS != pcm.Floor {
			t.Errorf("levels %+v: want the speaker at -6 and -9 dBFS, the mic silent", l)
		}
		if n == 11 {
			return errEnough
		}
		return nil
	})
	if took := time.Since(begun); err != errEnough || took < 900*time.Millisecond || took > 2*time.Second {
		t.Errorf("ten windows took %v, %v; want a second", took, err)
	}
	cancel()
	<-played
	// Now nobody uses the device.
	eventually(t, "silence", func() error {
		if l := s.Levels(); l[0].Peak != pcm.Floor || l[0].RMS != pcm.Floor || l[0].SilentSince.IsZero() {
			return &unwanted{fmt.Sprintf("%+v: silence", l)}
		}
		return nil
	})
}

// TestHungServerIsUnhealthy stops the server's process.
func TestHungServerIsUnhealthy(t *testing.T) {
	s, inst := startServer(t)
	h := s.Spec().Health
	check := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), h.Timeout)
		defer cancel()
		return h.Check(ctx, inst)
	}
	if err := check(); err != nil {
		t.Fatalf("unhealthy before: %v", err)
	}
	if err := syscall.Kill(inst.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := check(); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("a server that hangs: %v", err)
	}
	if err := syscall.Kill(inst.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "healthy again", check)
}

func TestRemovedSocketIsUnhealthy(t *testing.T) {
	s, inst := startServer(t)
	if err := os.Remove(Socket(s.o.RuntimeDir)); err != nil {
		t.Fatal(err)
	}
	if err := s.Spec().Health.Check(t.Context(), inst); err == nil || !strings.Contains(err.Error(), "socket was removed") {
		t.Errorf("a server without its socket: %v", err)
	}
}

func TestDeadServerIsUnhealthy(t *testing.T) {
	s, inst := startServer(t)
	if err := syscall.Kill(inst.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "unhealthy", func() error {
		if err := s.Spec().Health.Check(t.Context(), inst); err != nil {
			return nil
		}
		return &unwanted{"notice that the server is dead"}
	})
	if p := s.Proofs(); p != nil {
		t.Errorf("a dead server's devices are still proven: %+v", p)
	}
	// A new one in the same place, beside what the dead one left.
	again := runServer(t, s)
	if err := s.Spec().Health.Check(t.Context(), again); err != nil {
		t.Errorf("the new one is unhealthy: %v", err)
	}
}

// Test65thClient fills the server.
func Test65thClient(t *testing.T) {
	s, inst := startServer(t)
	var err error
	for n := 1; ; n++ {
		var c *Conn
		if c, err = Dial(t.Context(), Socket(s.o.RuntimeDir)); err != nil {
			// The watch and its meters hold two.
			if n != 63 {
				t.Errorf("connection %d failed, want 63", n)
			}
			break
		}
		defer c.Close()
		if n > 100 {
			t.Fatal("100 connections, and no end")
		}
	}
	if !strings.Contains(err.Error(), "64 clients") {
		t.Errorf("error %v", err)
	}
	if err := s.Spec().Health.Check(t.Context(), inst); err != nil {
		t.Errorf("unhealthy: %v", err)
	}
}

// TestCodecAgainstServer asks for every list that we can decode.
func TestCodecAgainstServer(t *testing.T) {
	s, _ := startServer(t)
	c := dial(t, s)
	var clients proto.GetClientInfoListReply
	var modules proto.GetModuleInfoListReply
	var inputs proto.GetSinkInputInfoListReply
	var outputs proto.GetSourceOutputInfoListReply
	var sink proto.GetSinkInfoReply
	for _, r := range []struct {
		req   proto.RequestArgs
		reply proto.Reply
	}{
		{&proto.GetClientInfoList{}, &clients},
		{&proto.GetModuleInfoList{}, &modules},
		{&proto.GetSinkInputInfoList{}, &inputs},
		{&proto.GetSourceOutputInfoList{}, &outputs},
		{&proto.GetSinkInfo{SinkIndex: proto.Undefined, SinkName: "virtual_speaker"}, &sink},
	} {
		if err := c.Request(t.Context(), r.req, r.reply); err != nil {
			t.Errorf("%T: %v", r.req, err)
		}
	}
	if len(clients) != 3 || len(modules) != 4 || len(inputs) != 0 || len(outputs) != 3 {
		t.Errorf("%d clients, %d modules, %d playbacks, %d recordings; want the watch, its meters and us, protocol and device, none, the meters and the remapping",
			len(clients), len(modules), len(inputs), len(outputs))
	}
	if sink.Rate != 16000 || sink.Channels != 1 {
		t.Errorf("the speaker is %+v", sink.SampleSpec)
	}
}

// endlessTone is a sine at half of full scale, as s16le at 16 kHz.
type endlessTone struct{ at int }

func (e *endlessTone) Read(b []byte) (int, error) {
	n := len(b) / 2
	pcm.EncodeS16(b[:0], pcm.Tone(e.at, n, 16000, 440, 0.5))
	e.at += n
	return 2 * n, nil
}
