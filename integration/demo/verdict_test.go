package main

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nullcard/nullcard/integration/phone"
	"github.com/nullcard/nullcard/integration/signal"
)

const (
	rate = 16000
	ms   = time.Millisecond
)

// heardAfter is what a recorder that began at begin hears of a sound that was
// fed at time 0 and arrives after delay.
func heardAfter(c signal.Clip, delay, begin time.Duration) phone.Recorded {
	clip := signal.Silence(rate, delay-begin).Append(c, signal.Silence(rate, time.Second))
	return phone.Recorded{Transfer: phone.Transfer{StartedUnixNS: fedAt + begin.Nanoseconds()}, Clip: clip}
}

const fedAt = 1_800_000_000_000_000_000

func TestVerdict(t *testing.T) {
	sent := signal.Melody(rate, 1, -20, 4*time.Second)
	other := signal.Melody(rate, 2, -20, 4*time.Second)
	mic := heardAfter(sent, 2*ms, -300*ms)
	tests := []struct {
		name  string
		heard phone.Recorded
		mic   phone.Recorded
		want  []string // parts of the line
	}{
		{"as sent", heardAfter(sent, 220*ms, -250*ms), mic, []string{"PASS", "delay 220 ms", "level -21.", "correlation 1.00", "a's own mic after 2.0 ms"}},
		{"softer, at another rate", phone.Recorded{Transfer: heardAfter(sent, 0, -150*ms).Transfer, Clip: heardAfter(sent.Amplify(-10), 180*ms, -150*ms).Clip.Resample(48000)}, mic,
			[]string{"PASS", "delay 180 ms", "level -31."}},
		{"digital silence", phone.Recorded{Transfer: phone.Transfer{StartedUnixNS: fedAt}, Clip: signal.Silence(rate, 5*time.Second)}, mic, []string{"FAIL", "b heard digital silence"}},
		{"nothing at all", phone.Recorded{Transfer: phone.Transfer{StartedUnixNS: fedAt}, Clip: signal.Clip{Rate: rate}}, mic, []string{"FAIL", "silence"}},
		{"noise", phone.Recorded{Transfer: phone.Transfer{StartedUnixNS: fedAt}, Clip: signal.Noise(rate, 1, -50, 5*time.Second)}, mic, []string{"FAIL", "something else"}},
		{"its own sound come back", heardAfter(other, 220*ms, -250*ms), mic, []string{"FAIL", "something else"}},
		{"too soft to hear", heardAfter(sent.Amplify(-50), 220*ms, -250*ms), mic, []string{"FAIL", "nobody hears"}},
		{"too late", heardAfter(sent, 1200*ms, -250*ms), mic, []string{"FAIL", "1.2s"}},
		{"before it was sent", heardAfter(sent, -100*ms, -250*ms), mic, []string{"FAIL", "-100ms"}},
		{"before the own mic", heardAfter(sent, 100*ms, -250*ms), heardAfter(sent, 150*ms, -300*ms), []string{"FAIL", "clocks disagree"}},
		{"not by the own mic", heardAfter(sent, 100*ms, -250*ms), heardAfter(other, 2*ms, -300*ms), []string{"FAIL", "own mic did not carry it"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := direction{from: "a", to: "b", what: "melody", sent: sent, fed: phone.Transfer{StartedUnixNS: fedAt}, heard: tt.heard, mic: tt.mic}
			d.judge()
			for _, want := range tt.want {
				if !strings.Contains(d.String(), want) {
					t.Errorf("%q lacks %q", d.String(), want)
				}
			}
		})
	}
}

func TestKeepWritesPictureAndSounds(t *testing.T) {
	sent := signal.Melody(rate, 1, -20, 2*time.Second)
	d := direction{from: "a", to: "b", what: "melody", sent: sent, fed: phone.Transfer{StartedUnixNS: fedAt},
		heard: heardAfter(sent, 200*ms, -100*ms), mic: heardAfter(sent, 0, -100*ms)}
	d.judge()
	dir := filepath.Join(t.TempDir(), "out")
	if err := keep(dir, []direction{d}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "demo.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"demo-a-sent.wav", "demo-b-heard.wav"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if clip, err := signal.DecodeWAV(b); err != nil || clip.Duration() < 2*time.Second {
			t.Errorf("%s: %v, %v", name, clip.Duration(), err)
		}
	}
}
