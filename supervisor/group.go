package supervisor

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// group is one run of a process, from its leader's start until the last
// member has gone.
type group interface {
	pid() int
	stdin() io.Writer
	// notified waits until the process has said that it is ready.
	notified(context.Context) error
	// exited delivers how the leader ended, once.
	exited() <-chan Exit
	// signal reaches every member. It is not an error when there is none.
	signal(syscall.Signal) error
	empty() bool
	// awaitEmpty returns once empty, or with the context's error.
	awaitEmpty(context.Context) error
	// close takes what is left of the output and gives everything back.
	close()
}

// launcher starts groups. Tests of timing have one of their own.
type launcher interface {
	launch(spec *Spec, out *output) (group, error)
}

// processes launches real processes.
type processes struct{}

type processGroup struct {
	leader  int
	exit    <-chan Exit
	input   *os.File
	streams []*stream
	notify  *notifier   // nil unless asked for
	tty     int         // descriptor of the terminal handed to the group, or -1
	gone    atomic.Bool // seen to be empty
}

func (g *processGroup) pid() int            { return g.leader }
func (g *processGroup) exited() <-chan Exit { return g.exit }

func (g *processGroup) notified(ctx context.Context) error {
	return g.notify.await(ctx, g.leader)
}

func (g *processGroup) stdin() io.Writer {
	if g.input == nil {
		return nil
	}
	return g.input
}

func (g *processGroup) signal(sig syscall.Signal) error {
	if g.gone.Load() {
		return nil // the number may be another group's by now
	}
	err := syscall.Kill(-g.leader, sig)
	if err == syscall.ESRCH {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot send %s to process group %d: %w", SignalName(sig), g.leader, err)
	}
	return nil
}

func (g *processGroup) empty() bool {
	if !g.gone.Load() && syscall.Kill(-g.leader, 0) == syscall.ESRCH {
		g.gone.Store(true)
	}
	return g.gone.Load()
}

// awaitEmpty goes by what is reaped, and every 20 ms by /proc, for groups
// whose members are other processes' children.
func (g *processGroup) awaitEmpty(ctx context.Context) error {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		_, reaped := children.orphans()
		if g.empty() {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-reaped:
		case <-poll.C:
			if onlyZombies(g.leader) {
				g.gone.Store(true)
				return nil
			}
		}
	}
}

// onlyZombies tells whether no member of a group is alive, nor to be reaped by
// us: a zombie whose parent never waits for it keeps the group's number in use
// for ever.
func onlyZombies(pgid int) bool {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, d := range dirs {
		if _, err := strconv.Atoi(d.Name()); err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + d.Name() + "/stat")
		if err != nil {
			continue
		}
		// pid (name) state ppid pgrp …; the name may hold anything.
		at := strings.LastIndexByte(string(stat), ')')
		f := strings.Fields(string(stat[at+1:]))
		if len(f) < 3 || f[2] != strconv.Itoa(pgid) {
			continue
		}
		dead := f[0] == "Z" || f[0] == "X"
		if !dead || f[1] == strconv.Itoa(os.Getpid()) {
			return false
		}
	}
	return true
}

func (g *processGroup) close() {
	if g.input != nil {
		_ = g.input.Close()
	}
	if g.notify != nil {
		g.notify.close()
	}
	for _, s := range g.streams {
		s.finish()
	}
	if g.tty >= 0 {
		takeTerminal(g.tty, g.leader)
	}
}

// giveTerminal makes pgid the foreground group of the terminal at fd. It
// returns false when fd is not our controlling terminal, or we are in its
// background.
func giveTerminal(fd, pgid int) bool {
	if !children.setForeground(fd, unix.Getpgrp(), pgid) {
		return false
	}
	// It may have touched the terminal too early and been stopped for it.
	_ = syscall.Kill(-pgid, syscall.SIGCONT)
	return true
}

// takeTerminal takes the terminal back from pgid, or from a group of its jobs
// that is gone as well.
func takeTerminal(fd, pgid int) {
	now, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err == nil && (now == pgid || syscall.Kill(-now, 0) == syscall.ESRCH) {
		children.setForeground(fd, now, unix.Getpgrp())
	}
}
