//go:build pjsua

package caller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nullcard/nullcard/config"
	"github.com/nullcard/nullcard/supervisor"
)

// phone is a Caller whose pjsua runs for the length of a test, started as the
// supervisor does it.
type phone struct {
	*Caller
	t      *testing.T
	spec   supervisor.Spec
	inst   *supervisor.Instance
	cmd    *exec.Cmd
	uri    string
	ended  chan struct{} // closed when the process has ended and its output is read
	err    error         // of Wait, after ended
	mu     sync.Mutex
	events []Event
	raw    []string // each line, as pjsua wrote it
	log    []string // those that go to the log, as they go there
	news   chan struct{}
}

// handedOut are the ports that tests that run side by side have.
var (
	handedOut   = map[int]bool{}
	handedOutMu sync.Mutex
)

// ports returns a free UDP port for SIP, and one with a free neighbour for RTP
// and RTCP.
func ports(t *testing.T) (local, rtp int) {
	t.Helper()
	for range 100 {
		a, err := net.ListenUDP("udp", nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := net.ListenUDP("udp", nil)
		if err != nil {
			t.Fatal(err)
		}
		local, rtp = a.LocalAddr().(*net.UDPAddr).Port, b.LocalAddr().(*net.UDPAddr).Port
		c, err := net.ListenUDP("udp", &net.UDPAddr{Port: rtp + 1})
		a.Close()
		b.Close()
		if err != nil {
			continue
		}
		c.Close()
		// TLS listens on the port after the one for SIP.
		handedOutMu.Lock()
		ok := rtp%2 == 0
		for _, p := range []int{local, local + 1, rtp, rtp + 1} {
			ok = ok && !handedOut[p]
		}
		if ok {
			for _, p := range []int{local, local + 1, rtp, rtp + 1} {
				handedOut[p] = true
			}
		}
		handedOutMu.Unlock()
		if ok {
			return local, rtp
		}
	}
	t.Fatal("cannot find free UDP ports")
	return 0, 0
}

// newPhone makes a caller on free ports of the loopback.
func newPhone(t *testing.T, cfg config.Caller, opt Options) *phone {
	t.Helper()
	p := &phone{t: t, ended: make(chan struct{}), news: make(chan struct{}, 1)}
	if cfg.Name == "" {
		cfg.Name = "phone"
	}
	if cfg.LocalPort == 0 {
		cfg.LocalPort, cfg.RTPPort = ports(t)
	}
	cfg.Args = append([]string{"--bound-addr=127.0.0.1", "--ip-addr=127.0.0.1"}, cfg.Args...)
	opt.Dir, opt.Rate = filepath.Join(t.TempDir(), "callers"), 16000
	if opt.Env == nil {
		opt.Env = os.Environ()
	}
	opt.Events = func(e Event) {
		p.mu.Lock()
		p.events = append(p.events, e)
		p.mu.Unlock()
		p.wake()
	}
	opt.Output = func(l supervisor.Line) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.log = append(p.log, string(l.Text))
	}
	c, err := New(cfg, opt)
	if err != nil {
		t.Fatal(err)
	}
	p.Caller, p.uri = c, fmt.Sprintf("sip:%s@127.0.0.1:%d", cfg.Name, cfg.LocalPort)
	return p
}

func (p *phone) wake() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// start runs pjsua; a pjsua that is missing fails the test.
func (p *phone) start() *phone {
	p.t.Helper()
	p.spec = p.Spec()
	if err := p.spec.Prepare(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	p.cmd = exec.Command(p.spec.Command[0], p.spec.Command[1:]...)
	p.cmd.Env = p.spec.Env
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = write, write
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("cannot start pjsua, which these tests need: %v", err)
	}
	write.Close()
	p.inst = &supervisor.Instance{PID: p.cmd.Process.Pid, Attempt: 1, Started: time.Now(), Stdin: stdin}
	go p.read(read)
	p.t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
		if p.t.Failed() {
			p.t.Logf("%s wrote:\n%s", p.Name(), strings.Join(p.recording(), "\n"))
		}
	})
	return p
}

func (p *phone) read(from *os.File) {
	defer close(p.ended)
	defer from.Close()
	var rest []byte
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		rest = append(rest, buf[:n]...)
		for {
			text, after, ok := strings.Cut(string(rest), "\n")
			if !ok {
				break
			}
			rest = []byte(after)
			p.mu.Lock()
			p.raw = append(p.raw, text)
			p.mu.Unlock()
			p.spec.Output(supervisor.Line{Time: time.Now(), Process: p.Name(), Stream: "stdout", Text: []byte(text)})
			p.wake()
		}
		if err != nil {
			break
		}
	}
	p.err = p.cmd.Wait()
	p.wake()
}

func (p *phone) recording() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.raw...)
}

func (p *phone) shown() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.log...)
}

// started waits until pjsua is ready.
func (p *phone) started() *phone {
	p.t.Helper()
	p.start()
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	if err := p.spec.Ready(ctx, p.inst); err != nil {
		p.t.Fatal(err)
	}
	return p
}

// running waits until pjsua reads its console, registered or not.
func (p *phone) running() *phone {
	p.t.Helper()
	p.start()
	ctx, cancel := context.WithCancel(p.t.Context())
	ready := make(chan error, 1)
	go func() { ready <- p.spec.Ready(ctx, p.inst) }()
	p.t.Cleanup(func() { cancel(); <-ready })
	p.wait(Started)
	return p
}

// wait returns the first event of that kind, also one that happened already,
// of those not taken by an earlier wait.
func (p *phone) wait(kind Kind) Event {
	p.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		p.mu.Lock()
		for i, e := range p.events {
			if e.Kind == kind {
				p.events = p.events[i+1:]
				p.mu.Unlock()
				return e
			}
		}
		p.mu.Unlock()
		select {
		case <-p.news:
		case <-deadline:
			p.t.Fatalf("%s saw no event %q within 10 s", p.Name(), kind)
		}
	}
}

// quits asks pjsua to end as the supervisor does, and returns its exit code.
func (p *phone) quits() int {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	defer cancel()
	asked := make(chan error, 1)
	go func() { asked <- p.spec.Stop.Ask(ctx, p.inst) }()
	select {
	case <-p.ended:
	case err := <-asked:
		p.t.Logf("%s: %v", p.Name(), err)
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			p.t.Error(err)
		}
		return p.end(time.Second)
	}
	cancel()
	if err := <-asked; err != nil {
		p.t.Errorf("%s has quit, and yet: %v", p.Name(), err)
	}
	return p.end(0)
}

// end waits for the end and returns the exit code, as the supervisor gets it.
func (p *phone) end(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(max(limit, time.Millisecond)):
		p.t.Fatalf("%s did not end within %v", p.Name(), limit)
	}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		p.t.Fatal(p.err)
	}
	code := p.cmd.ProcessState.ExitCode()
	if w, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		code = 128 + int(w.Signal())
	}
	return p.spec.ExitCode(p.inst, code)
}
