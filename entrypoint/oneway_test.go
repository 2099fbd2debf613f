package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/caller"
)

func TestOneWay(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	// peaks says since when each end is silent; negative is not at all.
	peaks := func(speaker, mic int) []audio.Peak {
		p := []audio.Peak{{Device: "other", End: audio.EndSpeaker, SilentSince: at(0)}}
		for end, s := range map[string]int{audio.EndSpeaker: speaker, audio.EndMic: mic} {
			since := time.Time{}
			if s >= 0 {
				since = at(s)
			}
			p = append(p, audio.Peak{Device: "d", End: end, SilentSince: since})
		}
		return p
	}
	o := newOneWay(10*time.Second, slog.New(slog.DiscardHandler))
	o.device["alice"] = "d"
	look := func(now, speaker, mic int, want string) {
		t.Helper()
		got := o.look(at(now), peaks(speaker, mic))["alice"].text
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("after %d s: %q, want %q", now, got, want)
		}
	}
	event := func(s int, kind caller.Kind, call int) {
		o.event(caller.Event{Time: at(s), Caller: "alice", Kind: kind, Call: call})
	}

	look(50, 0, -1, "") // no call
	event(100, caller.Confirmed, 0)
	look(109, 0, -1, "") // silent for long, but not in this call
	look(110, 0, -1, "nothing comes from the far end")
	look(111, 0, -1, "") // told already
	look(112, -1, -1, "")
	look(130, 115, -1, "nothing comes from the far end") // again
	look(131, -1, 115, "nothing is sent to the far end")
	look(132, 116, 115, "neither direction")
	event(133, caller.Confirmed, 1)
	event(134, caller.Disconnected, 0)
	look(150, -1, 115, "nothing is sent")
	event(151, caller.Disconnected, 1)
	look(160, 0, 0, "")

	o.after = -1
	event(200, caller.Confirmed, 0)
	look(300, 0, 0, "")
}
