package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/nullcard/nullcard/caller"
	"github.com/nullcard/nullcard/supervisor"
)

// Listen opens the control socket at path, readable by our own uid only. What
// a dead nullcard left there is replaced; a socket that somebody answers on,
// and anything that is not a socket, is an error.
func Listen(path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("cannot look at the control socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("cannot listen on %s: it is there and not a socket; remove it", path)
	default:
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
			return nil, fmt.Errorf("cannot listen on %s: another program answers there; stop it, or set NULLCARD_RUNTIME_DIR to another directory", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("cannot remove the control socket of an earlier run: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot make the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("cannot protect the control socket: %w", err)
	}
	return l, nil
}

// Server answers on the control socket. Its functions return what there is at
// that moment.
type Server struct {
	Status     func() Status
	Supervisor func() *supervisor.Supervisor
	Callers    func() []*caller.Caller
}

// Serve answers on l until ctx ends, then closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second}
	closed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { closed <- srv.Close() })
	err := srv.Serve(l)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot serve the control socket: %w", err)
	}
	return <-closed
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		ok, reason := s.Status().Ready()
		if !ok {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, reason)
	})
	mux.HandleFunc("GET /status", answer(func(*http.Request) (any, error) { return s.Status(), nil }))
	s.processRoutes(mux)
	s.callRoutes(mux)
	return mux
}

// answer makes a handler of a function: what it returns becomes JSON, an error
// {"error": …} with a status that fits.
func answer(f func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		v, err := f(r)
		if err != nil {
			w.WriteHeader(statusOf(err))
			v = failure{err.Error()}
		}
		json.NewEncoder(w).Encode(v) // an error here means that the reader is gone
	}
}

// failure is the answer to a request that could not be followed.
type failure struct {
	Error string `json:"error"`
}

// badRequest is an error of the client's making.
type badRequest struct{ error }

func statusOf(err error) int {
	switch {
	case errors.As(err, new(*supervisor.UnknownError)), errors.As(err, new(unknownCaller)), errors.Is(err, caller.ErrNoCall):
		return http.StatusNotFound
	case errors.As(err, new(badRequest)):
		return http.StatusBadRequest
	}
	return http.StatusConflict // the state of things does not allow it
}

// read takes a request's body, JSON without unknown keys; none at all is fine.
func read(r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<16))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return badRequest{fmt.Errorf("cannot read the request: %w", err)}
	}
	return nil
}
