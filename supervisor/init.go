package supervisor

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// Init runs one command and does what PID 1 must, and nothing else: it hands
// signals on, reaps orphans and ends with the command's exit code. It behaves
// like tini and dumb-init do.
type Init struct {
	// Group sends signals to the command's process group instead of the
	// command alone, and SIGTERM to what is left of it at the end.
	Group bool
	// Subreaper adopts orphans when this is not PID 1.
	Subreaper bool
	// Success holds exit codes that are turned into 0.
	Success []int
	// Rewrite replaces a signal by another before it is handed on, or drops
	// it if that is 0.
	Rewrite map[syscall.Signal]syscall.Signal
	// Signals is what CatchAll returned.
	Signals <-chan os.Signal
	// Logf is told what is done; may be nil.
	Logf func(format string, args ...any)
}

// Run runs command on the standard streams of this program and returns its
// exit code: 128+n when signal n ended it, 126 or 127 when it could not be
// executed or does not exist, with the error that says so.
func (i Init) Run(command []string) (exitCode int, err error) {
	if i.Logf == nil {
		i.Logf = func(string, ...any) {}
	}
	i.adopt()
	path, err := findProgram(command[0], os.Environ(), "")
	if err != nil {
		return startError(command[0], err).Code, err
	}
	children.acquire()
	defer children.release()
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGCHLD)
	defer signal.Stop(changed)

	pid, exited, err := children.start(path, command, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		if errno, ok := err.(syscall.Errno); ok {
			err = execError(path, errno)
		}
		return startError(command[0], err).Code, err
	}
	terminal := giveTerminal(0, pid)
	i.Logf("%s runs as process %d", command[0], pid)
	for {
		select {
		case ex := <-exited:
			i.Logf("%s ended: %v", command[0], ex)
			if i.Group {
				_ = syscall.Kill(-pid, syscall.SIGTERM)
			}
			if terminal {
				takeTerminal(0, pid)
			}
			for _, code := range i.Success {
				if ex.Code == code {
					return 0, nil
				}
			}
			return ex.Code, nil
		case sig := <-i.Signals:
			i.handOn(pid, sig.(syscall.Signal), terminal)
		case <-changed:
			if terminal && stoppedNow(pid) {
				i.Logf("%s was suspended: so are we", command[0])
				suspend()
			}
		}
	}
}

func (i Init) adopt() {
	if os.Getpid() == 1 {
		return
	}
	if !i.Subreaper {
		i.Logf("this is not PID 1 and -s is not given: orphans are left to whoever is")
		return
	}
	if err := adoptOrphans(); err != nil {
		i.Logf("cannot become a subreaper: %v: orphans are left to PID 1", err)
	}
}

// handOn passes one signal on. A request to suspend holds for this program,
// too, and a shell's request to go on brings the terminal with it.
func (i Init) handOn(pid int, sig syscall.Signal, terminal bool) {
	to, rewritten := i.Rewrite[sig]
	if !rewritten {
		to = sig
	}
	if to == 0 {
		i.Logf("%s dropped", SignalName(sig))
		return
	}
	if sig == syscall.SIGCONT && terminal {
		giveTerminal(0, pid)
	}
	i.Logf("%s goes to %d as %s", SignalName(sig), pid, SignalName(to))
	if err := children.kill(pid, to, i.Group); err != nil && err != syscall.ESRCH {
		i.Logf("%v", fmt.Errorf("cannot send %s to %d: %w", SignalName(to), pid, err))
	}
	if !rewritten && (sig == syscall.SIGTSTP || sig == syscall.SIGTTIN || sig == syscall.SIGTTOU) {
		suspend()
	}
}

// suspend stops this program until somebody continues it; nobody can stop
// PID 1.
func suspend() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }

// stoppedNow tells whether a child has been stopped since the last call.
func stoppedNow(pid int) bool {
	return waitFor(unix.P_PID, pid, unix.WSTOPPED|unix.WNOHANG) == pid
}
