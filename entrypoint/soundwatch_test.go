package main

import (
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/caller"
	"github.com/nullcard/nullcard/config"
)

var watchStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func watchTime(s int) time.Time { return watchStart.Add(time.Duration(s) * time.Second) }

// testWatch is of caller alice with device d.
func testWatch() *soundWatch {
	c := &config.Config{Audio: config.Audio{OneWay: config.Duration(10 * time.Second), Clipping: 3, Activity: -45}}
	w := newSoundWatch(c, slog.New(slog.DiscardHandler))
	w.device["alice"] = "d"
	return w
}

func (w *soundWatch) at(s int, kind caller.Kind, call int) {
	w.event(caller.Event{Time: watchTime(s), Caller: "alice", Kind: kind, Call: call})
}

// wantFindings wants those of w, in any order, each by its beginning.
func wantFindings(t *testing.T, w *soundWatch, s int, levels []audio.Level, want ...string) {
	t.Helper()
	var got []string
	for _, f := range w.find(watchTime(s), levels) {
		got = append(got, f.text)
	}
	ok := len(got) == len(want)
	for _, text := range want {
		ok = ok && slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, text) })
	}
	if !ok {
		t.Errorf("after %d s: %q, want %q", s, got, want)
	}
}

func TestOneWay(t *testing.T) {
	w := testWatch()
	// peaks says since when each end is silent; negative is not at all.
	levels := func(speaker, mic int) []audio.Level {
		p := []audio.Level{{Device: "other", End: audio.EndSpeaker, Hold: -200, SilentSince: watchTime(0)}}
		for end, s := range map[string]int{audio.EndSpeaker: speaker, audio.EndMic: mic} {
			since := time.Time{}
			if s >= 0 {
				since = watchTime(s)
			}
			p = append(p, audio.Level{Device: "d", End: end, Hold: -60, SilentSince: since})
		}
		return p
	}
	const lost, unsent, both = "one-way audio: nothing comes", "one-way audio: nothing is sent", "silence: neither"
	wantFindings(t, w, 50, levels(0, -1)) // no call
	w.at(100, caller.Confirmed, 0)
	wantFindings(t, w, 109, levels(0, -1)) // silent for long, but not in this call
	wantFindings(t, w, 110, levels(0, -1), lost)
	wantFindings(t, w, 111, levels(0, -1)) // told already
	wantFindings(t, w, 112, levels(-1, -1))
	wantFindings(t, w, 130, levels(115, -1), lost) // again
	wantFindings(t, w, 131, levels(-1, 115), unsent)
	wantFindings(t, w, 132, levels(116, 115), both)
	w.at(133, caller.Confirmed, 1)
	w.at(134, caller.Disconnected, 0)
	wantFindings(t, w, 150, levels(-1, 115), unsent)
	w.at(151, caller.Disconnected, 1)
	wantFindings(t, w, 160, levels(0, 0))

	w.oneWay = -1
	w.at(200, caller.Confirmed, 0)
	wantFindings(t, w, 300, levels(0, 0))
}

func TestClippingAndSpeech(t *testing.T) {
	w := testWatch()
	levels := func(peak float64, clipped int) []audio.Level {
		return []audio.Level{{Device: "d", End: audio.EndSpeaker, Hold: peak, Clipped: clipped}}
	}
	w.at(0, caller.Confirmed, 0)
	wantFindings(t, w, 1, levels(-60, 7)) // clipped before the call
	wantFindings(t, w, 2, levels(-20, 7), "the far end speaks")
	wantFindings(t, w, 3, levels(-60, 9)) // a pause between words
	wantFindings(t, w, 4, levels(0, 10), "clipping: the far end")
	wantFindings(t, w, 5, levels(0, 11))
	wantFindings(t, w, 7, levels(-60, 11))
	wantFindings(t, w, 8, levels(-60, 11), "the far end is quiet")
	wantFindings(t, w, 9, levels(-60, 11))
	w.clipping = -1
	w.at(20, caller.Disconnected, 0)
	w.at(21, caller.Confirmed, 1)
	wantFindings(t, w, 22, levels(-60, 11))
	wantFindings(t, w, 30, levels(-60, 99))
}

func TestMemoryIsToldOnce(t *testing.T) {
	var log strings.Builder
	w := testWatch()
	w.log = slog.New(slog.NewTextHandler(&log, nil))
	w.look(watchTime(0), nil, os.Getpid())
	if log.Len() > 0 {
		t.Errorf("this process is too big: %s", log.String())
	}
	w.bigAfter = 1 << 10
	w.look(watchTime(1), nil, os.Getpid())
	w.look(watchTime(2), nil, os.Getpid())
	w.look(watchTime(3), nil, 0)
	if strings.Count(log.String(), "much memory") != 1 {
		t.Errorf("told: %s", log.String())
	}
}
