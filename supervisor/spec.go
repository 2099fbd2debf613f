package supervisor

import (
	"context"
	"io"
	"syscall"
	"time"
)

// Spec says how one process is run. The zero value of every field but Name
// and Command is usable.
type Spec struct {
	// Name identifies the process in needs, events, logs and commands.
	Name string
	// Command is the program and its arguments. A program without a slash is
	// looked up in the PATH of Env.
	Command []string
	// Env is the whole environment, as "KEY=value". Of a variable that comes
	// twice the last counts.
	Env []string
	// Dir is the working directory; empty means the supervisor's own.
	Dir string
	// Stdin holds a pipe to the process' standard input open for as long as it
	// lives; its end is Instance.Stdin. Otherwise standard input is inherited
	// if InheritStdin is set, else it is /dev/null.
	Stdin        bool
	InheritStdin bool
	// InheritOutput leaves the process the supervisor's own standard output and
	// error, a terminal for example: Output and Tail see nothing of it.
	InheritOutput bool

	// Prepare runs before each start, for files that the process needs. An
	// error counts as a start that failed.
	Prepare func(context.Context) error
	// Needs names the processes that must be ready before this one starts.
	// When one of them is lost, this one is stopped gracefully, and started
	// again once the lost one is ready again.
	Needs []string
	// Ready is called once after each start and returns nil when the process
	// is of use to those that need it. It is cancelled when the process ends.
	// Nil means ready as soon as started.
	Ready func(context.Context, *Instance) error
	// Notify makes the process say itself that it is ready.
	Notify Notify
	// ReadyTimeout bounds Ready and Notify; 0 means DefaultReadyTimeout. A process that is
	// not ready by then is stopped, and its restart policy applies.
	ReadyTimeout time.Duration

	// Limits are the user, group and resources of the process.
	Limits Limits

	Health  Health
	Stop    Stop
	Restart Restart

	// ExitCode, when set, is given the code of a run that ended by itself, after
	// its last line of output, and returns the code to go by: for programs that
	// exit 0 when they failed.
	ExitCode func(inst *Instance, code int) int

	// Output receives each line the process writes. It must not block for
	// long; nil means Options.Output.
	Output func(Line)

	// Forward passes SIGHUP, SIGUSR1 and SIGUSR2, when the supervisor gets
	// them, on to the process group.
	Forward bool

	// Critical ends the supervisor when the process has ended for good, with
	// its exit code.
	Critical bool
	// Oneshot marks a task that is ready once it has exited with success.
	Oneshot bool
}

// Health is a check that is repeated while a process is ready.
type Health struct {
	// Check returns nil when all is well. Nil means no check.
	Check func(context.Context, *Instance) error
	// Interval between two checks and Timeout of one of them; 0 means the
	// defaults.
	Interval, Timeout time.Duration
	// Failures in a row that make the process lost; 0 means DefaultFailures.
	Failures int
	// Grace is the time after readiness in which failures do not count.
	Grace time.Duration
	// Kill ends a process that is lost with SIGKILL at once instead of by
	// Stop: a hung one would only use up its grace.
	Kill bool
	// Exit ends the supervisor when the process is lost, whatever its restart
	// policy.
	Exit bool
}

// Stop says how a process is asked to end before it is killed.
type Stop struct {
	// Ask asks in the process' own language (a console command). When it is
	// nil or returns an error, Signal is sent to the process group.
	Ask func(context.Context, *Instance) error
	// Signal to the process; 0 means SIGTERM.
	Signal syscall.Signal
	// Grace is how long the process may take until its group gets SIGKILL; 0
	// means DefaultGrace. While the supervisor as a whole stops, it is cut to
	// what the stop budget leaves.
	Grace time.Duration
}

// Defaults for zero values; those of Restart and Stop.Grace are with their
// decisions.
const (
	DefaultReadyTimeout   = 30 * time.Second
	DefaultHealthInterval = 10 * time.Second
	DefaultHealthTimeout  = 5 * time.Second
	DefaultFailures       = 3
)

// Policy says after which ends a process is started again.
type Policy string

const (
	Always    Policy = "always"     // whatever the exit code
	OnFailure Policy = "on-failure" // unless it ended with success
	Never     Policy = "never"      // not at all; the cascade of Needs still applies
)

// Restart is what happens after a process has ended on its own.
type Restart struct {
	Policy  Policy // empty means Always
	Backoff Backoff
	Storm   Storm
	// SuccessExitCodes are, beside 0, the codes that count as success.
	SuccessExitCodes []int
}

// Backoff spaces restarts: before try n the pause is drawn evenly from 0 to
// min(Max, Initial·2ⁿ) ("full jitter"). A run that was ready for at least Reset
// starts the count anew.
type Backoff struct {
	Initial, Max, Reset time.Duration
}

// Storm gives up on a process that failed Failures times within Window: the
// supervisor ends with the process' last exit code. Negative Failures never
// give up.
type Storm struct {
	Failures int
	Window   time.Duration
}

// Instance is one run of a process, from its start to its end.
type Instance struct {
	PID     int
	Attempt int // 1 for the first run
	Started time.Time
	// Stdin is the write end of the pipe that Spec.Stdin asks for, else nil.
	Stdin io.Writer

	spec      *Spec
	out       *output
	firstLine uint64 // what out had counted before this run
}

// Line is one line of output, without its line end. Text must not be changed:
// it is kept for Supervisor.Tail as well.
type Line struct {
	Time    time.Time
	Process string
	Stream  string // "stdout" or "stderr"
	Text    []byte
}
