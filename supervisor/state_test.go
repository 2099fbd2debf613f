package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

type step struct{ from, to State }

// Every transition of the diagram is walked, and no other.
func TestEveryTransition(t *testing.T) {
	ctx := within(t, patience)
	once := Restart{Policy: Never}
	long := Restart{Backoff: Backoff{Initial: time.Hour, Max: time.Hour}}
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	bad := func(context.Context) error { return errors.New("bad") }
	running := Spec{Name: "other", Command: self("sleep")} // keeps the supervisor busy
	stopAll := func(r *run) { r.signals <- syscall.SIGTERM }

	walked := map[step]bool{}
	for _, c := range []struct {
		name  string
		specs []Spec
		do    func(r *run)
		path  string // of "it"
	}{
		{"normal life", []Spec{{Name: "it", Command: self("sleep")}},
			func(r *run) { r.reached("it", Ready, 1); stopAll(r) },
			"waiting starting ready stopping exited"},
		{"never started", []Spec{{Name: "need", Command: self("sleep"), Ready: blocked}, {Name: "it", Command: self("sleep"), Needs: []string{"need"}}},
			func(r *run) { r.reached("need", Starting, 1); stopAll(r) },
			"waiting exited"},
		{"called off by a stop", []Spec{{Name: "it", Command: self("sleep"), Prepare: hang}},
			func(r *run) { r.reached("it", Starting, 1); stopAll(r) },
			"waiting starting exited"},
		{"called off by a restart", []Spec{{Name: "it", Command: self("sleep"), Prepare: hang}},
			func(r *run) {
				r.reached("it", Starting, 1)
				must(t, r.Renew("it", "renewed"))
				r.reached("it", Starting, 2)
				stopAll(r)
			},
			"waiting starting waiting starting exited"},
		{"cannot be prepared", []Spec{{Name: "it", Command: self("sleep"), Prepare: bad, Restart: long}},
			func(r *run) { r.reached("it", BackingOff, 1); stopAll(r) },
			"waiting starting backoff exited"},
		{"cannot be prepared, once", []Spec{running, {Name: "it", Command: self("sleep"), Prepare: bad, Restart: once}},
			func(r *run) { r.reached("it", Failed, 1); stopAll(r) },
			"waiting starting failed"},
		{"not ready", []Spec{{Name: "it", Command: self("sleep"), Ready: func(context.Context, *Instance) error { return errors.New("bad") }, Restart: long}},
			func(r *run) { r.reached("it", BackingOff, 1); stopAll(r) },
			"waiting starting stopping backoff exited"},
		{"fails and is started again", []Spec{{Name: "it", Command: self("exit 1")}},
			func(r *run) { r.reached("it", Ready, 2); stopAll(r) },
			""},
		{"loses its need", []Spec{{Name: "need", Command: self("sleep")}, {Name: "it", Command: self("sleep"), Needs: []string{"need"}}},
			func(r *run) {
				r.reached("it", Ready, 1)
				must(t, r.Restart(ctx, "need"))
				r.reached("it", Ready, 2)
				stopAll(r)
			},
			"waiting starting ready stopping waiting starting ready stopping exited"},
		{"fails for good and is started again", []Spec{running, {Name: "it", Command: self("exit 1"), Restart: once}},
			func(r *run) {
				r.reached("it", Failed, 1)
				_ = r.Start(ctx, "it")
				r.reached("it", Failed, 2)
				stopAll(r)
			},
			"waiting starting ready stopping failed waiting starting ready stopping failed"},
		{"stopped and started", []Spec{running, {Name: "it", Command: self("sleep")}},
			func(r *run) {
				r.reached("it", Ready, 1)
				must(t, r.Stop(ctx, "it"))
				must(t, r.Start(ctx, "it"))
				stopAll(r)
			},
			"waiting starting ready stopping exited waiting starting ready stopping exited"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := begin(t, Options{}, c.specs...)
			c.do(r)
			r.end()
			if got := r.path("it"); c.path != "" && got != c.path {
				t.Errorf("path %q, want %q", got, c.path)
			}
			last := map[string]State{}
			for _, e := range r.events {
				if e.From != last[e.Process] {
					t.Errorf("event %+v follows %q", e, last[e.Process])
				}
				last[e.Process] = e.To
				walked[step{e.From, e.To}] = true
			}
		})
	}
	var want []step
	for from, all := range Transitions {
		for _, to := range all {
			want = append(want, step{from, to})
		}
	}
	for _, s := range want {
		if !walked[s] {
			t.Errorf("from %q to %q was not walked", s.from, s.to)
		}
		delete(walked, s)
	}
	for s := range walked {
		t.Errorf("from %q to %q is not in the diagram", s.from, s.to)
	}
}

func TestDiagramInPackageComment(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	must(t, err)
	told := map[State][]State{}
	for line := range strings.Lines(string(doc)) {
		from, to, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "//"), "→")
		if !ok {
			continue
		}
		var all []State
		for s := range strings.SplitSeq(to, ",") {
			all = append(all, State(strings.TrimSpace(s)))
		}
		from = strings.TrimSpace(from)
		if from == "(new)" {
			from = ""
		}
		told[State(from)] = all
	}
	if !maps.EqualFunc(told, Transitions, slices.Equal[[]State]) {
		t.Errorf("the package comment tells %v, the code %v", told, Transitions)
	}
}

func TestEnvironment(t *testing.T) {
	r := begin(t, Options{}, Spec{Name: "it", Command: self("env GREETING", "env EMPTY", "sleep"),
		Env: append(helperEnv(), "GREETING=hello", "EMPTY=x", "GREETING=good bye", "EMPTY=")})
	r.said("good bye")
	r.said("")
}

func TestEventsTellHowItEnded(t *testing.T) {
	r := begin(t, Options{}, Spec{Name: "it", Command: self("wait 1ms", "die 9"), Critical: true, Restart: Restart{Policy: Never}})
	r.end()
	e := r.reached("it", Failed, 1)
	if e.Exit == nil || e.Exit.Signal != syscall.SIGKILL || e.Exit.Code != 137 || e.PID == 0 || e.Attempt != 1 || e.Cause != "killed by SIGKILL" {
		t.Errorf("event %+v", e)
	}
	if e.Exit.Rusage.Maxrss == 0 || e.Exit.Rusage.Utime.Nano()+e.Exit.Rusage.Stime.Nano() == 0 {
		t.Errorf("rusage %+v", e.Exit.Rusage)
	}
	b, err := json.Marshal(e)
	must(t, err)
	for _, s := range []string{`"signal":"SIGKILL"`, `"code":137`, `"max_rss_kib":`, `"to":"failed"`} {
		if !strings.Contains(string(b), s) {
			t.Errorf("%s lacks %s", b, s)
		}
	}
}

// Children get default dispositions, an empty mask and no descriptors of ours,
// whatever we were started with.
func TestCleanChildren(t *testing.T) {
	p := play{Specs: []Spec{{Name: "it", Critical: true, Restart: Restart{Policy: Never},
		Command: []string{"/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}}}}
	cmd := exec.Command("/bin/sh", "-c", `trap "" HUP INT QUIT TSTP TTIN TTOU USR1 PIPE; exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), "HELPER=supervise", "PLAY="+playJSON(t, p), "GORACE=atexit_sleep_ms=0")
	var out strings.Builder
	cmd.Stdout = &out
	// As the C library's posix_spawn leaves its own signal 32 at times.
	ignored, old := [8]uintptr{1}, [8]uintptr{}
	sigaction := func(set, get *[8]uintptr) {
		if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, 32, uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), 8, 0, 0); errno != 0 {
			t.Fatal(errno)
		}
	}
	sigaction(&ignored, &old)
	defer sigaction(&old, nil)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and end it, with its mask
		if err := unix.PthreadSigmask(unix.SIG_BLOCK, &unix.Sigset_t{Val: [16]uint64{1<<9 | 1<<11 | 1<<14}}, nil); err != nil {
			started <- err
			return
		}
		started <- cmd.Start()
	}()
	must(t, <-started)
	must(t, cmd.Wait())
	if got, want := out.String(), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestChildrenHaveAGroupAndNoDescriptorsOfOurs(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "open"))
	must(t, err)
	defer file.Close()
	r := begin(t, Options{}, Spec{Name: "it", Command: self("say up", "sleep")})
	r.said("up")
	pid := r.Status()[0].PID
	if pgid, err := syscall.Getpgid(pid); pgid != pid {
		t.Errorf("process %d is in group %d (%v)", pid, pgid, err)
	}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	must(t, err)
	for _, fd := range fds {
		if to, _ := os.Readlink(fd); to == file.Name() {
			t.Errorf("it has our %s", to)
		}
	}
}
