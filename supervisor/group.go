package supervisor

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
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

func (processes) launch(spec *Spec, out *output) (_ group, err error) {
	if err := checkDir(spec.Dir); err != nil {
		return nil, err
	}
	path, err := findProgram(spec.Command[0], spec.Env, spec.Dir)
	if err != nil {
		return nil, err
	}
	g := &processGroup{tty: -1}
	var theirs []int // the child's ends
	defer func() {
		for _, fd := range theirs {
			_ = syscall.Close(fd)
		}
		if err != nil {
			g.close()
		}
	}()

	in := -1
	switch {
	case spec.Stdin:
		r, w, err := pipe()
		if err != nil {
			return nil, err
		}
		in = r
		theirs = append(theirs, r)
		if err := syscall.SetNonblock(w, true); err != nil {
			return nil, err
		}
		g.input = os.NewFile(uintptr(w), spec.Name+" stdin")
	case spec.InheritStdin:
		in = 0
	default:
		if in, err = syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0); err != nil {
			return nil, fmt.Errorf("cannot open %s: %w", os.DevNull, err)
		}
		theirs = append(theirs, in)
	}
	fds := []uintptr{uintptr(in)}
	for _, name := range []string{"stdout", "stderr"} {
		r, w, err := pipe()
		if err != nil {
			return nil, err
		}
		theirs = append(theirs, w)
		s, err := newStream(r, name, out)
		if err != nil {
			return nil, err
		}
		g.streams = append(g.streams, s)
		fds = append(fds, uintptr(w))
	}

	env, argv := spec.Env, spec.Command
	if spec.Notify.wanted() {
		n, fd, err := newNotifier(spec.Notify, spec.Name)
		if fd >= 0 {
			theirs = append(theirs, fd)
		}
		if err != nil {
			return nil, err
		}
		g.notify = n
		if n.env != "" {
			env = append(slices.Clip(env), n.env)
		}
		if fd >= 0 {
			for len(fds) <= spec.Notify.FD {
				fds = append(fds, noFile)
			}
			fds[spec.Notify.FD] = uintptr(fd)
		}
	}
	var limits *limited
	if !spec.Limits.none() {
		if limits, err = newLimited(spec.Limits, path, argv, len(fds)); err != nil {
			return nil, err
		}
		defer limits.report.Close()
		theirs = append(theirs, limits.theirs)
		path, argv = limits.path, limits.argv
		fds = append(fds, uintptr(limits.theirs))
	}

	g.leader, g.exit, err = children.start(path, argv, &syscall.ProcAttr{
		Dir:   spec.Dir,
		Env:   lastOnly(env),
		Files: fds,
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		if errno, ok := err.(syscall.Errno); ok {
			err = execError(path, errno)
		}
		return nil, err
	}
	for _, fd := range theirs {
		_ = syscall.Close(fd)
	}
	theirs = nil
	if limits != nil {
		if err := limits.outcome(); err != nil {
			<-g.exit
			return nil, err
		}
	}
	if spec.InheritStdin && giveTerminal(0, g.leader) {
		g.tty = 0
	}
	return g, nil
}

// noFile leaves a descriptor of the child closed.
const noFile = ^uintptr(0)

func pipe() (r, w int, err error) {
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		return 0, 0, fmt.Errorf("cannot make a pipe: %w", err)
	}
	return p[0], p[1], nil
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

// onlyZombies tells whether no member of a group is alive: a zombie whose
// parent never waits for it keeps the group's number in use for ever.
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
		if len(f) > 2 && f[2] == strconv.Itoa(pgid) && f[0] != "Z" && f[0] != "X" {
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
