package supervisor

import (
	"fmt"
	"os"
	"slices"
	"syscall"
)

func (processes) launch(spec *Spec, out *output) (_ group, err error) {
	if err := checkDir(spec.Dir); err != nil {
		return nil, err
	}
	path, err := findProgram(spec.Command[0], spec.Env, spec.Dir)
	if err != nil {
		return nil, err
	}
	l := launch{spec: spec, path: path, argv: spec.Command, env: spec.Env, group: &processGroup{tty: -1}}
	defer func() {
		l.closeTheirs()
		if err != nil {
			l.group.close()
		}
	}()
	for _, open := range []func() error{l.openInput, func() error { return l.openStreams(out) }, l.openNotifier, l.openLimits} {
		if err := open(); err != nil {
			return nil, err
		}
	}
	if err := l.start(); err != nil {
		return nil, err
	}
	return l.group, nil
}

// launch is what is gathered for the start of a process.
type launch struct {
	spec   *Spec
	group  *processGroup
	path   string
	argv   []string
	env    []string
	fds    []uintptr // the child's descriptors
	theirs []int     // those that we hold for it until it has been started
	limits *limited
}

func (l *launch) closeTheirs() {
	for _, fd := range l.theirs {
		_ = syscall.Close(fd)
	}
	l.theirs = nil
}

// give makes fd the child's next descriptor, and its own.
func (l *launch) give(fd int) {
	l.theirs = append(l.theirs, fd)
	l.fds = append(l.fds, uintptr(fd))
}

func (l *launch) openInput() error {
	if l.spec.InheritStdin && !l.spec.Stdin {
		l.fds = append(l.fds, 0)
		return nil
	}
	if !l.spec.Stdin {
		fd, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("cannot open %s: %w", os.DevNull, err)
		}
		l.give(fd)
		return nil
	}
	r, w, err := pipe()
	if err != nil {
		return err
	}
	l.give(r)
	err = syscall.SetNonblock(w, true) // before the file: it decides whether writes can be ended
	l.group.input = os.NewFile(uintptr(w), l.spec.Name+" stdin")
	return err
}

func (l *launch) openStreams(out *output) error {
	if l.spec.InheritOutput {
		l.fds = append(l.fds, 1, 2)
		return nil
	}
	for _, name := range []string{"stdout", "stderr"} {
		r, w, err := pipe()
		if err != nil {
			return err
		}
		l.give(w)
		s, err := newStream(r, name, out)
		if err != nil {
			return err
		}
		l.group.streams = append(l.group.streams, s)
	}
	return nil
}

func (l *launch) openNotifier() error {
	if !l.spec.Notify.wanted() {
		return nil
	}
	n, fd, err := newNotifier(l.spec.Notify, l.spec.Name)
	if fd >= 0 {
		l.theirs = append(l.theirs, fd)
	}
	if err != nil {
		return err
	}
	l.group.notify = n
	if n.env != "" {
		l.env = append(slices.Clip(l.env), n.env)
	}
	if fd >= 0 {
		for len(l.fds) <= l.spec.Notify.FD {
			l.fds = append(l.fds, noFile)
		}
		l.fds[l.spec.Notify.FD] = uintptr(fd)
	}
	return nil
}

// openLimits puts the program that sets the limits in place of the one that is
// wanted.
func (l *launch) openLimits() (err error) {
	if l.spec.Limits.none() {
		return nil
	}
	if l.limits, err = newLimited(l.spec.Limits, l.path, l.argv, len(l.fds)); err != nil {
		return err
	}
	l.give(l.limits.theirs)
	l.path, l.argv = l.limits.path, l.limits.argv
	return nil
}

func (l *launch) start() (err error) {
	g := l.group
	g.leader, g.exit, err = children.start(l.path, l.argv, &syscall.ProcAttr{
		Dir:   l.spec.Dir,
		Env:   lastOnly(l.env),
		Files: l.fds,
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	l.closeTheirs()
	if l.limits != nil {
		defer l.limits.report.Close()
	}
	if errno, ok := err.(syscall.Errno); ok {
		return execError(l.path, errno)
	}
	if err != nil {
		return err
	}
	if l.limits != nil {
		if err := l.limits.outcome(); err != nil {
			<-g.exit
			return err
		}
	}
	if l.spec.InheritStdin && giveTerminal(0, g.leader) {
		g.tty = 0
	}
	return nil
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
