package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/integration/signal"
	"github.com/nullcard/nullcard/integration/stack"
)

// lines configures n callers, each with a device of its own: line1 and so on.
// What is in each caller beside that, entry tells; ports are left to nullcard,
// which gives line1 port 5060, line2 5080 and so on.
func lines(n int, entry func(i int) string) string {
	var devices, callers strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&devices, "  - {name: line%d}\n", i)
		// G.722 leaves less of its own between the tones than G.711 does.
		fmt.Fprintf(&callers, "  - {name: line%d, device: line%d, codecs: [G722], %s}\n", i, i, entry(i))
	}
	return "devices:\n" + devices.String() + "callers:\n" + callers.String()
}

// Four callers in one container, each in a call with one of four in another,
// and all eight fed a tone of their own at once: each hears its far end's tone,
// and the other seven are at least 60 dB down.
//
// No tone is another's harmonic, which codecs make. Quantisation noise does not
// hide what is 60 dB down, though it is louder than that in sum: ToneLevel
// looks at some 8 Hz of its 8,000.
func TestNoCrossTalk(t *testing.T) {
	const n = 4
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	s := stack.New(t)
	here := []int{400, 520, 680, 880}
	there := []int{1140, 1480, 1920, 2500}

	far := s.Run(ctx, *image, stack.Name("far"), stack.Hardened(), stack.File("/etc/nullcard/nullcard.yaml",
		lines(n, func(int) string { return "auto_answer: 200" })))
	waitReady(ctx, far)
	near := s.Run(ctx, *image, stack.Name("near"), stack.Hardened(), stack.File("/etc/nullcard/nullcard.yaml",
		lines(n, func(i int) string { return fmt.Sprintf(`dial: "sip:far:%d"`, 5060+20*(i-1)) })))
	t.Run("at first", func(t *testing.T) { ownTones(ctx, t, near, far, here, there) })
	// Streams of a lost server could be moved to another's device.
	near.Mark(ctx)
	near.SignalProcess(ctx, "pulseaudio", syscall.SIGKILL)
	near.WaitLog(ctx, proven)
	t.Run("after PulseAudio was killed", func(t *testing.T) { ownTones(ctx, t, near, far, here, there) })
}

// ownTones waits for calls on all lines, feeds each its own tone and wants it
// at the far end of that line alone.
func ownTones(ctx context.Context, t *testing.T, near, far *stack.Container, here, there []int) {
	t.Helper()
	n := len(here)
	for _, c := range []*stack.Container{near, far} {
		c.WaitExec(ctx, stack.Shell(fmt.Sprintf("nullcard health && [ $(nullcard call list | grep -c ' confirmed ') = %d ]", n)))
	}
	const sending, listening = 5 * time.Second, 3 * time.Second
	var sent, recorded []*stack.Execution
	for i := range n {
		for c, freq := range map[*stack.Container]int{near: here[i], far: there[i]} {
			sent = append(sent, c.Spawn(ctx, stack.Cmd("nullcard", "tone", "--device", fmt.Sprintf("line%d", i+1),
				"--freq", strconv.Itoa(freq), "--level", "-12", "--duration", sending.String())))
		}
	}
	for i := range n {
		for _, c := range []*stack.Container{near, far} {
			recorded = append(recorded, c.Spawn(ctx, stack.Cmd("nullcard", "record", "--device", fmt.Sprintf("line%d", i+1),
				"--duration", listening.String(), "-")))
		}
	}
	for i := range n {
		atNear, atFar := heard(ctx, t, recorded[2*i], listening), heard(ctx, t, recorded[2*i+1], listening)
		alone(t, fmt.Sprintf("line%d near", i+1), atNear, there[i], slices.Concat(here, there))
		alone(t, fmt.Sprintf("line%d far", i+1), atFar, here[i], slices.Concat(here, there))
	}
	for _, p := range sent {
		if r := p.Wait(ctx); r.Code != 0 {
			t.Errorf("playing ended with exit code %d: %s", r.Code, r.Stderr)
		}
	}
}

// alone wants one tone in a clip and each of the others at least 60 dB below
// it. A tone that leaks is there all the time; where a late packet makes the
// jitter buffer step, all frequencies are, for a moment. So of each other tone
// the least counts that any half second has of it.
func alone(t *testing.T, where string, clip signal.Clip, wanted int, all []int) {
	t.Helper()
	const window = 500 * time.Millisecond
	pure := purest(clip, float64(wanted), window)
	level, is := pure.Level(), pure.ToneLevel(float64(wanted))
	loudest, which := signal.Floor, 0
	for _, freq := range all {
		least := 0.0
		for at := clip.Duration() / 3; at+window <= clip.Duration(); at += window / 4 {
			part := clip.Slice(at, at+window)
			least = min(least, part.ToneLevel(float64(freq))-part.ToneLevel(float64(wanted)))
		}
		if freq != wanted && least > loudest {
			loudest, which = least, freq
		}
	}
	t.Logf("%s hears %d Hz; the loudest of the others, %d Hz, is at %.1f dB", where, wanted, which, loudest)
	if is < -3 || loudest > -60 || level < -25 || level > -10 {
		t.Errorf("%s: level %.1f dBFS, of which %d Hz %.1f dB, and %d Hz at %.1f dB of that; want about -15, at least -3, and at most -60",
			where, level, wanted, is, which, loudest)
	}
}

// A caller that is down leaves the others alone.
func TestCallerDown(t *testing.T) {
	ctx := t.Context()
	s := stack.New(t)
	callee(ctx, s)
	c := s.Run(ctx, *image, stack.Name("near"), stack.Hardened(), stack.File("/etc/nullcard/nullcard.yaml",
		lines(2, func(int) string { return "auto_answer: 200" })))
	waitReady(ctx, c)
	c.MustExec(ctx, stack.Cmd("nullcard", "stop", "line1"))
	c.MustExec(ctx, stack.Cmd("nullcard", "call", "dial", "--caller", "line2", "sip:callee"))
	c.WaitFor(ctx, "a call of line2", func(context.Context) (bool, string) {
		r := c.Exec(ctx, stack.Cmd("nullcard", "call", "list"))
		if r.Code != 1 || !strings.Contains(r.Stderr, "caller line1: cannot list calls: pjsua is not running") {
			t.Fatalf("list: exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
		}
		return regexp.MustCompile(`line2 +0 +confirmed `).MatchString(r.Stdout), r.Stdout
	})
	if r := c.Exec(ctx, stack.Cmd("nullcard", "call", "dial", "--caller", "line1", "sip:callee")); r.Code != 69 {
		t.Errorf("dial: exit code %d, want 69 (not possible): %s", r.Code, r.Stderr)
	}
}

// Each codec carries sound both ways, and is the one that was asked for.
func TestCodecs(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	s := stack.New(t)
	to := callee(ctx, s)
	for _, codec := range []string{"PCMU", "G722", "opus"} {
		t.Run(codec, func(t *testing.T) {
			from := s.Run(ctx, *image, stack.Name("caller-"+codec), stack.Hardened(), stack.File("/etc/nullcard/nullcard.yaml",
				fmt.Sprintf("callers: [{name: caller, codecs: [%s], dial: \"sip:callee\"}]\n", codec)))
			to.Mark(ctx)
			from.WaitLog(ctx, confirmed)
			duplex(ctx, t, from, to)
			for _, c := range []*stack.Container{from, to} {
				var q struct {
					Codec    string `json:"codec"`
					Received struct {
						Packets int `json:"packets"`
					} `json:"received"`
				}
				out := c.MustExec(ctx, stack.Cmd("nullcard", "call", "quality", "--json")).Stdout
				if err := json.Unmarshal([]byte(out), &q); err != nil || !strings.EqualFold(q.Codec, codec) || q.Received.Packets == 0 {
					t.Errorf("%s: the call's quality is %+v (%v), want codec %s and packets", c.Name, q, err, codec)
				}
			}
			from.MustExec(ctx, stack.Cmd("nullcard", "call", "hangup"))
			to.WaitLog(ctx, disconnected)
			from.Remove(ctx)
		})
	}
}
