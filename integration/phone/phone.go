// Package phone speaks and listens through nullcards in containers: it feeds a
// sound to the mic of one, records what the speaker of another plays, and
// knows at what time each of the two began. Test tooling; never part of the
// shipped binary.
//
//	heard := phone.Record(ctx, t, callee, phone.Speaker, 5*time.Second)
//	heard.WaitStarted(ctx)
//	fed := phone.Feed(ctx, t, caller, sound).Wait(ctx)
//	r := heard.Wait(ctx)
//	m, err := signal.Match(sound, r.Clip)
//	delay := r.Since(fed) + m.Delay
package phone

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/nullcard/nullcard/integration/signal"
	"github.com/nullcard/nullcard/integration/stack"
)

// The ends of a device that can be recorded.
const (
	Speaker = "speaker"
	Mic     = "mic"
)

// Transfer is what `nullcard play --json` and `nullcard record --json` tell.
type Transfer struct {
	// StartedUnixNS is when the first sample sounded, by the wall clock that
	// all containers of a host share.
	StartedUnixNS int64 `json:"started_unix_ns"`
	// Underflows are the gaps in what was played.
	Underflows int `json:"underflows"`
}

// Since is the time from other's first sample to this one's.
func (t Transfer) Since(other Transfer) time.Duration {
	return time.Duration(t.StartedUnixNS - other.StartedUnixNS)
}

func parse(stderr string) (Transfer, error) {
	var t Transfer
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &t); err != nil {
		return t, fmt.Errorf("cannot read the report %q: %w", stderr, err)
	}
	return t, nil
}

func report(ctx context.Context, t stack.TB, e *stack.Execution) Transfer {
	t.Helper()
	r := e.Wait(ctx)
	if r.Code != 0 {
		t.Fatalf("exit code %d: %s", r.Code, strings.TrimSpace(r.Stderr))
	}
	told, err := parse(r.Stderr)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return told
}

// Feeding is a sound that is being played into a mic.
type Feeding struct {
	t         stack.TB
	execution *stack.Execution
}

// Feed begins to play into the container's mic.
func Feed(ctx context.Context, t stack.TB, c *stack.Container, clip signal.Clip) *Feeding {
	t.Helper()
	return &Feeding{t, c.Spawn(ctx, stack.Cmd("nullcard", "play", "--json", "-"), stack.Stdin(bytes.NewReader(clip.EncodeWAV())))}
}

// Wait waits until all has been played.
func (f *Feeding) Wait(ctx context.Context) Transfer {
	f.t.Helper()
	return report(ctx, f.t, f.execution)
}

// Recorded is a recording and when it began.
type Recorded struct {
	Transfer
	Clip signal.Clip
}

// Recording is one end of a container's device while it is recorded.
type Recording struct {
	t         stack.TB
	execution *stack.Execution
	file      *samples
	name      string
}

// Record begins to record an end of the container's device for d.
func Record(ctx context.Context, t stack.TB, c *stack.Container, end string, d time.Duration) *Recording {
	t.Helper()
	file := &samples{begun: make(chan struct{})}
	return &Recording{
		t:         t,
		execution: c.Spawn(ctx, stack.Cmd("nullcard", "record", "--json", "--source", end, "--duration", d.String(), "-"), stack.Stdout(file)),
		file:      file,
		name:      c.Name + "'s " + end,
	}
}

// WaitStarted waits for the first sample.
func (r *Recording) WaitStarted(ctx context.Context) {
	r.t.Helper()
	wait, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	select {
	case <-r.file.begun:
	case <-wait.Done():
		r.t.Fatalf("no sample came from %s within 5 s: %s", r.name, r.execution.Stderr())
	}
}

// Wait waits for the recording's end.
func (r *Recording) Wait(ctx context.Context) Recorded {
	r.t.Helper()
	told := report(ctx, r.t, r.execution)
	clip, err := signal.DecodeWAV(r.file.bytes())
	if err != nil {
		r.t.Fatalf("cannot use the recording of %s: %v", r.name, err)
	}
	return Recorded{told, clip}
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
