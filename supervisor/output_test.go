package supervisor

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// sink collects lines.
type sink struct {
	mu    sync.Mutex
	lines []Line
	hold  chan struct{} // nil, or what each line waits for
}

func (s *sink) line(l Line) {
	if s.hold != nil {
		<-s.hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, l)
}

func (s *sink) texts() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		all = append(all, string(l.Text))
	}
	return all
}

func TestOutputSurvives(t *testing.T) {
	for name, c := range map[string]struct {
		steps []string
		want  []string
	}{
		"last line without end": {[]string{`raw one\ntwo`}, []string{"one", "two"}},
		"empty lines":           {[]string{`raw \n\na\n`}, []string{"", "", "a"}},
		"binary":                {[]string{`raw \x00\xff\xfe\r\n\x1b[0m`}, []string{"\x00\xff\xfe\r", "\x1b[0m"}},
		"10 MB line":            {[]string{"long 10485760"}, []string{strings.Repeat("x", 10<<20)}},
		"nothing":               {nil, nil},
		"of a member":           {[]string{"fork wait 30ms/say late", "say early"}, []string{"early", "late"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s sink
			r := begin(t, Options{Output: s.line}, Spec{Name: "it", Critical: true, Restart: Restart{Policy: Never},
				Command: self(c.steps...), Stop: Stop{Signal: syscall.SIGCONT}})
			r.expect(0)
			got := s.texts()
			if fmt.Sprintf("%q", clipAll(got)) != fmt.Sprintf("%q", clipAll(c.want)) {
				t.Errorf("got %.200q, want %.200q", got, c.want)
			}
			if r.Status()[0].Dropped != 0 {
				t.Error("lines dropped")
			}
		})
	}
}

// clipAll makes long lines comparable and printable.
func clipAll(all []string) (short []string) {
	for _, s := range all {
		if len(s) > 100 {
			s = fmt.Sprintf("%s… %d bytes, %d other", s[:10], len(s), len(s)-strings.Count(s, s[:1]))
		}
		short = append(short, s)
	}
	return short
}

// A flood is whole although the process is gone at once.
func TestFloodLosesNothing(t *testing.T) {
	const n = 60_000 // fits the queue
	var s sink
	r := begin(t, Options{Output: s.line}, Spec{Name: "it", Critical: true, Command: self(fmt.Sprintf("flood %d", n)), Restart: Restart{Policy: Never}})
	r.expect(0)
	for i, l := range s.lines {
		if want := fmt.Sprintf("line %d", i); string(l.Text) != want {
			t.Fatalf("line %d is %q", i, l.Text)
		}
	}
	if len(s.lines) != n {
		t.Errorf("%d lines, want %d", len(s.lines), n)
	}
	tail, err := r.Tail("it", 5000)
	must(t, err)
	if len(tail) != TailLines || string(tail[0].Text) != fmt.Sprintf("line %d", n-TailLines) {
		t.Errorf("tail of %d lines begins with %q", len(tail), tail[0].Text)
	}
}

// A flood is slowed down to the sink's pace as long as that is a decent one,
// and cut when it is not.
func TestFloodAndPace(t *testing.T) {
	for name, c := range map[string]struct {
		pace    time.Duration // of the sink, for each line of 1 MiB
		dropped bool
	}{
		"quick": {10 * time.Millisecond, false},
		"just":  {sinkPatience - time.Millisecond, false},
		"slow":  {sinkPatience + time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 100
				var taken, told int
				o := newOutput("it", func(Line) { time.Sleep(c.pace); taken++ }, func(lines, _ uint64) { told += int(lines) })
				text := make([]byte, 1<<20)
				began := time.Now()
				for range n {
					o.put(Line{Text: text})
				}
				if held := time.Since(began); c.dropped && held > n*sinkPatience {
					t.Errorf("held up for %v", held)
				}
				time.Sleep(time.Minute) // the sink catches up
				o.close(t.Context())
				dropped := int(o.droppedLines())
				if (dropped > 0) != c.dropped || dropped+taken != n || told != dropped {
					t.Errorf("%d lines taken, %d dropped, of which %d told", taken, dropped, told)
				}
			})
		})
	}
}

// A sink that hangs must not block the process, and says what it has lost.
func TestStuckSink(t *testing.T) {
	s := sink{hold: make(chan struct{})}
	const n = 300_000 // about 100 bytes each in the queue
	r := begin(t, Options{Output: s.line},
		Spec{Name: "it", Command: self(fmt.Sprintf("flood %d", n), "exit 0"), Oneshot: true},
		Spec{Name: "after", Command: self("sleep"), Needs: []string{"it"}})
	r.reached("after", Ready, 1) // although nothing was taken
	close(s.hold)
	r.signals <- syscall.SIGTERM
	r.expect(0)
	dropped := int(r.Status()[0].Dropped)
	if dropped == 0 || dropped+len(s.lines) != n {
		t.Errorf("%d lines dropped and %d taken of %d", dropped, len(s.lines), n)
	}
	tail, err := r.Tail("it", 1)
	must(t, err)
	if string(tail[0].Text) != fmt.Sprintf("line %d", n-1) {
		t.Errorf("tail is %q", tail[0].Text)
	}
}

// A sink that hangs to the end costs no more than the stop budget.
func TestStuckSinkAtTheEnd(t *testing.T) {
	s := sink{hold: make(chan struct{})}
	t.Cleanup(func() { close(s.hold) })
	r := begin(t, Options{Output: s.line, StopBudget: 300 * time.Millisecond},
		Spec{Name: "it", Command: self("flood 3", "exit 0"), Critical: true, Restart: Restart{Policy: Never}})
	r.expect(0)
	if got := r.Status()[0].Dropped; got == 0 {
		t.Error("no line counted as dropped")
	}
}

// stuck is a log that nobody reads.
type stuck struct{ hold chan struct{} }

func (s stuck) Write(p []byte) (int, error) { <-s.hold; return len(p), nil }

func TestStuckLog(t *testing.T) {
	s := stuck{make(chan struct{})}
	defer close(s.hold)
	states := make(chan State, 100)
	signals := make(chan os.Signal, 1)
	sup, err := New(Options{
		StopBudget: time.Second,
		Signals:    signals,
		Logger:     slog.New(slog.NewTextHandler(s, nil)),
		Event:      func(e Event) { states <- e.To },
	}, []Spec{{Name: "it", Env: helperEnv(), Command: self("sleep")}})
	must(t, err)
	go func() {
		for st := range states {
			if st == Ready {
				signals <- syscall.SIGTERM
				return
			}
		}
	}()
	if code, err := sup.Run(t.Context()); code != 0 || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
}

// What has left the group may hold its pipe: nobody waits for it.
func TestDaemonHoldingThePipe(t *testing.T) {
	var s sink
	r := begin(t, Options{Output: s.line}, Spec{Name: "it", Critical: true, Restart: Restart{Policy: Never},
		Command: self("leave say begin/wait 3s", "wait 50ms", "say end")})
	r.expect(0)
	if got := strings.Join(s.texts(), " "); got != "begin end" && got != "end" {
		t.Errorf("lines %q", got)
	}
}

func TestRing(t *testing.T) {
	var r ring
	for i := range 3 * TailLines {
		r.add(Line{Text: fmt.Appendf(nil, "%d", i)})
	}
	if got := r.last(2); string(got[0].Text) != "2998" || string(got[1].Text) != "2999" {
		t.Errorf("last two: %q %q", got[0].Text, got[1].Text)
	}
	if got := r.last(1e6); len(got) != TailLines || string(got[0].Text) != "2000" {
		t.Errorf("%d lines from %q", len(got), got[0].Text)
	}
	long := bytes.Repeat([]byte("x"), 10<<20)
	for range 50 {
		r.add(Line{Text: long})
		size := 0
		for _, l := range r.last(TailLines) {
			size += len(l.Text)
		}
		if size > tailBytes || size != r.size {
			t.Fatalf("ring holds %d bytes, thinks %d", size, r.size)
		}
	}
	if len(r.last(5)) < 2 {
		t.Error("long lines left too few")
	}
	if len(r.last(-1)) != 0 {
		t.Error("a negative number gave lines")
	}
}

// Lines of any shape come out as they went in, however they were cut.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("a\nb"), uint8(1))
	f.Add([]byte("\n\n"), uint8(3))
	f.Add([]byte(""), uint8(0))
	f.Fuzz(func(t *testing.T, in []byte, chunk uint8) {
		o := newOutput("it", nil, nil)
		s := &stream{name: "stdout", out: o}
		for rest := in; len(rest) > 0; {
			n := min(len(rest), int(chunk)+1)
			s.split(rest[:n])
			rest = rest[n:]
		}
		var want []string
		for line := range strings.Lines(string(in)) {
			want = append(want, strings.TrimSuffix(line, "\n"))
		}
		if len(s.rest) > 0 {
			s.emit(s.rest)
		}
		o.close(context.Background())
		var got []string
		for _, l := range o.last(TailLines) {
			got = append(got, string(l.Text))
		}
		if len(want) > TailLines {
			want = want[len(want)-TailLines:]
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
