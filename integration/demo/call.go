package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nullcard/nullcard/integration/phone"
	"github.com/nullcard/nullcard/integration/signal"
	"github.com/nullcard/nullcard/integration/stack"
)

const (
	words = "Hello. This voice was made by a program, and it speaks into a microphone that does not exist. " +
		"If you can hear it, nobody needed a sound card."
	// soundLevel leaves room for the peaks of a voice, in dBFS.
	soundLevel = -23.0
	// reserve is how long the recordings go on after what is sent: the call's
	// delay and the start of the players.
	reserve = 2500 * time.Millisecond
)

// placeCall makes both containers, lets one call the other, and sends and
// records in both directions at once.
func placeCall(t stack.TB, o options) []direction {
	ctx := t.Context()
	s := stack.New(t)
	voice := speak(ctx, t, s, o)
	tune := signal.Melody(16000, 1, soundLevel, voice.Duration())

	caller, callee := phone.Call(ctx, s, o.image)
	for _, c := range []*stack.Container{caller, callee} {
		c.MustExec(ctx, stack.Cmd("test", "!", "-e", "/dev/snd"))
	}
	fmt.Printf("a call is up between two containers of %s: no /dev/snd, no root, no capabilities, read-only\n", o.image)

	there := direction{from: "caller", to: "callee", what: "voice", sent: voice}
	back := direction{from: "callee", to: "caller", what: "melody", sent: tune}
	if o.mute == "caller" {
		there.play = signal.Silence(voice.Rate, voice.Duration())
	}
	if o.mute == "callee" {
		back.play = signal.Silence(tune.Rate, tune.Duration())
	}
	length := voice.Duration() + reserve
	recordings := []*phone.Recording{
		phone.Record(ctx, t, callee, phone.Speaker, length), phone.Record(ctx, t, caller, phone.Speaker, length),
		phone.Record(ctx, t, caller, phone.Mic, length), phone.Record(ctx, t, callee, phone.Mic, length),
	}
	for _, r := range recordings {
		r.WaitStarted(ctx)
	}
	first, second := phone.Feed(ctx, t, caller, there.played()), phone.Feed(ctx, t, callee, back.played())
	there.fed, back.fed = first.Wait(ctx), second.Wait(ctx)
	there.heard, back.heard = recordings[0].Wait(ctx), recordings[1].Wait(ctx)
	there.mic, back.mic = recordings[2].Wait(ctx), recordings[3].Wait(ctx)
	return []direction{there, back}
}

// speak has the words spoken at a level that suits a call.
func speak(ctx context.Context, t stack.TB, s *stack.Stack, o options) signal.Clip {
	r := s.Output(ctx, o.tools, stack.Name("voice"), stack.Network("none"),
		stack.Entrypoint("espeak-ng", "-v", "en-gb", "-s", "165", "--stdout", words))
	if r.Code != 0 {
		t.Fatalf("cannot make a voice: espeak-ng in %s ended with exit code %d: %s", o.tools, r.Code, strings.TrimSpace(r.Stderr))
	}
	voice, err := signal.DecodeWAV([]byte(r.Stdout))
	if err != nil {
		t.Fatalf("cannot use what espeak-ng wrote: %v", err)
	}
	return voice.Amplify(soundLevel - voice.Level())
}
