package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

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

var callIsUp = regexp.MustCompile(`(?i)state changed to CONFIRMED`)

// placeCall makes both containers, lets one call the other, and sends and
// records in both directions at once.
func placeCall(t stack.TB, o options) []direction {
	ctx := t.Context()
	s := stack.New(t)
	voice := speak(ctx, t, s, o)
	tune := signal.Melody(16000, 1, soundLevel, voice.Duration())

	callee := s.Run(ctx, o.image, stack.Name("callee"), stack.Hardened(), stack.Env("NULLCARD_AUTO_ANSWER", "200"))
	callee.WaitExec(ctx, stack.Cmd("nullcard", "health"))
	caller := s.Run(ctx, o.image, stack.Name("caller"), stack.Hardened(), stack.Env("NULLCARD_DIAL", "sip:callee"))
	callee.WaitLog(ctx, callIsUp)
	caller.WaitLog(ctx, callIsUp)
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
	recordings := []*recording{
		record(ctx, callee, "speaker", length), record(ctx, caller, "speaker", length),
		record(ctx, caller, "mic", length), record(ctx, callee, "mic", length),
	}
	for _, r := range recordings {
		r.waitStarted(ctx, t)
	}
	first, second := feed(ctx, caller, there), feed(ctx, callee, back)
	there.fed, back.fed = report(ctx, t, first), report(ctx, t, second)
	there.heard, back.heard = recordings[0].wait(ctx, t), recordings[1].wait(ctx, t)
	there.mic, back.mic = recordings[2].wait(ctx, t), recordings[3].wait(ctx, t)
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

// started is what `nullcard play` and `nullcard record` tell in JSON.
type started struct {
	UnixNS     int64 `json:"started_unix_ns"`
	Underflows int   `json:"underflows"`
}

func report(ctx context.Context, t stack.TB, e *stack.Execution) started {
	r := e.Wait(ctx)
	if r.Code != 0 {
		t.Fatalf("exit code %d: %s", r.Code, strings.TrimSpace(r.Stderr))
	}
	var s started
	lines := strings.Split(strings.TrimSpace(r.Stderr), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
		t.Fatalf("cannot read the report %q: %v", r.Stderr, err)
	}
	return s
}

// feed plays into the container's mic.
func feed(ctx context.Context, c *stack.Container, d direction) *stack.Execution {
	clip := d.sent
	if d.play.Rate != 0 {
		clip = d.play
	}
	return c.Spawn(ctx, stack.Cmd("nullcard", "play", "--json", "-"), stack.Stdin(bytes.NewReader(clip.EncodeWAV())))
}

// recording is one end of a container's device while it is recorded.
type recording struct {
	execution *stack.Execution
	file      *samples
	name      string
}

func record(ctx context.Context, c *stack.Container, end string, d time.Duration) *recording {
	file := &samples{begun: make(chan struct{})}
	return &recording{
		execution: c.Spawn(ctx, stack.Cmd("nullcard", "record", "--json", "--source", end, "--duration", d.String(), "-"), stack.Stdout(file)),
		file:      file,
		name:      c.Name + "'s " + end,
	}
}

// waitStarted waits for the first sample.
func (r *recording) waitStarted(ctx context.Context, t stack.TB) {
	wait, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	select {
	case <-r.file.begun:
	case <-wait.Done():
		t.Fatalf("no sample came from %s within 5 s: %s", r.name, r.execution.Stderr())
	}
}

func (r *recording) wait(ctx context.Context, t stack.TB) recorded {
	s := report(ctx, t, r.execution)
	clip, err := signal.DecodeWAV(r.file.bytes())
	if err != nil {
		t.Fatalf("cannot use the recording of %s: %v", r.name, err)
	}
	return recorded{started: s, clip: clip}
}

// wavHeader is the length of what comes before the first sample.
const wavHeader = 44

// samples collects a WAV file and tells when its first sample has come.
type samples struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	begun chan struct{}
}

var _ io.Writer = (*samples)(nil)

func (s *samples) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.buf.Len()
	s.buf.Write(p)
	if before <= wavHeader && s.buf.Len() > wavHeader {
		close(s.begun)
	}
	return len(p), nil
}

func (s *samples) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.buf.Bytes())
}
