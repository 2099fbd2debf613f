package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/caller"
	"github.com/nullcard/nullcard/config"
)

const (
	// quietAfter is a pause that is longer than those within speech.
	quietAfter = 3 * time.Second
	// muchMemory is eight times what PulseAudio has with a device or two.
	muchMemory = 64 << 20
)

// soundWatch tells what an operator would want to know of the sound of calls
// that are up: a direction without any, clipping, who speaks. Digital silence
// means that a direction is lost, for a telephone's microphone and codec always
// leave some noise.
type soundWatch struct {
	oneWay   time.Duration // negative: never told
	clipping int           // negative: never told
	activity float64       // dBFS
	device   map[string]string
	log      *slog.Logger

	mu       sync.Mutex
	calls    map[string]*upCalls // by caller
	bigTold  bool
	bigAfter int64
}

// upCalls are the calls of one caller that are up.
type upCalls struct {
	ids   map[int]bool
	since time.Time // the first of them
	told  string    // of their silence
	ends  map[string]*endWatch
}

// endWatch is one end of the device of a call.
type endWatch struct {
	clipped     int // when the call began
	clippedTold bool
	speaks      bool
	spoke       time.Time
}

// finding is something to tell.
type finding struct {
	caller string
	level  slog.Level
	text   string
	attrs  []any
}

func newSoundWatch(c *config.Config, log *slog.Logger) *soundWatch {
	return &soundWatch{
		oneWay: time.Duration(c.Audio.OneWay), clipping: c.Audio.Clipping, activity: c.Audio.Activity,
		device: map[string]string{}, log: log, calls: map[string]*upCalls{}, bigAfter: muchMemory,
	}
}

// event takes what happened to a caller.
func (w *soundWatch) event(e caller.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	up := w.calls[e.Caller]
	switch e.Kind {
	case caller.Started:
		delete(w.calls, e.Caller)
	case caller.Confirmed:
		if up == nil {
			up = &upCalls{ids: map[int]bool{}, since: e.Time, ends: map[string]*endWatch{}}
			w.calls[e.Caller] = up
		}
		up.ids[e.Call] = true
	case caller.Disconnected:
		if up == nil {
			return
		}
		if delete(up.ids, e.Call); len(up.ids) == 0 || e.Call == caller.NoCall {
			delete(w.calls, e.Caller)
		}
	}
}

// look logs what there is to tell. serverPID is that of a sound server of ours,
// or 0.
func (w *soundWatch) look(now time.Time, levels []audio.Level, serverPID int) {
	for _, f := range w.find(now, levels) {
		w.log.Log(context.Background(), f.level, f.text, append([]any{"caller", f.caller, "device", w.device[f.caller]}, f.attrs...)...)
	}
	if size := memoryOf(serverPID); size > w.bigAfter && !w.bigTold {
		w.bigTold = true
		w.log.Warn("the sound server uses much memory", "bytes", size, "cure", "see `nullcard devices` for who is connected; `nullcard restart pulseaudio` at a quiet time")
	}
}

// find tells what was not told of the calls before.
func (w *soundWatch) find(now time.Time, levels []audio.Level) []finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []finding
	for name, up := range w.calls {
		var heard, sent time.Duration
		for _, l := range levels {
			if l.Device != w.device[name] {
				continue
			}
			silent := up.silent(now, l)
			if l.End == audio.EndSpeaker {
				heard = silent
			} else {
				sent = silent
			}
			found = append(found, w.findAtEnd(now, name, up, l)...)
		}
		text, cure := "", ""
		switch lost := w.oneWay; {
		case lost < 0, heard < lost && sent < lost:
		case heard >= lost && sent >= lost:
			text, cure = "silence: neither direction of the call carries sound", "feed the mic (`nullcard play`); ask the far end whether it sends"
		case heard >= lost:
			text, cure = "one-way audio: nothing comes from the far end", "check that its RTP reaches this host (ports, NAT: --ip-addr, stun), and that it is not muted"
		default:
			text, cure = "one-way audio: nothing is sent to the far end", "feed the mic: `nullcard play`, or the program that speaks"
		}
		if text != "" && text != up.told {
			found = append(found, finding{name, slog.LevelWarn, text, []any{"for", max(heard, sent).Round(time.Second), "cure", cure}})
		}
		up.told = text
	}
	return found
}

// silent is how long one end has been silent during the calls.
func (up *upCalls) silent(now time.Time, l audio.Level) time.Duration {
	if l.SilentSince.IsZero() {
		return 0
	}
	since := l.SilentSince
	if since.Before(up.since) {
		since = up.since
	}
	return now.Sub(since)
}

func (w *soundWatch) findAtEnd(now time.Time, name string, up *upCalls, l audio.Level) []finding {
	var found []finding
	who := map[string]string{audio.EndSpeaker: "the far end", audio.EndMic: "the mic"}[l.End]
	e := up.ends[l.End]
	if e == nil {
		e = &endWatch{clipped: l.Clipped}
		up.ends[l.End] = e
	}
	if w.clipping >= 0 && !e.clippedTold && l.Clipped-e.clipped >= max(w.clipping, 1) {
		e.clippedTold = true
		found = append(found, finding{name, slog.LevelWarn, "clipping: " + who + " is at full scale", []any{
			"seconds", l.Clipped - e.clipped, "cure", "turn it down where it comes from; `nullcard level` shows it"}})
	}
	switch {
	case l.Hold >= w.activity:
		if !e.speaks {
			found = append(found, finding{name, slog.LevelInfo, who + " speaks", []any{"peak_dbfs", fmt.Sprintf("%.0f", l.Hold)}})
		}
		e.speaks, e.spoke = true, now
	case e.speaks && now.Sub(e.spoke) >= quietAfter:
		e.speaks = false
		found = append(found, finding{name, slog.LevelInfo, who + " is quiet", nil})
	}
	return found
}

// memoryOf is the resident memory of a process in bytes; 0 if that is not
// known.
func memoryOf(pid int) int64 {
	if pid == 0 {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	var total, resident int64
	if _, serr := fmt.Sscan(string(text), &total, &resident); err != nil || serr != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}
