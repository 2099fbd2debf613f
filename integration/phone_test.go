package integration

import (
	"context"
	"flag"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nullcard/nullcard/integration/signal"
	"github.com/nullcard/nullcard/integration/stack"
)

var image = flag.String("image", "nullcard/app:dev", "the image to prove")

var (
	confirmed    = regexp.MustCompile(`Call \d+ state changed to CONFIRMED`)
	disconnected = regexp.MustCompile(`Call \d+ is DISCONNECTED \[reason=(\d+)`)
	appStarted   = regexp.MustCompile(`msg="process started" process=app `)
	proven       = regexp.MustCompile(`msg="audio proven"`)
)

// callee is a phone that answers every call.
func callee(ctx context.Context, s *stack.Stack, options ...stack.Option) *stack.Container {
	c := s.Run(ctx, *image, append([]stack.Option{stack.Name("callee"), stack.Hardened()}, options...)...)
	waitReady(ctx, c)
	return c
}

// caller is a phone that calls the callee as soon as it runs.
func caller(ctx context.Context, s *stack.Stack, options ...stack.Option) *stack.Container {
	return s.Run(ctx, *image, append([]stack.Option{
		stack.Name("caller"), stack.Hardened(), stack.Env("NULLCARD_DIAL", "sip:callee"),
	}, options...)...)
}

// device is a container in which nothing but the sound server and sleep runs.
func device(ctx context.Context, s *stack.Stack, options ...stack.Option) *stack.Container {
	c := s.Run(ctx, *image, append([]stack.Option{
		stack.Name("device"), stack.Hardened(), stack.Args("sleep", "infinity"),
	}, options...)...)
	waitReady(ctx, c)
	return c
}

func waitReady(ctx context.Context, c *stack.Container) {
	c.WaitExec(ctx, stack.Cmd("nullcard", "health"))
}

// wantProcesses wants these in c and no others. Their order says nothing: the
// host's process numbers begin anew now and then.
func wantProcesses(ctx context.Context, t *testing.T, c *stack.Container, want ...string) {
	t.Helper()
	var names []string
	for _, p := range c.Processes(ctx) {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("%s has the processes %q, want %q", c.Name, names, want)
	}
}

// playTone feeds a tone into the microphone of c for d, in the background.
func playTone(ctx context.Context, c *stack.Container, freq int, d time.Duration) *stack.Execution {
	return c.Spawn(ctx, stack.Cmd("nullcard", "tone", "--freq", strconv.Itoa(freq), "--level", "-12", "--duration", d.String()))
}

// record records one end ("speaker" or "mic") of the device of c, in the
// background; heard returns what it got.
func record(ctx context.Context, c *stack.Container, end string, d time.Duration) *stack.Execution {
	return c.Spawn(ctx, stack.Cmd("nullcard", "record", "--source", end, "--duration", d.String(), "-"))
}

func heard(ctx context.Context, t *testing.T, recording *stack.Execution, d time.Duration) signal.Clip {
	t.Helper()
	r := recording.Wait(ctx)
	if r.Code != 0 {
		t.Fatalf("recording ended with exit code %d: %s", r.Code, r.Stderr)
	}
	clip, err := signal.DecodeWAV([]byte(r.Stdout))
	if err != nil {
		t.Fatal(err)
	}
	if clip.Duration() != d {
		t.Fatalf("recorded %v, want %v", clip.Duration(), d)
	}
	return clip
}

// duplex sends 440 Hz from a to b and 880 Hz from b to a at the same time, and
// wants each at the far end, and nothing of the other.
func duplex(ctx context.Context, t *testing.T, a, b *stack.Container) {
	t.Helper()
	const sending, listening = 4 * time.Second, 2 * time.Second
	toB, toA := playTone(ctx, a, 440, sending), playTone(ctx, b, 880, sending)
	atB, atA := record(ctx, b, "speaker", listening), record(ctx, a, "speaker", listening)
	onlyTone(t, "from "+a.Name+" to "+b.Name, heard(ctx, t, atB, listening), 440, 880)
	onlyTone(t, "from "+b.Name+" to "+a.Name, heard(ctx, t, atA, listening), 880, 440)
	for _, p := range []*stack.Execution{toA, toB} {
		if r := p.Wait(ctx); r.Code != 0 {
			t.Errorf("playing ended with exit code %d: %s", r.Code, r.Stderr)
		}
	}
}

// onlyTone judges the second half of what was heard, when the path stands, in
// windows of 100 ms: where a jitter buffer leaves out or repeats a frame, the
// tone goes on at another phase, which spoils the spectrum of one window only.
func onlyTone(t *testing.T, way string, clip signal.Clip, wanted, unwanted float64) {
	t.Helper()
	const window = 100 * time.Millisecond
	var is, other []float64
	for at := clip.Duration() / 2; at+window <= clip.Duration(); at += window {
		part := clip.Slice(at, at+window)
		is, other = append(is, part.ToneLevel(wanted)), append(other, part.ToneLevel(unwanted))
	}
	level, isHeard, otherHeard := clip.Slice(clip.Duration()/2, clip.Duration()).Level(), median(is), median(other)
	t.Logf("%s: level %.1f dBFS, of which %.0f Hz %.1f dB and %.0f Hz %.1f dB", way, level, wanted, isHeard, unwanted, otherHeard)
	// Sent with a peak of −12 dBFS, which is −15 dBFS RMS.
	if level < -25 || level > -10 {
		t.Errorf("%s: level %.1f dBFS, want about -15", way, level)
	}
	if isHeard < -1 {
		t.Errorf("%s: %.0f Hz is at %.1f dB of what was heard, want at least -1", way, wanted, isHeard)
	}
	if otherHeard > -30 {
		t.Errorf("%s: %.0f Hz is at %.1f dB of what was heard, want at most -30", way, unwanted, otherHeard)
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// purest returns that part of a clip in which freq has most of the power. A
// packet that comes late, on a machine that is busy, splatters over all
// frequencies for a moment; what does not belong into a call is there all the
// time.
func purest(clip signal.Clip, freq float64, length time.Duration) signal.Clip {
	best := clip.Slice(0, length)
	for at := length / 4; at+length <= clip.Duration(); at += length / 4 {
		if part := clip.Slice(at, at+length); part.ToneLevel(freq) > best.ToneLevel(freq) {
			best = part
		}
	}
	return best
}
