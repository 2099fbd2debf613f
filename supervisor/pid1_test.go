package supervisor

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// play is what a supervisor or an init in a process of its own does.
type play struct {
	Specs   []Spec // of helpers; what wire lacks is lost on the way
	Init    Init
	Command []string
}

type part struct {
	Name                                     string
	Command, Needs                           []string
	Critical, Oneshot, Forward, InheritStdin bool
	Grace                                    time.Duration
	Restart                                  Restart
	User                                     string
}

// wire is a play on its way.
type wire struct {
	Specs []part
	Init  struct {
		Group, Subreaper bool
		Success          []int
		Rewrite          map[syscall.Signal]syscall.Signal
	}
	Command []string
}

// ownProc makes /proc that of a new pid namespace.
func ownProc() {
	if os.Getpid() != 1 {
		return
	}
	err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("proc", "/proc", "proc", 0, "")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot mount /proc:", err)
		os.Exit(98)
	}
}

// playJSON is p without the functions of its specs.
func playJSON(t *testing.T, p play) string {
	t.Helper()
	w := wire{Init: struct {
		Group, Subreaper bool
		Success          []int
		Rewrite          map[syscall.Signal]syscall.Signal
	}{p.Init.Group, p.Init.Subreaper, p.Init.Success, p.Init.Rewrite}, Command: p.Command}
	for _, s := range p.Specs {
		w.Specs = append(w.Specs, part{s.Name, s.Command, s.Needs, s.Critical, s.Oneshot, s.Forward, s.InheritStdin, s.Stop.Grace, s.Restart, s.Limits.User})
	}
	b, err := json.Marshal(w)
	must(t, err)
	return string(b)
}

func readPlay() play {
	var w wire
	if err := json.Unmarshal([]byte(os.Getenv("PLAY")), &w); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
	p := play{Command: w.Command}
	p.Init.Group, p.Init.Subreaper, p.Init.Success, p.Init.Rewrite = w.Init.Group, w.Init.Subreaper, w.Init.Success, w.Init.Rewrite
	for _, s := range w.Specs {
		p.Specs = append(p.Specs, Spec{Name: s.Name, Command: s.Command, Needs: s.Needs, Critical: s.Critical, Oneshot: s.Oneshot,
			Forward: s.Forward, InheritStdin: s.InheritStdin, Stop: Stop{Grace: s.Grace}, Restart: s.Restart, Limits: Limits{User: s.User}})
	}
	return p
}

func supervise() int {
	signals := CatchSignals()
	ownProc()
	p := readPlay()
	for i := range p.Specs {
		p.Specs[i].Env = append(os.Environ(), "HELPER=1")
	}
	s, err := New(Options{
		Signals: signals,
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Output:  func(l Line) { fmt.Printf("%s\n", l.Text) },
	}, p.Specs)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	code, err := s.Run(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

func bareInit() int {
	signals := CatchAll()
	ownProc()
	p := readPlay()
	os.Setenv("HELPER", "1")
	p.Init.Signals = signals
	p.Init.Logf = func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	code, err := p.Init.Run(p.Command)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// theatre is where a play is given.
type theatre struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	said chan string
	err  strings.Builder
}

// perform starts a play in a process of its own, as PID 1 of a new namespace
// if asked for.
func perform(t *testing.T, kind string, p play, asPID1 bool) *theatre {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), "HELPER="+kind, "PLAY="+playJSON(t, p), "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if asPID1 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
		if os.Getuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		}
	}
	th := &theatre{t: t, cmd: cmd, done: make(chan struct{}), said: make(chan string, 1000)}
	cmd.Stderr = &th.err
	cmd.WaitDelay = time.Second // for what an init leaves behind
	out, w, err := os.Pipe()
	must(t, err)
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatalf("cannot make a pid namespace: %v: this test needs root with CAP_SYS_ADMIN (in a container: docker run --cap-add SYS_ADMIN --cap-add SYS_NICE --security-opt seccomp=unconfined) or unprivileged user namespaces", err)
	}
	w.Close()
	read := make(chan struct{})
	go func() {
		defer close(th.done)
		cmd.Wait()
	}()
	go func() {
		defer close(read)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			th.said <- lines.Text()
		}
		close(th.said)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-th.done
		out.Close()
		<-read
	})
	return th
}

// until waits for a line.
func (th *theatre) until(text string) {
	th.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line, ok := <-th.said:
			if line == text {
				return
			}
			if !ok {
				th.t.Fatalf("no line %q until the end; %s", text, th.errors())
			}
		case <-limit:
			th.t.Fatalf("no line %q", text)
		}
	}
}

func (th *theatre) errors() string {
	<-th.done
	return th.err.String()
}

// rest is what is said until the end.
func (th *theatre) rest() (lines []string) {
	for line := range th.said {
		lines = append(lines, line)
	}
	return lines
}

// ends checks the exit code.
func (th *theatre) ends(code int) {
	th.t.Helper()
	select {
	case <-th.done:
	case <-time.After(patience):
		th.t.Fatal("does not end")
	}
	if got := th.cmd.ProcessState.ExitCode(); got != code {
		th.t.Errorf("exit code %d, want %d; %s", got, code, th.err.String())
	}
}

func (th *theatre) signal(sig syscall.Signal) { must(th.t, th.cmd.Process.Signal(sig)) }

func TestSupervisorAsPID1(t *testing.T) {
	for name, c := range map[string]struct {
		specs []Spec
		do    func(th *theatre)
		code  int
	}{
		"exit code": {[]Spec{{Name: "it", Command: self("say up", "exit 42"), Critical: true, Restart: Restart{Policy: Never}}}, nil, 42},
		"missing":   {[]Spec{{Name: "it", Command: []string{"nope"}}}, nil, 127},
		"TERM":      {[]Spec{{Name: "it", Command: self("say up", "sleep")}}, func(th *theatre) { th.until("up"); th.signal(syscall.SIGTERM) }, 0},
		"INT twice": {[]Spec{{Name: "it", Command: self("ignore 15", "say up", "sleep"), Stop: Stop{Grace: time.Hour}}},
			func(th *theatre) {
				th.until("up")
				th.signal(syscall.SIGINT)
				time.Sleep(20 * time.Millisecond) // two at once are one to the kernel
				th.signal(syscall.SIGINT)
			}, 137},
		"signals that do not end it": {[]Spec{{Name: "it", Command: self("tell 10", "tell 28", "say up", "sleep"), Forward: true}},
			func(th *theatre) {
				th.until("up")
				for _, sig := range []syscall.Signal{syscall.SIGWINCH, syscall.SIGPIPE, syscall.SIGHUP, syscall.SIGUSR2, syscall.SIGUSR1} {
					th.signal(sig)
				}
				th.until("up") // SIGHUP has ended the helper; it was started again
				th.signal(syscall.SIGUSR1)
				th.until("signal 10")
				th.signal(syscall.SIGTERM)
			}, 0},
		"orphans": {[]Spec{
			{Name: "parent", Command: self("leave leave exit 3/exit 4", "leave wait 5ms", "wait 10ms", "exit 0"), Oneshot: true},
			{Name: "it", Command: self("alone", "exit 0"), Needs: []string{"parent"}, Critical: true, Restart: Restart{Policy: Never}}},
			func(th *theatre) {
				if got := th.rest(); !slices.Equal(got, []string{"alone"}) {
					th.t.Errorf("lines %q", got)
				}
			}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			th := perform(t, "supervise", play{Specs: c.specs}, true)
			if c.do != nil {
				c.do(th)
			}
			th.rest()
			th.ends(c.code)
		})
	}
}

// PID 1 whose output nobody reads any more goes on.
func TestClosedOutput(t *testing.T) {
	file := t.TempDir() + "/gone"
	r, w, err := os.Pipe()
	must(t, err)
	b := playJSON(t, play{Specs: []Spec{{Name: "it", Command: self("until "+file, "flood 1000", "exit 5"), Critical: true, Restart: Restart{Policy: Never}}}})
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), "HELPER=supervise", "PLAY="+b, "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	cmd.Stdout, cmd.Stderr = w, w
	must(t, cmd.Start())
	w.Close()
	r.Close()
	must(t, os.WriteFile(file, nil, 0o600))
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 5 {
		t.Errorf("exit code %d, want 5: %v", got, cmd.ProcessState)
	}
}

// Not PID 1, orphans come to us all the same.
func TestSubreaper(t *testing.T) {
	th := perform(t, "supervise", play{Specs: []Spec{
		{Name: "parent", Command: self("leave leave exit 3/exit 4", "wait 10ms", "exit 0"), Oneshot: true},
		{Name: "it", Command: self("alone", "exit 0"), Needs: []string{"parent"}, Critical: true, Restart: Restart{Policy: Never}}}}, false)
	if got := th.rest(); len(got) != 1 || got[0] != "alone" {
		t.Errorf("lines %q", got)
	}
	th.ends(0)
}

// Nobody is left when the supervisor itself is killed.
func TestKilledSupervisorLeavesNobody(t *testing.T) {
	helper := openHelper(t)
	for _, user := range []string{"", "12345"} {
		t.Run("user "+user, func(t *testing.T) {
			mark := fmt.Sprintf("say mark%d", time.Now().UnixNano())
			th := perform(t, "supervise", play{Specs: []Spec{{Name: "it", Command: []string{helper, mark, "say up", "sleep"}, Limits: Limits{User: user}}}}, false)
			th.until("up")
			th.signal(syscall.SIGKILL)
			th.ends(-1)
			limit := time.After(patience)
			for len(withArgument(t, mark)) > 0 {
				select {
				case <-limit:
					t.Fatal("the process lives on")
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
}
