package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"syscall"
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
	r, err := c.get(ctx, "/status")
	if err != nil {
		return s, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return s, fmt.Errorf("cannot read the status: %s answered %s", c.socket, r.Status)
	}
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		return s, fmt.Errorf("cannot read the status: %w", err)
	}
	return s, nil
}

func (c *Client) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://nullcard"+path, nil)
	if err != nil {
		return nil, err
	}
	r, err := c.http.Do(req)
	switch {
	case err == nil:
		return r, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("no nullcard runs here (nobody answers on %s); start one, or set NULLCARD_RUNTIME_DIR to its directory", c.socket)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("cannot open %s: ask as the user that nullcard runs as: %w", c.socket, fs.ErrPermission)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("nullcard does not answer on %s in time", c.socket)
	}
	return nil, fmt.Errorf("cannot ask nullcard on %s: %w", c.socket, err)
}
