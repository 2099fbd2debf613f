// Package supervisor runs processes and keeps them running, as PID 1 of a
// container or anywhere else on Linux. It knows nothing of what they do.
//
//	s, err := supervisor.New(supervisor.Options{Signals: supervisor.CatchSignals()}, []supervisor.Spec{
//		{Name: "server", Command: []string{"server"}, Ready: supervisor.ReadyTCP("127.0.0.1:80")},
//		{Name: "app", Command: []string{"app"}, Needs: []string{"server"}, Critical: true},
//	})
//	if err != nil { … }
//	code, err := s.Run(ctx)
//
// # States
//
// One goroutine owns one process and is in one of these states:
//
//	          start                needs ready            ready
//	(new) ──────────► waiting ──────────────► starting ──────────► ready
//	                   ▲ │ ▲                   │  │ │                │
//	                   │ │ │        no process │  │ └──────┐         │
//	                   │ │ │  ┌────────────────┤  │        ▼         ▼
//	        pause over │ │ │  │                │  └─────► stopping ◄─┘
//	          or start │ │ └──┼────────────────┼──────────┤  │ │ │
//	                   │ │    ▼                ▼ replaced,│  │ │ │
//	                   └─┼─ backoff ◄──────────┼─need lost┘  │ │ │
//	                     │    │  │   will be started again ──┘ │ │
//	             stopped │    │  └─────────┐   │               │ │
//	                     ▼    ▼            ▼   ▼   for good    │ │
//	             exited ◄┴────┘          failed ◄──────────────┘ │
//	                │  ◄─────────────────────┼───────────────────┘
//	                └────► waiting ◄─────────┘ start
//
// In words, and as [Transitions] has it:
//
//	waiting   for its needs           → starting, exited
//	starting  until it is of use      → ready, stopping; without a process
//	                                    (it could not be started, or was
//	                                    called off before): waiting, backoff,
//	                                    exited, failed
//	ready     of use to others        → stopping
//	stopping  until its group is empty → waiting, backoff, exited, failed
//	backoff   pausing                 → waiting, exited
//	exited    stopped, or done        → waiting
//	failed    ended for good, badly   → waiting
//
// A process that ends by itself passes through stopping as well: a process has
// stopped when its process group is empty, and what its leader left behind is
// ended there.
//
// # Reaping
//
// While a Supervisor runs, this package reaps all children of the program, as
// PID 1 must. Each exit status goes to the process it belongs to. Children
// that the program starts by other means (os/exec) are left to their own
// waiter for a second as long as they stay in the program's process group;
// after that, and everywhere else, a child nobody asked for is an orphan.
package supervisor
