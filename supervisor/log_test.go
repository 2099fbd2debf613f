package supervisor

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"syscall"
	"testing"
)

// gated is a log that takes its first record when it is told to.
type gated struct {
	began, open chan struct{}
	bytes.Buffer
}

func (g *gated) Write(p []byte) (int, error) {
	select {
	case g.began <- struct{}{}:
	default:
	}
	<-g.open
	return g.Buffer.Write(p)
}

func TestLateLog(t *testing.T) {
	g := &gated{began: make(chan struct{}, 1), open: make(chan struct{})}
	late := newLateLog()
	log := late.logger(slog.New(slog.NewTextHandler(g, nil))).With("a", 1).WithGroup("g")
	log.Info("first")
	<-g.began // the queue is empty now
	for i := range logQueue + 7 {
		log.Info("more", "i", i)
	}
	close(g.open)
	late.close(t.Context())
	log.Info("after the end")
	out := g.String()
	for _, s := range []string{`records=7`, `msg=first a=1`, `msg=more a=1 g.i=0`, `msg=more a=1 g.i=1023`} {
		if !strings.Contains(out, s) {
			t.Errorf("the log lacks %q", s)
		}
	}
	for _, s := range []string{"g.i=1024", "after the end"} {
		if strings.Contains(out, s) {
			t.Errorf("the log has %q", s)
		}
	}
	if n := strings.Count(out, "\n"); n != 1+logQueue+1 {
		t.Errorf("%d lines", n)
	}
}

func TestExitAsJSON(t *testing.T) {
	e := Exit{Code: 137, Signal: syscall.SIGKILL, Core: true}
	e.Rusage.Utime = syscall.NsecToTimeval(1_500_000_000)
	fit(&e.Rusage.Maxrss, 4096)
	b, err := json.Marshal(e)
	must(t, err)
	var back Exit
	must(t, json.Unmarshal(b, &back))
	if back != e {
		t.Errorf("%+v became %s and %+v", e, b, back)
	}
	if s := e.String(); s != "killed by SIGKILL (core dumped)" {
		t.Errorf("it reads %q", s)
	}
}
