package supervisor

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// stat is what /proc/PID/stat tells of a process.
type stat struct {
	pid, ppid, pgid int
	state           string
}

func processList(t *testing.T) (all []stat) {
	t.Helper()
	dirs, err := os.ReadDir("/proc")
	must(t, err)
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + d.Name() + "/stat")
		if err != nil {
			continue // gone meanwhile
		}
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		s := stat{pid: pid, state: f[0]}
		s.ppid, _ = strconv.Atoi(f[1])
		s.pgid, _ = strconv.Atoi(f[2])
		all = append(all, s)
	}
	return all
}

// withArgument finds processes with an argument.
func withArgument(t *testing.T, arg string) (pids []int) {
	for _, s := range processList(t) {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(s.pid) + "/cmdline")
		if slices.Contains(strings.Split(string(b), "\x00"), arg) {
			pids = append(pids, s.pid)
		}
	}
	return pids
}

// zombies are this program's dead children.
func zombies(t *testing.T) (pids []int) {
	for _, s := range processList(t) {
		if s.ppid == os.Getpid() && s.state == "Z" {
			pids = append(pids, s.pid)
		}
	}
	return pids
}
