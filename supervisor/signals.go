package supervisor

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CatchSignals makes the program deaf to the signals a supervisor must not
// die of and returns those that [Options].Signals wants. It belongs at the very
// start of main: PID 1 without it dies of SIGTERM with code 2, and of SIGPIPE
// when its log is closed.
func CatchSignals() <-chan os.Signal {
	c := make(chan os.Signal, 64)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT,
		syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	// Caught and dropped rather than ignored: children inherit what is ignored.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGWINCH, syscall.SIGPIPE)
	unignore()
	return c
}

// unignore gives default dispositions to signals that this program inherited
// as ignored and the Go runtime leaves so, for the sake of the children.
func unignore() {
	for sig := syscall.Signal(1); sig < 65; sig++ {
		if sig == syscall.SIGKILL || sig == syscall.SIGSTOP { // fixed
			continue
		}
		// struct kernel_sigaction, whose first word is the handler on all of
		// Linux's architectures but MIPS.
		var sa [8]uintptr
		if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&sa)), 8, 0, 0); errno != 0 {
			continue
		}
		const sigDfl, sigIgn = 0, 1
		if sa[0] == sigIgn {
			sa[0] = sigDfl
			unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&sa)), 0, 8, 0, 0)
		}
	}
}

// CatchAll catches every signal that a bare init hands on, for Init.Run. It
// belongs at the very start of main. Left out are those that a program raises
// itself by a fault, SIGCHLD, and SIGURG, which the Go runtime sends to itself.
func CatchAll() <-chan os.Signal {
	var all []os.Signal
	for sig := syscall.Signal(1); sig < 65; sig++ {
		switch sig {
		case syscall.SIGKILL, syscall.SIGSTOP, 32, 33,
			syscall.SIGFPE, syscall.SIGILL, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGABRT, syscall.SIGTRAP, syscall.SIGSYS,
			syscall.SIGCHLD, syscall.SIGURG:
			continue
		}
		all = append(all, sig)
	}
	c := make(chan os.Signal, 256)
	signal.Notify(c, all...)
	unignore()
	return c
}

// ParseSignal reads "TERM", "SIGTERM", "sigterm" or "15".
func ParseSignal(s string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil {
		if n < 1 || n > 64 {
			return 0, fmt.Errorf("there is no signal %d: signals go from 1 to 64", n)
		}
		return syscall.Signal(n), nil
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if sig := unix.SignalNum(name); sig != 0 {
		return sig, nil
	}
	return 0, fmt.Errorf("there is no signal %q: write it like TERM, SIGTERM or 15", s)
}

// role is what a signal means to a supervisor.
type role int

const (
	ignored role = iota
	stopAsked
	forwarded
)

func roleOf(sig os.Signal) role {
	switch sig {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT:
		return stopAsked
	case syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2:
		return forwarded
	}
	return ignored
}
