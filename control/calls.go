package control

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/nullcard/nullcard/caller"
)

// CallRequest is what a request about a call may say.
type CallRequest struct {
	URI    string `json:"uri,omitempty"`    // of dial and transfer
	Code   int    `json:"code,omitempty"`   // of answer; 0 means 200
	Digits string `json:"digits,omitempty"` // of dtmf
	Method string `json:"method,omitempty"` // of dtmf: rfc2833 or info
}

// CallList is the calls of one caller.
type CallList struct {
	Caller string        `json:"caller"`
	Calls  []caller.Call `json:"calls"`
	// Error says why they are not known, if they are not.
	Error string `json:"error,omitempty"`
}

func (s *Server) callRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /calls", answer(func(r *http.Request) (any, error) {
		lists := []CallList{}
		for _, c := range s.Callers() {
			// One caller that is down must not hide the others.
			calls, err := c.Calls(r.Context())
			list := CallList{Caller: c.Name(), Calls: append([]caller.Call{}, calls...)}
			if err != nil {
				list.Error = err.Error()
			}
			lists = append(lists, list)
		}
		return lists, nil
	}))
	mux.HandleFunc("POST /callers/{caller}/calls", answer(func(r *http.Request) (any, error) {
		c, err := s.caller(r)
		if err != nil {
			return nil, err
		}
		var q CallRequest
		if err := read(r, &q); err != nil {
			return nil, err
		}
		return c.Dial(r.Context(), q.URI)
	}))
	act := func(route string, f func(ctx context.Context, c *caller.Caller, id int, q CallRequest) (any, error)) {
		method, verb, _ := strings.Cut(route, " ")
		mux.HandleFunc(method+" /callers/{caller}/calls/{id}"+verb, answer(func(r *http.Request) (any, error) {
			c, err := s.caller(r)
			if err != nil {
				return nil, err
			}
			id, err := strconv.Atoi(r.PathValue("id"))
			if err != nil {
				return nil, badRequest{fmt.Errorf("%q is not the number of a call", r.PathValue("id"))}
			}
			var q CallRequest
			if err := read(r, &q); err != nil {
				return nil, err
			}
			return f(r.Context(), c, id, q)
		}))
	}
	done := struct{}{}
	act("POST /answer", func(ctx context.Context, c *caller.Caller, id int, q CallRequest) (any, error) {
		if q.Code == 0 {
			q.Code = 200
		}
		return done, c.Answer(ctx, id, q.Code)
	})
	act("DELETE ", func(ctx context.Context, c *caller.Caller, id int, _ CallRequest) (any, error) {
		return done, c.Hangup(ctx, id)
	})
	act("POST /hold", func(ctx context.Context, c *caller.Caller, id int, _ CallRequest) (any, error) {
		return done, c.Hold(ctx, id)
	})
	act("POST /resume", func(ctx context.Context, c *caller.Caller, id int, _ CallRequest) (any, error) {
		return done, c.Resume(ctx, id)
	})
	act("POST /transfer", func(ctx context.Context, c *caller.Caller, id int, q CallRequest) (any, error) {
		return done, c.Transfer(ctx, id, q.URI)
	})
	act("POST /dtmf", func(ctx context.Context, c *caller.Caller, id int, q CallRequest) (any, error) {
		return done, c.DTMF(ctx, id, q.Digits, q.Method)
	})
	act("GET /quality", func(ctx context.Context, c *caller.Caller, id int, _ CallRequest) (any, error) {
		return c.Quality(ctx, id)
	})
	// Answers when the call has ended.
	act("GET /end", func(ctx context.Context, c *caller.Caller, id int, _ CallRequest) (any, error) {
		return c.WaitCall(ctx, id, nil)
	})
}

// unknownCaller is the name of a caller that there is not.
type unknownCaller struct{ name, known string }

func (e unknownCaller) Error() string {
	return fmt.Sprintf("there is no caller %q: there are %s", e.name, e.known)
}

func (s *Server) caller(r *http.Request) (*caller.Caller, error) {
	name := r.PathValue("caller")
	var known []string
	for _, c := range s.Callers() {
		if c.Name() == name {
			return c, nil
		}
		known = append(known, c.Name())
	}
	if known == nil {
		known = []string{"none"}
	}
	return nil, unknownCaller{name, strings.Join(known, ", ")}
}
