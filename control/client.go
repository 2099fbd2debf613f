package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"github.com/nullcard/nullcard/caller"
)

// Client asks a running nullcard through its control socket.
type Client struct {
	socket string
	http   http.Client
}

// NewClient makes a client for the socket at that path. It connects when asked
// something.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &Client{socket, http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status asks for the state of everything.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.do(ctx, http.MethodGet, "/status", nil, &s)
}

// Process starts, stops or restarts a process; it returns when that is done.
func (c *Client) Process(ctx context.Context, name, verb string) error {
	return c.do(ctx, http.MethodPost, "/processes/"+url.PathEscape(name)+"/"+verb, nil, nil)
}

// Log returns the last n lines that a process wrote.
func (c *Client) Log(ctx context.Context, name string, n int) ([]LogLine, error) {
	var lines []LogLine
	return lines, c.do(ctx, http.MethodGet, fmt.Sprintf("/processes/%s/log?lines=%d", url.PathEscape(name), n), nil, &lines)
}

// Calls lists the calls of all callers.
func (c *Client) Calls(ctx context.Context) ([]CallList, error) {
	var lists []CallList
	return lists, c.do(ctx, http.MethodGet, "/calls", nil, &lists)
}

// Dial places a call and returns when the INVITE is sent.
func (c *Client) Dial(ctx context.Context, name, uri string) (caller.Call, error) {
	var call caller.Call
	return call, c.do(ctx, http.MethodPost, "/callers/"+url.PathEscape(name)+"/calls", CallRequest{URI: uri}, &call)
}

// Call does something to a call: answer, hold, resume, transfer or dtmf.
func (c *Client) Call(ctx context.Context, name string, id int, verb string, q CallRequest) error {
	return c.do(ctx, http.MethodPost, callPath(name, id)+"/"+verb, q, nil)
}

// Hangup ends a call.
func (c *Client) Hangup(ctx context.Context, name string, id int) error {
	return c.do(ctx, http.MethodDelete, callPath(name, id), nil, nil)
}

// Quality measures a call.
func (c *Client) Quality(ctx context.Context, name string, id int) (caller.Quality, error) {
	var q caller.Quality
	return q, c.do(ctx, http.MethodGet, callPath(name, id)+"/quality", nil, &q)
}

// WaitEnd waits for the end of a call.
func (c *Client) WaitEnd(ctx context.Context, name string, id int) (caller.Call, error) {
	var call caller.Call
	return call, c.do(ctx, http.MethodGet, callPath(name, id)+"/end", nil, &call)
}

func callPath(name string, id int) string {
	return fmt.Sprintf("/callers/%s/calls/%d", url.PathEscape(name), id)
}

// do sends a request, with body as JSON unless it is nil, and reads the answer
// into out unless that is nil.
func (c *Client) do(ctx context.Context, method, path string, body, out any) error {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://nullcard"+path, sent)
	if err != nil {
		return err
	}
	r, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		var f failure
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil || f.Error == "" {
			return fmt.Errorf("nullcard answered %s", r.Status)
		}
		return errors.New(f.Error)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(r.Body).Decode(out); err != nil {
		return fmt.Errorf("cannot read nullcard's answer: %w", err)
	}
	return nil
}

// explain says what it means that nobody answers.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no nullcard runs here (nobody answers on %s); start one, or set NULLCARD_RUNTIME_DIR to its directory", c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("cannot open %s: ask as the user that nullcard runs as: %w", c.socket, fs.ErrPermission)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("nullcard does not answer on %s in time", c.socket)
	}
	return fmt.Errorf("cannot ask nullcard on %s: %w", c.socket, err)
}
