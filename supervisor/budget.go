package supervisor

import "time"

const (
	// DefaultStopBudget is 2 s under the time that Docker gives a container.
	DefaultStopBudget = 8 * time.Second
	// DefaultGrace is the time between asking a process to stop and SIGKILL.
	DefaultGrace = 5 * time.Second

	// killWait is how long a group may take to vanish after SIGKILL; beyond
	// it a member hangs in the kernel and no signal helps.
	killWait = time.Second
	// budgetReserve is kept for SIGKILL and the last output.
	budgetReserve = 250 * time.Millisecond
)

// StopPlan is how a stop budget is split.
type StopPlan struct {
	// Kill is, by process name, the time after the begin of the stop at which
	// the process gets SIGKILL if it still runs.
	Kill map[string]time.Duration
	// Worst is how long the stop takes if each process uses its whole grace.
	Worst time.Duration
	// Fits tells that Worst is within the budget, so that no grace was cut.
	Fits bool
}

// SplitStop splits budget over the reverse dependency order: a process is
// asked to stop once all that need it have stopped. When the graces along the
// longest chain exceed the budget, all are cut in proportion. A process that
// needs less leaves the rest to those after it. Specs that [New] would refuse,
// for needs in a circle, give some plan, too.
func SplitStop(specs []Spec, budget time.Duration) StopPlan {
	dependents := map[string][]Spec{}
	for _, s := range specs {
		for _, n := range s.Needs {
			dependents[n] = append(dependents[n], s)
		}
	}
	plan := StopPlan{Kill: make(map[string]time.Duration, len(specs))}
	var end func(s Spec) time.Duration
	end = func(s Spec) time.Duration {
		if t, done := plan.Kill[s.Name]; done {
			return t
		}
		plan.Kill[s.Name] = 0 // where a circle is cut
		var begin time.Duration
		for _, d := range dependents[s.Name] {
			begin = max(begin, end(d))
		}
		grace := s.Stop.Grace
		setDefault(&grace, DefaultGrace)
		if s.Oneshot { // while it runs, nothing that needs it does
			plan.Kill[s.Name] = max(begin, grace)
		} else {
			plan.Kill[s.Name] = begin + grace
		}
		return plan.Kill[s.Name]
	}
	for _, s := range specs {
		plan.Worst = max(plan.Worst, end(s))
	}
	plan.Worst += budgetReserve
	plan.Fits = plan.Worst <= budget
	if !plan.Fits {
		usable := max(0, budget-budgetReserve)
		for name, t := range plan.Kill {
			plan.Kill[name] = time.Duration(float64(t) * float64(usable) / float64(plan.Worst-budgetReserve))
		}
	}
	return plan
}
