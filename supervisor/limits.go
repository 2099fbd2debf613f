package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// exitConfig is the exit code for limits that make no sense (sysexits.h).
const exitConfig = 78

// Limits are what a process may and may not, set before its program runs. The
// zero value changes nothing.
type Limits struct {
	// User and Group by name or number. With a User and no Group, the group
	// is the user's own; of a number without an entry in /etc/passwd, that of
	// the same number.
	User, Group string
	// Groups are supplementary groups by name or number. Nil with a User
	// means those that /etc/group gives the user.
	Groups []string
	// Umask is the file mode creation mask; nil means the supervisor's own.
	Umask *uint32
	// Nice is added to the priority; -20 to 19.
	Nice int
	// Rlimits by name in lower case ("nofile", "core", "memlock").
	Rlimits map[string]Rlimit
}

// Rlimit is a resource limit in the units of setrlimit(2). Unlimited is
// math.MaxUint64.
type Rlimit struct{ Soft, Hard uint64 }

// Unlimited is no limit.
const Unlimited uint64 = math.MaxUint64

var resources = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA,
	"fsize": unix.RLIMIT_FSIZE, "locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK,
	"msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE, "nofile": unix.RLIMIT_NOFILE,
	"nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS, "rtprio": unix.RLIMIT_RTPRIO,
	"rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
}

// ParseRlimit reads "1024", "1024:4096" (soft and hard) or "unlimited".
func ParseRlimit(name, s string) (Rlimit, error) {
	if _, ok := resources[name]; !ok {
		return Rlimit{}, fmt.Errorf("there is no resource limit %q: there are %s", name, strings.Join(resourceNames(), ", "))
	}
	one := func(s string) (uint64, error) {
		if s == "unlimited" {
			return Unlimited, nil
		}
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s limit %q is neither a number nor unlimited", name, s)
		}
		return n, nil
	}
	soft, hard, two := strings.Cut(s, ":")
	var r Rlimit
	var err error
	if r.Soft, err = one(soft); err != nil {
		return Rlimit{}, err
	}
	r.Hard = r.Soft
	if two {
		if r.Hard, err = one(hard); err != nil {
			return Rlimit{}, err
		}
	}
	if r.Soft > r.Hard {
		return Rlimit{}, fmt.Errorf("%s limit %q: the soft limit is above the hard one", name, s)
	}
	return r, nil
}

func resourceNames() []string {
	names := make([]string, 0, len(resources))
	for n := range resources {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// resolved are limits in numbers, as they are handed to the process that is
// to become the program.
type resolved struct {
	Path    string
	Report  int // descriptor for what goes wrong
	UID     int // -1 = stay
	GID     int
	Groups  []int // nil = stay
	Umask   *uint32
	Nice    int
	Rlimits map[int]Rlimit
}

func (l Limits) none() bool {
	return l.User == "" && l.Group == "" && l.Groups == nil && l.Umask == nil && l.Nice == 0 && len(l.Rlimits) == 0
}

// resolve looks names up.
func (l Limits) resolve() (resolved, error) {
	r := resolved{UID: -1, GID: -1, Umask: l.Umask, Nice: l.Nice, Rlimits: map[int]Rlimit{}}
	for name, limit := range l.Rlimits {
		id, ok := resources[name]
		if !ok {
			return r, &permanentError{exitConfig, fmt.Errorf("there is no resource limit %q: there are %s", name, strings.Join(resourceNames(), ", "))}
		}
		r.Rlimits[id] = limit
	}
	if l.User != "" {
		if err := l.resolveUser(&r); err != nil {
			return r, &permanentError{exitConfig, err}
		}
	}
	if l.Group != "" {
		gid, err := groupID(l.Group)
		if err != nil {
			return r, &permanentError{exitConfig, err}
		}
		r.GID = gid
	}
	for _, g := range l.Groups {
		gid, err := groupID(g)
		if err != nil {
			return r, &permanentError{exitConfig, err}
		}
		r.Groups = append(r.Groups, gid)
	}
	if l.Groups != nil && r.Groups == nil {
		r.Groups = []int{}
	}
	return r, nil
}

func (l Limits) resolveUser(r *resolved) error {
	u, err := user.Lookup(l.User)
	if err != nil {
		id, numErr := strconv.ParseUint(l.User, 10, 31)
		if numErr != nil {
			return fmt.Errorf("there is no user %q in /etc/passwd: add it, or give a number", l.User)
		}
		r.UID, r.GID = int(id), int(id)
		u, err = user.LookupId(l.User)
		if err != nil { // a number is enough
			if l.Groups == nil {
				r.Groups = []int{}
			}
			return nil
		}
	}
	if r.UID, err = strconv.Atoi(u.Uid); err != nil {
		return err
	}
	if r.GID, err = strconv.Atoi(u.Gid); err != nil {
		return err
	}
	if l.Groups != nil {
		return nil
	}
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("cannot read the groups of user %s: %w", u.Username, err)
	}
	r.Groups = []int{}
	for _, s := range ids {
		if id, err := strconv.Atoi(s); err == nil {
			r.Groups = append(r.Groups, id)
		}
	}
	return nil
}

func groupID(s string) (int, error) {
	if id, err := strconv.ParseUint(s, 10, 31); err == nil {
		return int(id), nil
	}
	g, err := user.LookupGroup(s)
	if err != nil {
		return 0, fmt.Errorf("there is no group %q in /etc/group: add it, or give a number", s)
	}
	return strconv.Atoi(g.Gid)
}

// Limits can't be set between fork and exec of a Go program, and not from
// outside before the program runs. So this program is executed a second time,
// sets them, and then executes the program that is wanted. It says what went
// wrong on a descriptor that the program never sees.
const limitsMarker = "nullcard: setting limits"

func init() {
	if len(os.Args) > 2 && os.Args[0] == limitsMarker {
		os.Exit(becomeProgram(os.Args[1], os.Args[2:]))
	}
}

// limitsFailure is what is said on resolved.Report.
type limitsFailure struct {
	Code int
	Text string
}

func becomeProgram(limits string, argv []string) int {
	runtime.LockOSThread()
	var r resolved
	err := json.Unmarshal([]byte(limits), &r)
	if err == nil {
		syscall.CloseOnExec(r.Report)
		err = r.apply()
	}
	code := exitNotExecutable
	if err == nil {
		err = syscall.Exec(r.Path, argv, os.Environ())
		if errno, ok := err.(syscall.Errno); ok {
			err = execError(r.Path, errno)
		}
		code = startError("", err).Code
	}
	b, _ := json.Marshal(limitsFailure{code, err.Error()})
	_, _ = syscall.Write(r.Report, b)
	return code
}

func (r resolved) apply() error {
	if r.Nice != 0 {
		// The call itself, unlike nice(2), takes the new value; getpriority
		// returns 20 - nice.
		now, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		if err != nil {
			return fmt.Errorf("cannot read the priority: %w", err)
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, max(-20, min(19, 20-now+r.Nice))); err != nil {
			return fmt.Errorf("cannot set nice %d: %w: a negative one needs root or CAP_SYS_NICE", r.Nice, err)
		}
	}
	for id, limit := range r.Rlimits {
		if err := syscall.Setrlimit(id, &syscall.Rlimit{Cur: limit.Soft, Max: limit.Hard}); err != nil {
			return fmt.Errorf("cannot set the %s limit to %s:%s: %w: a hard limit can be raised by root or CAP_SYS_RESOURCE only",
				resourceName(id), number(limit.Soft), number(limit.Hard), err)
		}
	}
	if r.Umask != nil {
		syscall.Umask(int(*r.Umask))
	}
	if r.Groups != nil {
		if err := syscall.Setgroups(r.Groups); err != nil && !sameGroups(r.Groups) {
			return fmt.Errorf("cannot set the supplementary groups to %v: %w: run nullcard as root, or leave groups out", r.Groups, err)
		}
	}
	if r.GID >= 0 {
		if err := syscall.Setresgid(r.GID, r.GID, r.GID); err != nil {
			return fmt.Errorf("cannot become group %d: %w: run nullcard as root or as this group", r.GID, err)
		}
	}
	if r.UID >= 0 {
		if err := syscall.Setresuid(r.UID, r.UID, r.UID); err != nil {
			return fmt.Errorf("cannot become user %d: %w: run nullcard as root or as this user", r.UID, err)
		}
		// Lost with the change of identity.
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
			return fmt.Errorf("cannot ask for a signal at the supervisor's death: %w", err)
		}
	}
	return nil
}

// sameGroups tells whether groups has nothing that this process lacks and the
// other way round, so that an unprivileged one need not change them.
func sameGroups(groups []int) bool {
	now, err := syscall.Getgroups()
	if err != nil {
		return false
	}
	a, b := slices.Clone(now), slices.Clone(groups)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func resourceName(id int) string {
	for name, i := range resources {
		if i == id {
			return name
		}
	}
	return strconv.Itoa(id)
}

func number(n uint64) string {
	if n == Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// limited is how a program with limits is started in place of the program
// itself: what to execute, and a pipe that tells how it went.
type limited struct {
	path   string
	argv   []string
	report *os.File
	theirs int
}

func newLimited(l Limits, path string, argv []string, report int) (*limited, error) {
	r, err := l.resolve()
	if err != nil {
		return nil, err
	}
	r.Path, r.Report = path, report
	b, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	ours, theirs, err := pipe()
	if err != nil {
		return nil, err
	}
	self := "/proc/self/exe"
	if _, err := os.Stat(self); err != nil { // no /proc
		if self, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("cannot find this program, which sets the limits: %w", err)
		}
	}
	return &limited{
		path:   self,
		argv:   append([]string{limitsMarker, string(b)}, argv...),
		report: os.NewFile(uintptr(ours), "limits report"),
		theirs: theirs,
	}, nil
}

// outcome waits until the program runs, and tells what kept it from that. Our
// copy of their end must have been closed.
func (l *limited) outcome() error {
	b, err := io.ReadAll(l.report)
	if err != nil || len(b) == 0 {
		return err
	}
	var f limitsFailure
	if err := json.Unmarshal(b, &f); err != nil {
		return errors.New(string(b))
	}
	return &permanentError{f.Code, errors.New(f.Text)}
}
