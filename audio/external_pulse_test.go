//go:build pulse

package audio

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/jfreymuth/pulse/proto"

	"github.com/nullcard/nullcard/supervisor"
)

// TestMain makes this binary a holder when its environment says so.
func TestMain(m *testing.M) {
	server := os.Getenv("NULLCARD_TEST_HOLD")
	if server == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := Hold(ctx, server, slog.Default()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(69)
	}
}

// bareServer runs a server that has no devices, and that nobody watches.
func bareServer(t *testing.T, dir string) (*Server, *supervisor.Instance) {
	t.Helper()
	s, err := NewServer(Options{RuntimeDir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	inst := runServer(t, s)
	s.Close()
	return s, inst
}

// TestExternalServer follows a server that others start and end.
func TestExternalServer(t *testing.T) {
	dir, err := os.MkdirTemp("", "nc")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	t.Setenv("NULLCARD_TEST_HOLD", Socket(dir))
	devices := []Device{{Name: "virtual"}}
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	server, err := NewServer(Options{
		RuntimeDir: dir, Devices: devices, Log: log, External: "unix:" + Socket(dir), Hold: []string{os.Args[0]},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := server.Address(); got != "unix:"+Socket(dir) {
		t.Errorf("address %s", got)
	}
	sup, err := supervisor.New(supervisor.Options{
		Logger: log,
		Output: func(l supervisor.Line) { t.Logf("%s", l.Text) },
	}, []supervisor.Spec{server.Spec()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = sup.Run(ctx)
	}()
	stop := func() {
		cancel()
		<-ended
		server.Close()
	}
	defer stop()
	is := func(want supervisor.State) func() error {
		return func() error {
			if got := sup.Status()[0].State; got != want {
				return &unwanted{fmt.Sprintf("%s, now %s", want, got)}
			}
			return nil
		}
	}
	eventually(t, "waits for the server", is(supervisor.Starting))
	for round := range 2 {
		s, inst := bareServer(t, dir)
		eventually(t, "ready", is(supervisor.Ready))
		if p := server.Proofs(); len(p) != 1 {
			t.Errorf("proofs %+v, want one", p)
		}
		if round == 0 {
			if err := syscall.Kill(inst.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, "waits for the server again", is(supervisor.Starting))
			continue
		}
		pactl(t, s, "set-source-mute", "virtual_mic", "1")
		c := dial(t, s)
		eventually(t, "repaired", func() error {
			list, err := List(t.Context(), c)
			if err == nil && (len(list) != 1 || !list[0].Whole()) {
				err = &unwanted{"repair"}
			}
			return err
		})
		stop()
		if list, err := List(t.Context(), c); err != nil || len(list) != 0 {
			t.Errorf("devices %+v, %v; want none after the stop", list, err)
		}
	}
}

func TestHoldEndsWithContext(t *testing.T) {
	dir, err := os.MkdirTemp("", "nc")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, inst := bareServer(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	held := make(chan error, 1)
	go func() { held <- Hold(ctx, s.Address(), slog.New(slog.DiscardHandler)) }()
	cancel()
	if err := <-held; err != nil {
		t.Errorf("a hold that was let go: %v", err)
	}
	go func() { held <- Hold(t.Context(), s.Address(), slog.New(slog.DiscardHandler)) }()
	c := dial(t, s)
	// Both of us have introduced themselves, and more than once the server has
	// answered since.
	for range 3 {
		eventually(t, "held", func() error {
			if n, err := introduced(t.Context(), c); err != nil || n != 2 {
				return &unwanted{fmt.Sprint(n, " of 2 clients, ", err)}
			}
			return nil
		})
	}
	if err := syscall.Kill(inst.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-held; err == nil {
		t.Error("a hold of a server that died ended well")
	}
}

// introduced counts the clients that have told their name.
func introduced(ctx context.Context, c *Conn) (n int, err error) {
	var clients proto.GetClientInfoListReply
	err = c.Request(ctx, &proto.GetClientInfoList{}, &clients)
	for _, k := range clients {
		if k.Application == "nullcard" {
			n++
		}
	}
	return n, err
}
