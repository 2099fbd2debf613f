package supervisor

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain makes the test binary its own helper: with HELPER set it is one of
// the ill-behaved programs that a supervisor meets, or a supervisor itself.
func TestMain(m *testing.M) {
	switch os.Getenv("HELPER") {
	case "":
	case "supervise":
		os.Exit(supervise())
	case "init":
		os.Exit(bareInit())
	default:
		os.Exit(helper(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// self is the command of a helper that carries out steps, in order, and ends
// with code 0:
//
//	say TEXT         a line on stdout
//	err TEXT         a line on stderr
//	exit N           end with code N
//	die N            end by signal N
//	sleep            for longer than any test
//	wait DURATION
//	ignore N         ignore signal N
//	on N CODE        end with CODE at signal N
//	tell N           print "signal N" at each signal N
//	fork STEPS       run a child in the same group, its steps separated by "/"
//	leave STEPS      the same in a session of its own
//	read             print each line of stdin; quit at "q", or at its end with 9
//	touch FILE       make a file
//	until FILE       wait for a file
//	env NAME         print a variable
//	self             print uid, gid, groups, umask, nice and the nofile limit
//	alone            wait until our parent has no descendants left but us and
//	                 our own, dead or alive, and say so
//	write FD TEXT    write a line to a descriptor
//	notify TEXT      send TEXT to NOTIFY_SOCKET
//	flood N          print N numbered lines
//	long N           print a line of N bytes
//	raw TEXT         print TEXT, unquoted as in Go, with no line end
//	many N STEPS     run N children at once and wait for them
func self(steps ...string) []string { return append([]string{os.Args[0]}, steps...) }

func helperEnv() []string {
	return append(os.Environ(), "HELPER=1", "GORACE=atexit_sleep_ms=0")
}

func helper(steps []string) int {
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(99)
		}
		return n
	}
	for _, step := range steps {
		verb, arg, _ := strings.Cut(step, " ")
		switch verb {
		case "say":
			fmt.Println(arg)
		case "err":
			fmt.Fprintln(os.Stderr, arg)
		case "exit":
			return number(arg)
		case "die":
			signal.Reset(syscall.Signal(number(arg)))
			_ = syscall.Kill(os.Getpid(), syscall.Signal(number(arg)))
			time.Sleep(time.Minute)
		case "sleep":
			time.Sleep(30 * time.Second)
		case "wait":
			d, err := time.ParseDuration(arg)
			if err != nil {
				return 99
			}
			time.Sleep(d)
		case "ignore":
			signal.Ignore(syscall.Signal(number(arg)))
		case "on":
			n, code, _ := strings.Cut(arg, " ")
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.Signal(number(n)))
			go func() { <-c; os.Exit(number(code)) }()
		case "tell":
			c := make(chan os.Signal, 8)
			signal.Notify(c, syscall.Signal(number(arg)))
			go func() {
				for range c {
					fmt.Println("signal " + arg)
				}
			}()
		case "fork", "leave":
			cmd := exec.Command(os.Args[0], strings.Split(arg, "/")...)
			cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: verb == "leave"}
			if err := cmd.Start(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 99
			}
		case "read":
			in := bufio.NewScanner(os.Stdin)
			for in.Scan() {
				fmt.Println("read " + in.Text())
				if in.Text() == "q" {
					return 0
				}
			}
			return 9
		case "touch":
			arg = strings.ReplaceAll(arg, "\\", "/") // for fork, which splits at /
			if err := os.WriteFile(arg, nil, 0o600); err != nil {
				return 99
			}
		case "until":
			for {
				if _, err := os.Stat(arg); err == nil {
					break
				}
				time.Sleep(time.Millisecond)
			}
		case "env":
			fmt.Println(os.Getenv(arg))
		case "self":
			groups, _ := syscall.Getgroups()
			mask := syscall.Umask(0)
			nice, _ := unix.Getpriority(unix.PRIO_PROCESS, 0)
			var nofile unix.Rlimit
			_ = unix.Getrlimit(unix.RLIMIT_CORE, &nofile)
			fmt.Println("uid", os.Getuid(), "gid", os.Getgid(), "groups", groups, fmt.Sprintf("umask %03o", mask), "nice", 20-nice, "core", nofile.Cur, nofile.Max)
		case "alone":
			for limit := time.Now().Add(10 * time.Second); len(relatives()) > 0; time.Sleep(2 * time.Millisecond) {
				if time.Now().After(limit) {
					fmt.Println("not alone but with", relatives())
					return 99
				}
			}
			fmt.Println("alone")
		case "write":
			fd, text, _ := strings.Cut(arg, " ")
			if _, err := syscall.Write(number(fd), []byte(text+"\n")); err != nil {
				return 99
			}
		case "notify":
			c, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 99
			}
			if _, err := c.Write([]byte(arg)); err != nil {
				return 99
			}
		case "flood":
			out := bufio.NewWriter(os.Stdout)
			for i := range number(arg) {
				fmt.Fprintln(out, "line", i)
			}
			out.Flush()
		case "long":
			os.Stdout.Write(append(bytes.Repeat([]byte("x"), number(arg)), '\n'))
		case "raw":
			text, err := strconv.Unquote(`"` + arg + `"`)
			if err != nil {
				return 99
			}
			os.Stdout.WriteString(text)
		case "many":
			n, steps, _ := strings.Cut(arg, " ")
			var all []*exec.Cmd
			for range number(n) {
				cmd := exec.Command(os.Args[0], strings.Split(steps, "/")...)
				cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
				if err := cmd.Start(); err != nil {
					return 99
				}
				all = append(all, cmd)
			}
			for _, cmd := range all {
				_ = cmd.Wait()
			}
		default:
			fmt.Fprintln(os.Stderr, "unknown step", step)
			return 99
		}
	}
	return 0
}

// relatives are the descendants of our parent but ourselves and those that we
// should have waited for.
func relatives() (found []string) {
	parents, states := map[string]string{}, map[string]string{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		pid := strings.Split(path, "/")[2]
		parents[pid], states[pid] = f[1], f[0]
	}
	me, parent := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	for pid := range parents {
		if pid == me || parents[pid] == me && states[pid] == "Z" {
			continue
		}
		for up := parents[pid]; up != ""; up = parents[up] {
			if up == parent {
				found = append(found, pid+" "+states[pid])
				break
			}
		}
	}
	return found
}
