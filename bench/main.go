// Command bench measures nullcard beside its peers, all in one run on one
// machine, so that the figures can be compared: `go run ./bench start`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/nullcard/nullcard/integration/stack"
)

const usage = `usage: go run ./bench BENCHMARK [FLAG…]

benchmarks:
  start   container start → devices stand, → app started; ` + "`bench start -h`" + ` lists its flags
`

func main() {
	if len(os.Args) < 2 || os.Args[1] != "start" {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(64)
	}
	o, err := startFlags(os.Args[2:])
	if err != nil {
		os.Exit(64) // the flag package has told why
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := stack.Main(ctx, os.Stderr, func(t stack.TB) error { return benchStart(t, o) }); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
