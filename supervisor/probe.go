package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Check looks at a process once, for Health.Check, or for Spec.Ready by Until.
type Check = func(context.Context, *Instance) error

// Times between two tries of Until; a try that was refused costs next to
// nothing, and what is slow to start need not be asked often.
const (
	untilFirst = 5 * time.Millisecond
	untilMost  = 100 * time.Millisecond
)

// Until makes a ready probe of a check: it is repeated until it succeeds. When
// the time is up, the error is that of the last check.
func Until(check Check) Check {
	return func(ctx context.Context, in *Instance) error {
		t := time.NewTimer(0)
		defer t.Stop()
		var last error
		for pause := untilFirst; ; pause = min(2*pause, untilMost) {
			select {
			case <-t.C:
			case <-ctx.Done():
				if last == nil {
					return context.Cause(ctx)
				}
				return fmt.Errorf("%w (%w)", last, context.Cause(ctx))
			}
			err := check(ctx, in)
			if err == nil {
				return nil
			}
			if ctx.Err() == nil || last == nil { // else it only tells that time was up
				last = err
			}
			t.Reset(pause)
		}
	}
}

// CheckTCP succeeds when address ("host:port") accepts a connection.
func CheckTCP(address string) Check {
	return func(ctx context.Context, _ *Instance) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// CheckHTTP succeeds when a GET of url is answered with a status below 400.
// Redirects are not followed.
func CheckHTTP(url string) Check {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, _ *Instance) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode >= 400 {
			return fmt.Errorf("GET %s: %s", url, resp.Status)
		}
		return nil
	}
}

// CheckExec succeeds when command ends with code 0. It runs in the directory
// and the environment of the process that it checks, in a process group of its
// own, which is killed when the context ends and when the command has ended.
func CheckExec(command ...string) Check {
	return func(ctx context.Context, in *Instance) error {
		last, err := runCheck(ctx, command, in.spec)
		if err != nil && last != "" {
			return fmt.Errorf("%s: %w: %s", command[0], err, last)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", command[0], err)
		}
		return nil
	}
}

// runCheck returns the last line that the command wrote.
func runCheck(ctx context.Context, command []string, spec *Spec) (string, error) {
	one := Spec{Name: "check", Command: command, Env: spec.Env, Dir: spec.Dir, Limits: spec.Limits}
	out := newOutput(one.Name, nil, nil)
	g, err := processes{}.launch(&one, out)
	if err != nil {
		return "", err
	}
	var ex Exit
	select {
	case ex = <-g.exited():
		err = nil
		if ex.Code != 0 {
			err = errors.New(ex.String())
		}
	case <-ctx.Done():
		err = fmt.Errorf("killed, because it took too long: %w", context.Cause(ctx))
	}
	_ = g.signal(syscall.SIGKILL)
	empty, cancel := context.WithTimeout(context.WithoutCancel(ctx), killWait)
	defer cancel()
	_ = g.awaitEmpty(empty)
	g.close()
	last := ""
	for _, l := range out.last(1) {
		last = clip(l.Text, 200)
	}
	return last, err
}

// ReadyLine is ready once the process has written a line that matches.
func ReadyLine(pattern *regexp.Regexp) Check {
	return func(ctx context.Context, in *Instance) error {
		at := in.firstLine
		for {
			lines, next, more := in.out.since(at)
			for _, l := range lines {
				if pattern.Match(l.Text) {
					return nil
				}
			}
			at = next
			select {
			case <-more:
			case <-ctx.Done():
				return fmt.Errorf("no line matches %q: %w", pattern, context.Cause(ctx))
			}
		}
	}
}

// Notify lets a process itself say that it is ready, beside Spec.Ready.
type Notify struct {
	// FD is the number of a descriptor, 3 or more, on which the process
	// writes a line once it is ready, as with s6; 0 means none.
	FD int
	// Systemd sets NOTIFY_SOCKET for sd_notify(3) and waits for READY=1 from
	// the process group.
	Systemd bool
}

func (n Notify) wanted() bool { return n.FD != 0 || n.Systemd }

// notifier is our end of what Notify asks for.
type notifier struct {
	pipe   *os.File
	socket *net.UnixConn
	env    string
}

// await returns once the process has said that it is ready.
func (n *notifier) await(ctx context.Context, pgid int) error {
	stop := context.AfterFunc(ctx, func() {
		past := time.Unix(1, 0)
		if n.pipe != nil {
			_ = n.pipe.SetReadDeadline(past)
		}
		if n.socket != nil {
			_ = n.socket.SetReadDeadline(past)
		}
	})
	defer stop()
	if n.pipe != nil {
		if err := awaitLine(n.pipe); err != nil {
			return explain(ctx, err, "no line came on the notification descriptor")
		}
	}
	if n.socket != nil {
		if err := awaitReady(n.socket, pgid); err != nil {
			return explain(ctx, err, "no READY=1 came on NOTIFY_SOCKET")
		}
	}
	return nil
}

func explain(ctx context.Context, err error, what string) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func awaitLine(r io.Reader) error {
	b := make([]byte, 64)
	for {
		n, err := r.Read(b)
		if strings.Contains(string(b[:n]), "\n") {
			return nil
		}
		if err == io.EOF {
			return errors.New("it was closed without one")
		}
		if err != nil {
			return err
		}
	}
}

// awaitReady reads notifications, of which each names its sender.
func awaitReady(c *net.UnixConn, pgid int) error {
	b, oob := make([]byte, 4096), make([]byte, 128)
	for {
		n, oobn, _, _, err := c.ReadMsgUnix(b, oob)
		if err != nil {
			return err
		}
		sender := senderOf(oob[:oobn])
		if group, err := syscall.Getpgid(sender); sender == 0 || err != nil || group != pgid {
			continue // anybody may write to an abstract socket
		}
		for line := range strings.Lines(string(b[:n])) {
			if strings.TrimSuffix(line, "\n") == "READY=1" {
				return nil
			}
		}
	}
}

func senderOf(oob []byte) int {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		if cred, err := syscall.ParseUnixCredentials(&m); err == nil {
			return int(cred.Pid)
		}
	}
	return 0
}

// newNotifier makes what n asks for; the descriptor is the process' end of
// the pipe, or -1.
func newNotifier(n Notify, process string) (_ *notifier, theirs int, err error) {
	r := &notifier{}
	theirs = -1
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if n.FD != 0 {
		ours, fd, err := pipe()
		if err != nil {
			return nil, -1, err
		}
		theirs = fd
		if err := syscall.SetNonblock(ours, true); err != nil {
			return nil, fd, err
		}
		r.pipe = os.NewFile(uintptr(ours), process+" notification")
	}
	if n.Systemd {
		// An empty abstract name lets the kernel choose a free one.
		r.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"})
		if err != nil {
			return nil, theirs, fmt.Errorf("cannot make the notification socket: %w", err)
		}
		conn, err := r.socket.SyscallConn()
		if err != nil {
			return nil, theirs, err
		}
		var passErr error
		if err := conn.Control(func(fd uintptr) {
			passErr = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_PASSCRED, 1)
		}); err != nil || passErr != nil {
			return nil, theirs, errors.Join(err, passErr)
		}
		r.env = "NOTIFY_SOCKET=" + r.socket.LocalAddr().String()
	}
	return r, theirs, nil
}

func (n *notifier) close() {
	if n.pipe != nil {
		_ = n.pipe.Close()
	}
	if n.socket != nil {
		_ = n.socket.Close()
	}
}
