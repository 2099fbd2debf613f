package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What tini and dumb-init document, as PID 1 and as a subreaper.
func TestInit(t *testing.T) {
	for name, c := range map[string]struct {
		init    Init
		command []string
		do      func(th *theatre)
		code    int
	}{
		"code 0":            {command: self("exit 0")},
		"own code":          {command: self("exit 7"), code: 7},
		"code 255":          {command: self("exit 255"), code: 255},
		"signal":            {command: self("die 9"), code: 137},
		"mapped":            {init: Init{Success: []int{3, 143}}, command: self("exit 143")},
		"mapped signal":     {init: Init{Success: []int{137}}, command: self("die 9")},
		"not mapped":        {init: Init{Success: []int{3}}, command: self("exit 4"), code: 4},
		"missing":           {command: []string{"no-such-program"}, code: 127},
		"not executable":    {command: []string{"/etc/passwd"}, code: 126},
		"TERM handed on":    {command: self("on 15 9", "say up", "sleep"), do: send(syscall.SIGTERM), code: 9},
		"dies of TERM":      {command: self("say up", "sleep"), do: send(syscall.SIGTERM), code: 143},
		"WINCH handed on":   {command: self("on 28 9", "say up", "sleep"), do: send(syscall.SIGWINCH), code: 9},
		"real-time signal":  {command: self("on 40 9", "say up", "sleep"), do: send(40), code: 9},
		"rewritten":         {init: Init{Rewrite: map[syscall.Signal]syscall.Signal{15: 2}}, command: self("on 2 9", "say up", "sleep"), do: send(syscall.SIGTERM), code: 9},
		"dropped":           {init: Init{Rewrite: map[syscall.Signal]syscall.Signal{1: 0}}, command: self("on 1 8", "on 15 9", "say up", "sleep"), do: send(syscall.SIGHUP, syscall.SIGTERM), code: 9},
		"not to the group":  {command: self("fork tell 10/say child up/wait 1s", "tell 10", "say up", "wait 500ms", "exit 0"), do: sendAndHear(1, "child up")},
		"to the group":      {init: Init{Group: true}, command: self("fork tell 10/say child up/wait 1s", "tell 10", "say up", "wait 500ms", "exit 0"), do: sendAndHear(2, "child up")},
		"orphans":           {command: self("leave leave exit 3/exit 4", "alone", "exit 0"), do: func(th *theatre) { th.until("alone") }},
		"many orphans":      {command: self("many 20 leave leave exit 1/exit 2", "alone", "exit 0"), do: func(th *theatre) { th.until("alone") }},
		"ends with command": {command: self("leave wait 2s", "exit 3"), code: 3},
	} {
		for _, pid1 := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, PID 1 %v", name, pid1), func(t *testing.T) {
				t.Parallel()
				c := c
				c.init.Subreaper = !pid1
				th := perform(t, "init", play{Init: c.init, Command: c.command}, pid1)
				if c.do != nil {
					c.do(th)
				}
				if name != "ends with command" || pid1 { // what it leaves holds the pipe
					th.rest()
				}
				th.ends(c.code)
			})
		}
	}
}

func send(signals ...syscall.Signal) func(*theatre) {
	return func(th *theatre) {
		th.until("up")
		for _, sig := range signals {
			th.signal(sig)
		}
	}
}

func sendAndHear(n int, also string) func(*theatre) {
	return func(th *theatre) {
		th.until(also)
		th.signal(syscall.SIGUSR1)
		heard := 0
		for _, line := range th.rest() {
			if line == "signal 10" {
				heard++
			}
		}
		if heard != n {
			th.t.Errorf("%d heard the signal, want %d", heard, n)
		}
	}
}

// With -g, what the command leaves behind in its group is asked to end; without,
// it is left alone.
func TestInitAndTheRestOfTheGroup(t *testing.T) {
	for _, group := range []bool{true, false} {
		t.Run(fmt.Sprint("group ", group), func(t *testing.T) {
			t.Parallel()
			gate := t.TempDir() + "/gate"
			th := perform(t, "init", play{Init: Init{Subreaper: true, Group: group},
				Command: self("fork tell 15/touch "+strings.ReplaceAll(gate, "/", "\\")+"/wait 1s", "until "+gate, "exit 0")}, false)
			th.ends(0)
			heard := slices.Contains(th.rest(), "signal 15")
			if heard != group {
				t.Errorf("signal heard: %v", heard)
			}
		})
	}
}

func TestInitPassesEveryExitCode(t *testing.T) {
	for code := range 256 {
		got, err := Init{Subreaper: true}.Run([]string{"/bin/sh", "-c", fmt.Sprintf("exit %d", code)})
		if got != code || err != nil {
			t.Errorf("exit code %d (%v), want %d", got, err, code)
		}
	}
}

// terminal is a pseudo terminal.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	must(t, err)
	t.Cleanup(func() { master.Close() })
	must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(t, err)
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// The command gets the terminal: it can read from it, and gets ^C itself. When
// it is suspended so are we, and both go on together.
func TestInitHandsOverTheTerminal(t *testing.T) {
	for name, c := range map[string]struct {
		kind string
		play play
	}{
		"init": {"init", play{Init: Init{Subreaper: true}, Command: self("on 2 6", "say up", "read")}},
		"run":  {"supervise", play{Specs: []Spec{{Name: "it", InheritStdin: true, Critical: true, Restart: Restart{Policy: Never}, Command: self("on 2 6", "say up", "read")}}}},
	} {
		t.Run(name, func(t *testing.T) {
			master, slave := terminal(t)
			cmd := exec.Command("/proc/self/exe")
			cmd.Args[0] = os.Args[0]
			b := playJSON(t, c.play)
			cmd.Env = append(os.Environ(), "HELPER="+c.kind, "PLAY="+b, "GORACE=atexit_sleep_ms=0")
			cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
			must(t, cmd.Start())
			var shown strings.Builder
			expect := func(text string) {
				t.Helper()
				must(t, master.SetReadDeadline(time.Now().Add(patience)))
				b := make([]byte, 4096)
				for !strings.Contains(shown.String(), text) {
					n, err := master.Read(b)
					shown.Write(b[:n])
					if err != nil {
						cmd.Process.Kill()
						t.Fatalf("%q is not shown, but %q: %v", text, shown.String(), err)
					}
				}
			}
			expect("up")
			master.WriteString("hello\n")
			expect("read hello")
			if c.kind == "init" {
				master.WriteString("\x1a") // ^Z
				var ws syscall.WaitStatus
				_, err := syscall.Wait4(cmd.Process.Pid, &ws, syscall.WUNTRACED, nil)
				must(t, err)
				if !ws.Stopped() {
					t.Fatalf("init was not suspended with its command: %v", ws)
				}
				must(t, cmd.Process.Signal(syscall.SIGCONT))
				master.WriteString("again\n")
				expect("read again")
			}
			master.WriteString("\x03") // ^C
			cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != 6 {
				t.Errorf("exit code %d, want 6; shown: %q", got, shown.String())
			}
		})
	}
}

func TestParseSignal(t *testing.T) {
	for s, want := range map[string]syscall.Signal{"TERM": 15, "SIGTERM": 15, "sigterm": 15, "15": 15, "64": 64, "usr1": 10} {
		if got, err := ParseSignal(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0", "65", "-1", "SIG", "TERMINATE", "SIGSIGTERM"} {
		if got, err := ParseSignal(s); err == nil {
			t.Errorf("%q was taken as %v", s, got)
		}
	}
}

func FuzzParseSignal(f *testing.F) {
	for _, s := range []string{"TERM", "15", "SIG", "-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if sig, err := ParseSignal(s); err == nil && (sig < 1 || sig > 64) {
			t.Errorf("%q is %d", s, sig)
		}
	})
}
