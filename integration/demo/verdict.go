package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nullcard/nullcard/integration/phone"
	"github.com/nullcard/nullcard/integration/signal"
)

const (
	// inaudible is the level below which nothing but noise was heard, dBFS.
	inaudible = -60.0
	// longest is the delay above which no conversation is possible: twice the
	// 400 ms that ITU-T G.114 allows at most for one direction.
	longest = 800 * time.Millisecond
)

// direction is one way of the call: what was sent at one end and heard at the
// other.
type direction struct {
	from, to string
	what     string
	sent     signal.Clip
	play     signal.Clip // what is played instead of sent, to test the verdict
	fed      phone.Transfer
	mic      phone.Recorded // the sender's own mic
	heard    phone.Recorded // the far end's speaker

	match signal.Matching
	delay time.Duration // from the sender's feed to the far end's speaker
	// own is the part of delay that lies between feed and the sender's mic;
	// it is measured in another way than delay, and checks it.
	own   time.Duration
	fault error // why the direction failed
}

// played is what was fed to the sender's mic.
func (d *direction) played() signal.Clip {
	if d.play.Rate != 0 {
		return d.play
	}
	return d.sent
}

// judge compares what was heard with what was sent.
func (d *direction) judge() { d.fault = d.compare() }

func (d *direction) compare() error {
	level := d.heard.Clip.Level()
	if d.heard.Clip.Peak() <= signal.Floor {
		return fmt.Errorf("%s heard digital silence", d.to)
	}
	var err error
	if d.match, err = signal.Match(d.sent, d.heard.Clip); err != nil {
		return err
	}
	if d.match.Correlation < signal.Recognised {
		return fmt.Errorf("%s heard something else (level %.1f dBFS, correlation %.2f, want %.2f)",
			d.to, level, d.match.Correlation, signal.Recognised)
	}
	d.delay = d.heard.Since(d.fed) + d.match.Delay
	if level < inaudible {
		return fmt.Errorf("%s heard it at %.1f dBFS, which nobody hears", d.to, level)
	}
	if d.delay < 0 || d.delay > longest {
		return fmt.Errorf("%s heard it after %v; 0 to %v were possible", d.to, d.delay, longest)
	}
	mic, err := signal.Match(d.sent, d.mic.Clip)
	if err != nil || mic.Correlation < signal.Recognised {
		return fmt.Errorf("%s's own mic did not carry it, but %s heard it: correlation %.2f (%v)", d.from, d.to, mic.Correlation, err)
	}
	d.own = d.mic.Since(d.fed) + mic.Delay
	if d.own > d.delay {
		return fmt.Errorf("%s heard it %v before %s's own mic did: the clocks disagree", d.to, d.own-d.delay, d.from)
	}
	return nil
}

// verdict is the line below the title of a picture.
func (d *direction) verdict() string {
	if d.fault != nil {
		return "FAIL  " + d.fault.Error()
	}
	s := fmt.Sprintf("PASS  delay %d ms, level %.1f dBFS (sent %.1f), correlation %.2f",
		d.delay.Milliseconds(), d.sent.Level()+d.match.Gain, d.sent.Level(), d.match.Correlation)
	switch n := len(d.match.Gaps); n {
	case 0:
	case 1:
		s += ", 1 dropout"
	default:
		s += fmt.Sprintf(", %d dropouts", n)
	}
	return s
}

func (d *direction) String() string {
	s := fmt.Sprintf("%s → %s (%s): %s", d.from, d.to, d.what, d.verdict())
	if d.fault == nil {
		s += fmt.Sprintf("; check of the clocks: at %s's own mic after %.1f ms", d.from, float64(d.own)/float64(time.Millisecond))
	}
	return s
}

// keep writes the picture and the sounds.
func keep(dir string, directions []direction) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot keep the results: %w", err)
	}
	files := map[string][]byte{}
	var columns []signal.Direction
	for _, d := range directions {
		sent := d.played()
		columns = append(columns, signal.Direction{
			Title: fmt.Sprintf("%s → %s: %s", d.from, d.to, d.what), Caption: d.verdict(), OK: d.fault == nil,
			Sent: sent, Heard: d.heard.Clip, Offset: d.heard.Since(d.fed), Delay: mark(d),
		})
		files["demo-"+d.from+"-sent.wav"] = sent.EncodeWAV()
		files["demo-"+d.to+"-heard.wav"] = d.heard.Clip.EncodeWAV()
	}
	var picture bytes.Buffer
	if err := signal.Plot(&picture, "A call between two containers without a sound card", columns...); err != nil {
		return err
	}
	files["demo.png"] = picture.Bytes()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("cannot keep the results: %w", err)
		}
	}
	return nil
}

func mark(d direction) time.Duration {
	if d.fault != nil {
		return -1
	}
	return d.delay
}
