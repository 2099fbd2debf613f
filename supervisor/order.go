package supervisor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
)

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
