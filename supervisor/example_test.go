package supervisor_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"regexp"

	"github.com/nullcard/nullcard/supervisor"
)

// A task and a server that it needs; the end of the task ends both.
func Example() {
	s, err := supervisor.New(supervisor.Options{
		Signals: supervisor.CatchSignals(),
		Logger:  slog.New(slog.DiscardHandler),
		Output:  func(l supervisor.Line) { fmt.Printf("%s: %s\n", l.Process, l.Text) },
	}, []supervisor.Spec{
		{
			Name:    "server",
			Command: []string{"sh", "-c", "echo listening; sleep 1000"},
			Env:     os.Environ(),
			Ready:   supervisor.ReadyLine(regexp.MustCompile("^listening$")),
		},
		{
			Name:     "task",
			Command:  []string{"sh", "-c", "echo done; exit 3"},
			Env:      os.Environ(),
			Needs:    []string{"server"},
			Restart:  supervisor.Restart{Policy: supervisor.Never},
			Critical: true,
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	code, err := s.Run(context.Background())
	fmt.Println(code, err)
	// Output:
	// server: listening
	// task: done
	// 3 task failed: exit code 3
}
