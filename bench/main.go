// Command bench measures nullcard beside its peers, all in one run on one
// machine, so that the figures can be compared: `go run ./bench start`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/nullcard/nullcard/integration/stack"
)

// benchmark is one of the things that can be measured. parse reads its flags
// and returns what measures.
type benchmark struct {
	name, about string
	parse       func(args []string) (func(stack.TB) error, error)
}

var benchmarks = []benchmark{
	{"start", "container start → devices stand, → app started", parseStartFlags},
	{"call", "mic feed → the far end's speaker through a call", parseCallFlags},
	{"recovery", "faults in a call → devices proven, → caller started, → call up", parseRecoveryFlags},
	{"init", "reaping, respawn, idle use and start of inits and supervisors", parseInitFlags},
}

func usage() string {
	var b strings.Builder
	b.WriteString("usage: go run ./bench BENCHMARK [FLAG…]\n\nbenchmarks (`bench BENCHMARK -h` lists the flags of one):\n")
	for _, m := range benchmarks {
		fmt.Fprintf(&b, "  %-10s%s\n", m.name, m.about)
	}
	return b.String()
}

func main() {
	for _, m := range benchmarks {
		if len(os.Args) > 1 && os.Args[1] == m.name {
			measure, err := m.parse(os.Args[2:])
			if err != nil {
				os.Exit(64) // the flag package has told why
			}
			os.Exit(run(measure))
		}
	}
	fmt.Fprint(os.Stderr, usage())
	os.Exit(64)
}

func run(measure func(stack.TB) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := stack.Main(ctx, os.Stderr, measure); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}
