package supervisor

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// foreignGrace is how long a dead child that was started by other means than
// this package is left to its own waiter.
const foreignGrace = 800 * time.Millisecond

// reaper collects the exit status of all children of this program. It peeks
// at a dead child, and reaps exactly that one, under the lock that is also
// held while a child is started: so a pid is known before its end is seen.
type reaper struct {
	mu    sync.Mutex
	owned map[int]chan<- Exit
	// foreign is the dead child that blocks the view, left to its waiter
	// since the time beside it.
	foreign      int
	foreignSince time.Time

	strangers uint64
	reaped    chan struct{} // closed when a child was reaped

	life  sync.Mutex // over beginning and end, and taken before mu
	users int
	end   context.CancelFunc
	wg    sync.WaitGroup
	forks chan func() // run on the thread that starts all children
}

// children is the reaper of this program; the kernel leaves no room for two.
var children = reaper{owned: map[int]chan<- Exit{}, reaped: make(chan struct{})}

// acquire starts the reaper unless it runs; each acquire needs a release.
func (r *reaper) acquire() {
	r.life.Lock()
	defer r.life.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users++
	if r.users > 1 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.end = cancel
	r.forks = make(chan func())
	dead := make(chan os.Signal, 1)
	signal.Notify(dead, syscall.SIGCHLD)
	r.wg.Go(func() { startThread(r.forks) })
	r.wg.Go(func() {
		defer signal.Stop(dead)
		r.loop(ctx, dead)
	})
}

func (r *reaper) release() {
	r.life.Lock()
	defer r.life.Unlock()
	r.mu.Lock()
	r.users--
	last := r.users == 0
	if last {
		r.end()
		close(r.forks)
	}
	r.mu.Unlock()
	if last {
		r.wg.Wait()
	}
}

// startThread runs what it is sent on one thread that lives as long as
// children are started: their parent-death signal goes by thread, and so does
// the signal mask they inherit, which is emptied here.
func startThread(forks <-chan func()) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil)
	for f := range forks {
		f()
	}
}

// start starts a child and returns where its exit status will arrive.
func (r *reaper) start(path string, argv []string, attr *syscall.ProcAttr) (int, <-chan Exit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users == 0 {
		return 0, nil, errors.New("no supervisor runs")
	}
	var pid int
	var err error
	done := make(chan struct{})
	r.forks <- func() {
		pid, err = syscall.ForkExec(path, argv, attr)
		close(done)
	}
	<-done
	if err != nil {
		return 0, nil, err
	}
	exit := make(chan Exit, 1)
	r.owned[pid] = exit
	// Many starters would keep the reaper waiting for the lock, so each does
	// a little of its work. What is left it is told of anyway.
	for range 8 {
		if _, more := r.one(time.Now()); !more {
			break
		}
	}
	return pid, exit, nil
}

// kill sends a signal to a child, or to its whole group, as long as the child
// has not been reaped: its number may be another's afterwards.
func (r *reaper) kill(pid int, sig syscall.Signal, group bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ours := r.owned[pid]; !ours {
		return syscall.ESRCH
	}
	if group {
		pid = -pid
	}
	return syscall.Kill(pid, sig)
}

func (r *reaper) loop(ctx context.Context, dead <-chan os.Signal) {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			r.sweep()
			return
		case <-dead:
		case <-retry.C:
		}
		if r.sweep() {
			retry.Reset(10 * time.Millisecond)
		}
	}
}

// sweepMost is how many are reaped before starters get their turn.
const sweepMost = 256

// sweep reaps all that is dead. It returns true when a foreign child was left
// to its waiter, so that another sweep is due soon.
func (r *reaper) sweep() bool {
	for {
		left, more := r.some(sweepMost)
		if !more {
			return left
		}
	}
}

// some reaps up to n dead children.
func (r *reaper) some(n int) (left, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for more = true; more && n > 0; n-- {
		left, more = r.one(time.Now())
	}
	return left, more
}

// one looks at one dead child.
func (r *reaper) one(now time.Time) (left, more bool) {
	pid := peek()
	if pid == 0 {
		r.foreign = 0
		return false, false
	}
	if _, ours := r.owned[pid]; !ours && sameGroup(pid) {
		if r.foreign != pid {
			r.foreign, r.foreignSince = pid, now
		}
		if now.Sub(r.foreignSince) < foreignGrace {
			for pid := range r.owned {
				r.reap(pid)
			}
			return true, false
		}
	}
	r.reap(pid)
	return false, true
}

// reap collects pid if it is dead and hands its status to its owner.
func (r *reaper) reap(pid int) {
	var ws syscall.WaitStatus
	var ru syscall.Rusage
	got, err := syscall.Wait4(pid, &ws, syscall.WNOHANG, &ru)
	for err == syscall.EINTR {
		got, err = syscall.Wait4(pid, &ws, syscall.WNOHANG, &ru)
	}
	if err != nil || got != pid {
		return
	}
	if exit, ours := r.owned[pid]; ours {
		delete(r.owned, pid)
		exit <- newExit(ws, ru)
	} else {
		r.strangers++
	}
	close(r.reaped)
	r.reaped = make(chan struct{})
}

// orphans is how many children were reaped that nobody here had started, and
// a channel that is closed when another child is reaped.
func (r *reaper) orphans() (uint64, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.strangers, r.reaped
}

// peek returns the pid of a dead child without reaping it, or 0.
func peek() int { return waitFor(unix.P_ALL, 0, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT) }

// waitFor is waitid; it returns the pid of a child, or 0 when there is none.
func waitFor(kind, id, options int) int {
	var info struct {
		signo, errno, code int32
		_                  [unsafe.Sizeof(uintptr(0)) - 4]byte
		pid                int32
		_                  [128]byte
	}
	for {
		err := unix.Waitid(kind, id, (*unix.Siginfo)(unsafe.Pointer(&info)), options, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil { // ECHILD: no children at all
			return 0
		}
		return int(info.pid)
	}
}

// sameGroup tells whether pid is in the process group of this program, where
// nothing that this package starts ever is.
func sameGroup(pid int) bool {
	pgid, err := unix.Getpgid(pid)
	return err == nil && pgid == unix.Getpgrp()
}

// adoptOrphans makes orphaned descendants children of this program, if they
// are not anyway, because it is PID 1.
func adoptOrphans() error {
	if os.Getpid() == 1 {
		return nil
	}
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// setForeground hands the terminal at fd from one process group to another,
// if the first one has it. It runs on the starters' thread with SIGTTOU
// blocked, which would stop a background process that does this.
func (r *reaper) setForeground(fd, from, to int) bool {
	if now, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || now != from {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users == 0 {
		return false
	}
	var err error
	done := make(chan struct{})
	r.forks <- func() {
		defer close(done)
		var ttou, old unix.Sigset_t
		ttou.Val[0] = 1 << (uint(unix.SIGTTOU) - 1)
		if err = unix.PthreadSigmask(unix.SIG_BLOCK, &ttou, &old); err != nil {
			return
		}
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, to)
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	}
	<-done
	return err == nil
}
