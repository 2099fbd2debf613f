package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

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
	fed      started
	mic      recorded // the sender's own mic
	heard    recorded // the far end's speaker

	match signal.Matching
	delay time.Duration // from the sender's feed to the far end's speaker
	// own is the part of delay that lies between feed and the sender's mic;
	// it is measured in another way than delay, and checks it.
	own   time.Duration
	fault error // why the direction failed
}

// recorded is a recording and the time of its first sample.
type recorded struct {
	started
	clip signal.Clip
}

// offset is the time from the first sample fed to the first one recorded.
func (d *direction) offset(r recorded) time.Duration {
	return time.Duration(r.UnixNS - d.fed.UnixNS)
}

// judge compares what was heard with what was sent.
func (d *direction) judge() { d.fault = d.compare() }

func (d *direction) compare() error {
	level := d.heard.clip.Level()
	if d.heard.clip.Peak() <= signal.Floor {
		return fmt.Errorf("%s heard digital silence", d.to)
	}
	var err error
	if d.match, err = signal.Match(d.sent, d.heard.clip); err != nil {
		return err
	}
	if d.match.Correlation < signal.Recognised {
		return fmt.Errorf("%s heard something else (level %.1f dBFS, correlation %.2f, want %.2f)",
			d.to, level, d.match.Correlation, signal.Recognised)
	}
	d.delay = d.offset(d.heard) + d.match.Delay
	if level < inaudible {
		return fmt.Errorf("%s heard it at %.1f dBFS, which nobody hears", d.to, level)
	}
	if d.delay < 0 || d.delay > longest {
		return fmt.Errorf("%s heard it after %v; 0 to %v were possible", d.to, d.delay, longest)
	}
	mic, err := signal.Match(d.sent, d.mic.clip)
	if err != nil || mic.Correlation < signal.Recognised {
		return fmt.Errorf("%s's own mic did not carry it, but %s heard it: correlation %.2f (%v)", d.from, d.to, mic.Correlation, err)
	}
	d.own = d.offset(d.mic) + mic.Delay
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
		sent := d.sent
		if d.play.Rate != 0 {
			sent = d.play
		}
		columns = append(columns, signal.Direction{
			Title: fmt.Sprintf("%s → %s: %s", d.from, d.to, d.what), Caption: d.verdict(), OK: d.fault == nil,
			Sent: sent, Heard: d.heard.clip, Offset: d.offset(d.heard), Delay: mark(d),
		})
		files["demo-"+d.from+"-sent.wav"] = sent.EncodeWAV()
		files["demo-"+d.to+"-heard.wav"] = d.heard.clip.EncodeWAV()
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
