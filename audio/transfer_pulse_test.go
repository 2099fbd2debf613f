//go:build pulse

package audio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/audio/pcm"
)

func dial(t testing.TB, s *Server) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), Socket(s.o.RuntimeDir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// capture records in the background and gives what was recorded.
func capture(t *testing.T, c *Conn, o StreamOptions, d time.Duration) func() ([]float64, Transfer) {
	t.Helper()
	var b bytes.Buffer
	var transfer Transfer
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		transfer, err = Capture(t.Context(), c, o, int64(o.Format.Frames(d)), &b)
	}()
	return func() ([]float64, Transfer) {
		t.Helper()
		<-done
		if err != nil {
			t.Fatal(err)
		}
		if got, want := b.Len(), o.Format.Bytes(d); got != want {
			t.Errorf("recorded %d bytes, want exactly %d", got, want)
		}
		return o.Format.Encoding.Decode(nil, b.Bytes()), transfer
	}
}

// TestTransfersTellTheirTime feeds a chirp and finds it where the times that
// both ends report say that it is.
func TestTransfersTellTheirTime(t *testing.T) {
	s, _ := startServer(t)
	d := Device{Name: "virtual"}
	for _, tt := range []struct{ name, sink, source string }{
		{"mic", d.MicFeed(), d.Mic()},
		{"speaker", d.Speaker(), d.SpeakerMonitor()},
	} {
		for _, rate := range []int{16000, 48000, 44100} {
			t.Run(tt.name+" "+pcm.Format{Rate: rate, Channels: 1}.String(), func(t *testing.T) {
				f := pcm.Format{Rate: 16000, Channels: 1}
				result := capture(t, dial(t, s), StreamOptions{Device: tt.source, Format: f}, time.Second)
				chirp := pcm.Chirp(rate, 100*time.Millisecond, 0.5)
				silence := make([]float64, rate/5)
				sound := append(append(append([]float64(nil), silence...), chirp...), silence...)
				played, err := Feed(t.Context(), dial(t, s), StreamOptions{
					Device: tt.sink, Format: pcm.Format{Rate: rate, Channels: 1},
				}, bytes.NewReader(pcm.EncodeS16(nil, sound)))
				if err != nil {
					t.Fatal(err)
				}
				heard, recorded := result()
				m := pcm.Find(heard, pcm.Chirp(16000, 100*time.Millisecond, 0.5))
				if m.Score < 0.9 || m.Gain < 0.9 || m.Gain > 1.1 {
					t.Fatalf("the chirp came out as %+v", m)
				}
				sent := played.Started.Add(200 * time.Millisecond)
				arrived := recorded.Started.Add(f.Duration(int64(2 * m.Offset)))
				delay := arrived.Sub(sent)
				t.Logf("%d underflows, delay by the times told: %v", played.Underflows, delay)
				if delay < -5*time.Millisecond || delay > 5*time.Millisecond {
					t.Errorf("the chirp came %v after it was played", delay)
				}
			})
		}
	}
}

// TestOtherClientsHearAndAreHeard has PulseAudio's own tools as witnesses.
func TestOtherClientsHearAndAreHeard(t *testing.T) {
	s, _ := startServer(t)
	env := append(ClientEnv(s.o.RuntimeDir, "virtual"), "PATH="+path(), "HOME="+t.TempDir())
	if err := WriteClientFiles(s.o.RuntimeDir); err != nil {
		t.Fatal(err)
	}
	f := pcm.Format{Rate: 16000, Channels: 1}
	chirp := pcm.Chirp(16000, 100*time.Millisecond, 0.5)
	const pause = 8000
	sound := append(append(make([]float64, pause), chirp...), make([]float64, pause)...)
	find := func(t *testing.T, heard []float64) {
		t.Helper()
		if m := pcm.Find(heard, chirp); m.Score < 0.95 || m.Gain < 0.9 || m.Gain > 1.1 {
			t.Errorf("the chirp came out as %+v", m)
		}
	}
	t.Run("parec hears what we feed", func(t *testing.T) {
		// The source is the one that the environment names.
		ctx, cancel := context.WithCancel(t.Context())
		cmd := exec.CommandContext(ctx, "parec", "--raw", "--rate=16000", "--channels=1", "--format=s16le", "--latency-msec=20")
		cmd.Env = env
		var b bytes.Buffer
		cmd.Stdout = &b
		if err := cmd.Start(); err != nil {
			t.Fatalf("cannot start parec: %v; this test needs pulseaudio-utils", err)
		}
		if _, err := Feed(t.Context(), dial(t, s), StreamOptions{Device: Device{Name: "virtual"}.MicFeed(), Format: f},
			bytes.NewReader(pcm.EncodeS16(nil, sound))); err != nil {
			t.Error(err)
		}
		cancel()
		_ = cmd.Wait()
		find(t, pcm.S16.Decode(nil, b.Bytes()))
	})
	t.Run("we hear what pacat plays", func(t *testing.T) {
		result := capture(t, dial(t, s), StreamOptions{Device: Device{Name: "virtual"}.SpeakerMonitor(), Format: f}, 3*time.Second)
		// With its usual buffer; a short one has gaps when the machine is busy.
		cmd := exec.CommandContext(t.Context(), "pacat", "--raw", "--rate=16000", "--channels=1", "--format=s16le")
		cmd.Env = env
		cmd.Stdin = bytes.NewReader(pcm.EncodeS16(nil, sound))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("pacat: %v %s; this test needs pulseaudio-utils", err, out)
		}
		heard, _ := result()
		find(t, heard)
	})
	t.Run("arecord hears what we feed", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), "arecord", "-q", "-t", "raw", "-f", "S16_LE", "-r", "16000", "-c", "1", "-d", "3")
		cmd.Env = env
		var b, errout bytes.Buffer
		cmd.Stdout, cmd.Stderr = &b, &errout
		if err := cmd.Start(); err != nil {
			t.Fatalf("cannot start arecord: %v; this test needs alsa-utils and libasound2-plugins", err)
		}
		if _, err := Feed(t.Context(), dial(t, s), StreamOptions{Device: Device{Name: "virtual"}.MicFeed(), Format: f},
			bytes.NewReader(pcm.EncodeS16(nil, sound))); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("arecord: %v: %s", err, &errout)
		}
		find(t, pcm.S16.Decode(nil, b.Bytes()))
	})
	t.Run("we hear what aplay plays", func(t *testing.T) {
		result := capture(t, dial(t, s), StreamOptions{Device: Device{Name: "virtual"}.SpeakerMonitor(), Format: f}, 3*time.Second)
		cmd := exec.CommandContext(t.Context(), "aplay", "-q", "-t", "raw", "-f", "S16_LE", "-r", "16000", "-c", "1")
		cmd.Env = env
		cmd.Stdin = bytes.NewReader(pcm.EncodeS16(nil, sound))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("aplay: %v %s; this test needs alsa-utils and libasound2-plugins", err, out)
		}
		heard, _ := result()
		find(t, heard)
	})
	t.Run("ALSA lists one device", func(t *testing.T) {
		for _, program := range []string{"aplay", "arecord"} {
			cmd := exec.CommandContext(t.Context(), program, "-L")
			cmd.Env = env
			out, err := cmd.CombinedOutput()
			if want := "default\n    nullcard virtual device\n"; err != nil || string(out) != want {
				t.Errorf("%s -L: %v: %q, want %q", program, err, out, want)
			}
		}
	})
	t.Run("a client says nothing", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), "pactl", "stat")
		cmd.Env = env
		var errout bytes.Buffer
		cmd.Stderr = &errout
		if err := cmd.Run(); err != nil || errout.Len() > 0 {
			t.Errorf("pactl: %v, and on standard error: %s", err, &errout)
		}
	})
	t.Run("pactl lists the devices", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), "pactl", "info")
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("pactl: %v %s", err, out)
		}
		for _, want := range []string{"Default Sink: virtual_speaker\n", "Default Source: virtual_mic\n"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("pactl info has no %q:\n%s", want, out)
			}
		}
	})
}

// TestTransfersEndWithTheirDevice takes away what is played to and recorded
// from, and then the server.
func TestTransfersEndWithTheirDevice(t *testing.T) {
	s, inst := startServer(t)
	s.Close() // nobody repairs
	d := Device{Name: "virtual"}
	for _, tt := range []struct {
		name string
		do   func() error
		want string
	}{
		{"device", func() error { _, err := Teardown(t.Context(), dial(t, s)); return err }, "its device was removed"},
		{"server", func() error { return syscall.Kill(inst.PID, syscall.SIGKILL) }, "lost the sound server"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, s)
			if _, err := Setup(t.Context(), c, []Device{d}); err != nil {
				t.Fatal(err)
			}
			first := make(chan struct{}, 1)
			w := writerFunc(func(b []byte) (int, error) {
				select {
				case first <- struct{}{}:
				default:
				}
				return len(b), nil
			})
			errs := make(chan error, 2)
			go func() {
				_, err := Feed(t.Context(), c, StreamOptions{Device: d.MicFeed(), Format: d.Format()}, &endlessTone{})
				errs <- err
			}()
			go func() {
				transfer, err := Capture(t.Context(), c, StreamOptions{Device: d.Mic(), Format: d.Format()}, -1, w)
				if transfer.Frames == 0 {
					t.Error("what was recorded until then is not told")
				}
				errs <- err
			}()
			<-first
			if err := tt.do(); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := <-errs; err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want one with %q", err, tt.want)
				}
			}
		})
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestFeedIsEven feeds from a reader that gives odd lengths, longer than what
// the server holds, and looks at the lumps in which the mic gives it.
func TestFeedIsEven(t *testing.T) {
	s, _ := startServer(t)
	d := Device{Name: "virtual"}
	r, err := dial(t, s).Record(t.Context(), StreamOptions{Device: d.Mic(), Format: d.Format()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	fed := make(chan struct{})
	conn := dial(t, s)
	go func() {
		defer close(fed)
		_, _ = Feed(ctx, conn, StreamOptions{Device: d.MicFeed(), Format: d.Format()}, &oddReader{endlessTone{}})
	}()
	buf := make([]byte, 16<<10)
	block := d.Format().Bytes(DefaultLatency)
	uneven := 0
	for got := 0; got < d.Format().Bytes(DefaultBuffer+time.Second); {
		n, err := r.Read(t.Context(), buf)
		if err != nil {
			t.Fatal(err)
		}
		if got += n; n%block != 0 && got > n {
			uneven++
		}
	}
	if uneven > 0 {
		t.Errorf("%d times the mic gave something else than blocks of %d bytes", uneven, block)
	}
	cancel()
	<-fed
}

// oddReader never fills what it is given.
type oddReader struct{ endlessTone }

func (o *oddReader) Read(b []byte) (int, error) { return o.endlessTone.Read(b[:min(len(b), 1234)]) }

// TestFeedPlaysWhatIsThere has an input that neither fills a block nor ends.
func TestFeedPlaysWhatIsThere(t *testing.T) {
	s, _ := startServer(t)
	d := Device{Name: "virtual"}
	in, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	fed := make(chan error)
	conn := dial(t, s)
	go func() {
		_, err := Feed(ctx, conn, StreamOptions{Device: d.MicFeed(), Format: d.Format(), Prebuffer: time.Millisecond}, in)
		fed <- err
	}()
	result := capture(t, dial(t, s), StreamOptions{Device: d.Mic(), Format: d.Format()}, time.Second)
	click := pcm.EncodeS16(nil, []float64{0.5, 0.5, 0.5})
	if _, err := out.Write(append(make([]byte, d.Format().Bytes(300*time.Millisecond)), click...)); err != nil {
		t.Fatal(err)
	}
	heard, _ := result()
	loud := 0
	for _, v := range heard {
		if v > 0.4 {
			loud++
		}
	}
	if loud != 3 {
		t.Errorf("%d samples of the last 3 were heard while the input stood open", loud)
	}
	cancel() // and a reader that gives nothing more does not keep Feed
	if err := <-fed; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
