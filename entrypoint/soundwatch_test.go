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
func wantFindings(t *testing.T, w *soundWatch, s int, peaks []audio.Peak, want ...string) {
	t.Helper()
	var got []string
	for _, f := range w.find(watchTime(s), peaks) {
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
	peaks := func(speaker, mic int) []audio.Peak {
		p := []audio.Peak{{Device: "other", End: audio.EndSpeaker, Peak: -200, SilentSince: watchTime(0)}}
		for end, s := range map[string]int{audio.EndSpeaker: speaker, audio.EndMic: mic} {
			since := time.Time{}
			if s >= 0 {
				since = watchTime(s)
			}
			p = append(p, audio.Peak{Device: "d", End: end, Peak: -60, SilentSince: since})
		}
		return p
	}
	const lost, unsent, both = "one-way audio: nothing comes", "one-way audio: nothing is sent", "silence: neither"
	wantFindings(t, w, 50, peaks(0, -1)) // no call
	w.at(100, caller.Confirmed, 0)
	wantFindings(t, w, 109, peaks(0, -1)) // silent for long, but not in this call
	wantFindings(t, w, 110, peaks(0, -1), lost)
	wantFindings(t, w, 111, peaks(0, -1)) // told already
	wantFindings(t, w, 112, peaks(-1, -1))
	wantFindings(t, w, 130, peaks(115, -1), lost) // again
	wantFindings(t, w, 131, peaks(-1, 115), unsent)
	wantFindings(t, w, 132, peaks(116, 115), both)
	w.at(133, caller.Confirmed, 1)
	w.at(134, caller.Disconnected, 0)
	wantFindings(t, w, 150, peaks(-1, 115), unsent)
	w.at(151, caller.Disconnected, 1)
	wantFindings(t, w, 160, peaks(0, 0))

	w.oneWay = -1
	w.at(200, caller.Confirmed, 0)
	wantFindings(t, w, 300, peaks(0, 0))
}

func TestClippingAndSpeech(t *testing.T) {
	w := testWatch()
	peaks := func(peak float64, clipped int) []audio.Peak {
		return []audio.Peak{{Device: "d", End: audio.EndSpeaker, Peak: peak, Clipped: clipped}}
	}
	w.at(0, caller.Confirmed, 0)
	wantFindings(t, w, 1, peaks(-60, 7)) // clipped before the call
	wantFindings(t, w, 2, peaks(-20, 7), "the far end speaks")
	wantFindings(t, w, 3, peaks(-60, 9)) // a pause between words
	wantFindings(t, w, 4, peaks(0, 10), "clipping: the far end")
	wantFindings(t, w, 5, peaks(0, 11))
	wantFindings(t, w, 7, peaks(-60, 11))
	wantFindings(t, w, 8, peaks(-60, 11), "the far end is quiet")
	wantFindings(t, w, 9, peaks(-60, 11))
	w.clipping = -1
	w.at(20, caller.Disconnected, 0)
	w.at(21, caller.Confirmed, 1)
	wantFindings(t, w, 22, peaks(-60, 11))
	wantFindings(t, w, 30, peaks(-60, 99))
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
