package supervisor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"
)

// check finds what makes no sense in a spec by itself.
func (s Spec) check() (problems []error) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	switch s.Restart.Policy {
	case "", Always, OnFailure, Never:
	default:
		add("restart policy %q is not one of %s, %s, %s", s.Restart.Policy, Always, OnFailure, Never)
	}
	if fd := s.Notify.FD; fd != 0 && (fd < 3 || fd > 255) {
		add("notification descriptor %d is not between 3 and 255", fd)
	}
	if n := s.Limits.Nice; n < -20 || n > 19 {
		add("nice %d is not between -20 and 19", n)
	}
	for what, d := range map[string]time.Duration{
		"ready timeout": s.ReadyTimeout, "stop grace": s.Stop.Grace,
		"health interval": s.Health.Interval, "health timeout": s.Health.Timeout, "health grace": s.Health.Grace,
		"backoff": min(s.Restart.Backoff.Initial, s.Restart.Backoff.Max, s.Restart.Backoff.Reset), "storm window": s.Restart.Storm.Window,
	} {
		if d < 0 {
			add("%s %v is negative", what, d)
		}
	}
	return problems
}

// order checks names and needs and returns the indices of specs such that
// each comes after all that it needs, otherwise in the given order. All
// problems are reported at once.
func order(specs []Spec) ([]int, error) {
	var problems *multierror.Error
	index := map[string]int{}
	for i, s := range specs {
		switch _, taken := index[s.Name]; {
		case s.Name == "":
			problems = multierror.Append(problems, fmt.Errorf("process %d has no name", i+1))
		case taken:
			problems = multierror.Append(problems, fmt.Errorf("the name %q is used twice: names must be unique", s.Name))
		default:
			index[s.Name] = i
		}
		if len(s.Command) == 0 || s.Command[0] == "" {
			problems = multierror.Append(problems, fmt.Errorf("process %q has no command", s.Name))
		}
	}
	for _, s := range specs {
		for _, err := range s.check() {
			problems = multierror.Append(problems, fmt.Errorf("process %q: %w", s.Name, err))
		}
		for _, n := range s.Needs {
			if _, ok := index[n]; !ok {
				problems = multierror.Append(problems, fmt.Errorf("process %q needs %q, which does not exist: there are %s", s.Name, n, quoted(specs)))
			}
		}
	}
	if problems != nil {
		return nil, problems.ErrorOrNil()
	}

	var sorted []int
	const (
		unseen = iota
		open
		closed
	)
	mark := make([]int, len(specs))
	var path []string
	var visit func(i int) error
	visit = func(i int) error {
		if mark[i] == closed {
			return nil
		}
		path = append(path, specs[i].Name)
		if mark[i] == open {
			from := slices.Index(path, specs[i].Name)
			return errors.New("processes need each other in a circle: " + strings.Join(path[from:], " needs "))
		}
		mark[i] = open
		for _, n := range specs[i].Needs {
			if err := visit(index[n]); err != nil {
				return err
			}
		}
		mark[i] = closed
		path = path[:len(path)-1]
		sorted = append(sorted, i)
		return nil
	}
	for i := range specs {
		if err := visit(i); err != nil {
			return nil, err
		}
	}
	return sorted, nil
}

func quoted(specs []Spec) string {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = fmt.Sprintf("%q", s.Name)
	}
	return strings.Join(names, ", ")
}
