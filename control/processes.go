package control

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/nullcard/nullcard/supervisor"
)

// LogLine is one line that a process wrote.
type LogLine struct {
	Time   time.Time `json:"time"`
	Stream string    `json:"stream"` // stdout or stderr
	Text   string    `json:"text"`
}

func (s *Server) processRoutes(mux *http.ServeMux) {
	for verb, act := range map[string]func(*supervisor.Supervisor, context.Context, string) error{
		"start":   (*supervisor.Supervisor).Start,
		"stop":    (*supervisor.Supervisor).Stop,
		"restart": (*supervisor.Supervisor).Restart,
	} {
		mux.HandleFunc("POST /processes/{name}/"+verb, answer(func(r *http.Request) (any, error) {
			name := r.PathValue("name")
			if err := act(s.Supervisor(), r.Context(), name); err != nil {
				return nil, err
			}
			return s.process(name)
		}))
	}
	mux.HandleFunc("GET /processes/{name}", answer(func(r *http.Request) (any, error) {
		return s.process(r.PathValue("name"))
	}))
	mux.HandleFunc("GET /processes/{name}/log", answer(func(r *http.Request) (any, error) {
		n := supervisor.TailLines
		if q := r.FormValue("lines"); q != "" {
			var err error
			if n, err = strconv.Atoi(q); err != nil || n < 0 {
				return nil, badRequest{fmt.Errorf("lines=%s is not a number of lines", q)}
			}
		}
		tail, err := s.Supervisor().Tail(r.PathValue("name"), n)
		if err != nil {
			return nil, err
		}
		lines := []LogLine{}
		for _, l := range tail {
			lines = append(lines, LogLine{l.Time, l.Stream, string(l.Text)})
		}
		return lines, nil
	}))
}

func (s *Server) process(name string) (supervisor.Status, error) {
	var known []string
	for _, p := range s.Status().Processes {
		if p.Name == name {
			return p, nil
		}
		known = append(known, p.Name)
	}
	return supervisor.Status{}, &supervisor.UnknownError{Name: name, Known: known}
}
