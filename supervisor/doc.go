// Package supervisor runs processes and keeps them running, as PID 1 of a
// container or anywhere else on Linux. It knows nothing of what they do.
//
//	s, err := supervisor.New(supervisor.Options{Signals: supervisor.CatchSignals()}, []supervisor.Spec{
//		{Name: "server", Command: []string{"server"}, Ready: supervisor.Until(supervisor.CheckTCP("127.0.0.1:80"))},
//		{Name: "app", Command: []string{"app"}, Needs: []string{"server"}, Critical: true},
//	})
//	if err != nil { … }
//	code, err := s.Run(ctx)
//
// # States
//
// One goroutine owns one process, which is in one of these states:
//
//	              ┌───────┐        ┌────────┐        ┌─────┐
//	   (new) ────►│waiting├───────►│starting├───────►│ready│
//	              └┬─▲────┘        └─┬────┬─┘        └──┬──┘
//	    called off │ │               │    │             │
//	     ┌─────────┘ │  no process   │    │ a process   │ ended, stopped,
//	     │           │   was made    │    │ was made    │ lost a need, sick
//	     │           │               │   ┌▼─────────────▼──┐
//	     │           │               │   │    stopping     │ until the group
//	     │           │               │   └──────────┬──────┘ is empty
//	     │           │               └───────┬──────┘
//	     │           │   to be started again │
//	     │           ├───────────────────────┤
//	     │           │    at once            │
//	     │    pause  │                       │
//	     │    over ┌─┴─────┐                 │
//	     │  ┌──────┤backoff│◄────────────────┤
//	     │  │      └───────┘    after a pause│
//	     │  │ stopped                        │
//	    ┌▼──▼──┐                             │ for good
//	    │exited│◄────────────────────────────┤
//	    └──────┘   stopped, or with success  │
//	    ┌──────┐                             │
//	    │failed│◄────────────────────────────┘
//	    └──────┘   with failure
//
//	Start brings exited and failed back to waiting.
//
// The same as [Transitions] has it:
//
//	(new)    → waiting
//	waiting  → starting, exited
//	starting → ready, stopping, waiting, backoff, exited, failed
//	ready    → stopping
//	stopping → waiting, backoff, exited, failed
//	backoff  → waiting, exited
//	exited   → waiting
//	failed   → waiting
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
// waiter for 800 ms as long as they stay in the program's process group;
// after that, and everywhere else, a child nobody asked for is an orphan.
package supervisor
