package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// quiet is how long progress may print nothing while steps run.
	quiet = 15 * time.Second
	// notable is how long a step takes that gets a line of its own.
	notable = 500 * time.Millisecond
	// nameWidth is where a step's name is cut.
	nameWidth = 100
	// stepLog is how much of a step's output is kept for the case that it fails.
	stepLog = 40
)

// progress turns buildx's --progress=rawjson, one JSON object a line, into a
// line for each step that took time, and the output of the step that failed.
type progress struct {
	out io.Writer

	mu      sync.Mutex
	partial []byte
	steps   map[string]*step
	last    time.Time // when it last printed
	failed  tail      // what to look at when the build failed
	stopped chan struct{}
	done    sync.WaitGroup
}

type step struct {
	name    string
	started time.Time
	ended   bool
	log     []string
}

// status is the part of BuildKit's client.SolveStatus that is used here.
type status struct {
	Vertexes []struct {
		Digest, Name, Error string
		Started, Completed  *time.Time
		Cached              bool
	}
	Logs []struct {
		Vertex string
		Data   []byte
	}
}

// newProgress prints to out until close.
func newProgress(out io.Writer) *progress {
	p := &progress{out: out, steps: map[string]*step{}, last: time.Now(), stopped: make(chan struct{})}
	p.done.Go(p.remind)
	return p
}

func (p *progress) close() {
	close(p.stopped)
	p.done.Wait()
}

// Write takes buildx's standard error. Lines that are not JSON are messages.
func (p *progress) Write(content []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.partial = append(p.partial, content...)
	for {
		line, rest, ok := bytes.Cut(p.partial, []byte("\n"))
		if !ok {
			return len(content), nil
		}
		p.line(line)
		p.partial = rest
	}
}

func (p *progress) line(line []byte) {
	var s status
	if err := json.Unmarshal(line, &s); err != nil {
		if text := strings.TrimSpace(string(line)); text != "" {
			fmt.Fprintf(&p.failed, "%s\n", text)
		}
		return
	}
	for _, l := range s.Logs {
		if step := p.steps[l.Vertex]; step != nil {
			step.keep(l.Data)
		}
	}
	for _, v := range s.Vertexes {
		st := p.steps[v.Digest]
		if st == nil {
			st = &step{name: shorten(v.Name)}
			p.steps[v.Digest] = st
		}
		if v.Started != nil && st.started.IsZero() {
			st.started = *v.Started
		}
		if v.Error != "" {
			for _, text := range st.log {
				fmt.Fprintf(&p.failed, "  %s\n", text)
			}
		}
		if v.Completed == nil || st.ended {
			continue
		}
		st.ended = true
		if took := v.Completed.Sub(st.started); !v.Cached && took >= notable {
			p.print("  %6s  %s", took.Round(100*time.Millisecond), st.name)
		}
	}
}

// remind says what runs when nothing was printed for a while.
func (p *progress) remind() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-p.stopped:
			return
		case now := <-tick.C:
			p.mu.Lock()
			if now.Sub(p.last) >= quiet {
				p.running(now)
			}
			p.mu.Unlock()
		}
	}
}

func (p *progress) running(now time.Time) {
	var running []*step
	for _, step := range p.steps {
		if !step.started.IsZero() && !step.ended {
			running = append(running, step)
		}
	}
	slices.SortFunc(running, func(a, b *step) int { return a.started.Compare(b.started) })
	for _, step := range running {
		p.print("  %5s…  %s", now.Sub(step.started).Round(time.Second), step.name)
	}
	p.last = now
}

func (p *progress) print(format string, args ...any) {
	fmt.Fprintf(p.out, format+"\n", args...)
	p.last = time.Now()
}

// keep adds output to the step's last lines.
func (s *step) keep(data []byte) {
	for line := range strings.Lines(string(data)) {
		s.log = append(s.log, strings.TrimRight(line, "\r\n"))
	}
	if over := len(s.log) - stepLog; over > 0 {
		s.log = s.log[over:]
	}
}

// shorten makes a step's name one line: without the options of RUN, cut at nameWidth.
func shorten(name string) string {
	words := slices.DeleteFunc(strings.Fields(name), func(word string) bool { return strings.HasPrefix(word, "--mount=") })
	runes := []rune(strings.Join(words, " "))
	if len(runes) > nameWidth {
		runes = append(runes[:nameWidth-1], '…')
	}
	return string(runes)
}
