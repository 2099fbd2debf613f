package main

import (
	"log/slog"
	"sync"
	"time"

	"github.com/nullcard/nullcard/audio"
	"github.com/nullcard/nullcard/caller"
)

// oneWay notices calls in which one direction, or both, is digital silence: no
// telephone gives that, for its microphone and codec always leave some noise.
type oneWay struct {
	after  time.Duration // negative: never
	device map[string]string
	log    *slog.Logger

	mu    sync.Mutex
	calls map[string]*upCalls // by caller
}

// upCalls are the calls of one caller that are up.
type upCalls struct {
	ids   map[int]bool
	since time.Time // the first of them
	told  string    // what was told of them
}

func newOneWay(after time.Duration, log *slog.Logger) *oneWay {
	return &oneWay{after: after, device: map[string]string{}, log: log, calls: map[string]*upCalls{}}
}

// event takes what happened to a caller.
func (o *oneWay) event(e caller.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	up := o.calls[e.Caller]
	switch e.Kind {
	case caller.Started:
		delete(o.calls, e.Caller)
	case caller.Confirmed:
		if up == nil {
			up = &upCalls{ids: map[int]bool{}, since: e.Time}
			o.calls[e.Caller] = up
		}
		up.ids[e.Call] = true
	case caller.Disconnected:
		if up == nil {
			return
		}
		if delete(up.ids, e.Call); len(up.ids) == 0 || e.Call == caller.NoCall {
			delete(o.calls, e.Caller)
		}
	}
}

// report logs what look finds.
func (o *oneWay) report(now time.Time, peaks []audio.Peak) {
	for name, s := range o.look(now, peaks) {
		o.log.Warn(s.text, "caller", name, "device", o.device[name], "for", s.length.Round(time.Second), "cure", s.cure)
	}
}

// silence is what there is to tell of the calls of one caller.
type silence struct {
	text, cure string
	length     time.Duration
}

// look tells, by caller, what was not told of its calls before.
func (o *oneWay) look(now time.Time, peaks []audio.Peak) map[string]silence {
	o.mu.Lock()
	defer o.mu.Unlock()
	found := map[string]silence{}
	if o.after < 0 {
		return found
	}
	for name, up := range o.calls {
		heard, sent := o.silent(now, up, o.device[name], audio.EndSpeaker, peaks), o.silent(now, up, o.device[name], audio.EndMic, peaks)
		var s silence
		switch {
		case heard < o.after && sent < o.after:
			up.told = ""
			continue
		case heard >= o.after && sent >= o.after:
			s = silence{"silence: neither direction of the call carries sound", "feed the mic (`nullcard play`); ask the far end whether it sends", min(heard, sent)}
		case heard >= o.after:
			s = silence{"one-way audio: nothing comes from the far end", "check that its RTP reaches this host (ports, NAT: --ip-addr, stun), and that it is not muted", heard}
		default:
			s = silence{"one-way audio: nothing is sent to the far end", "feed the mic: `nullcard play`, or the program that speaks", sent}
		}
		if up.told != s.text {
			up.told = s.text
			found[name] = s
		}
	}
	return found
}

// silent is how long one end has been silent during the calls; 0 if it is not,
// or if nothing is known of it.
func (o *oneWay) silent(now time.Time, up *upCalls, device, end string, peaks []audio.Peak) time.Duration {
	for _, p := range peaks {
		if p.Device != device || p.End != end || p.SilentSince.IsZero() {
			continue
		}
		since := p.SilentSince
		if since.Before(up.since) {
			since = up.since
		}
		return now.Sub(since)
	}
	return 0
}
