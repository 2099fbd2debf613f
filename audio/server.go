package audio

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nullcard/nullcard/supervisor"
)

// ProcessName is the name of the sound server among the supervised processes.
const ProcessName = "pulseaudio"

// Socket is where the sound server listens, within a runtime directory.
func Socket(runtimeDir string) string { return filepath.Join(runtimeDir, "pulse", "native") }

// Options describe a sound server of our own.
type Options struct {
	RuntimeDir string // holds pulse/, which is ours alone
	Devices    []Device
	Binary     string    // of PulseAudio; empty means "pulseaudio"
	Start      time.Time // of this process, from which the log counts
	Log        *slog.Logger

	// External is a server that runs already, as in PULSE_SERVER, and is used
	// in place of one of our own. Hold is the command that stays connected to
	// it and ends when it is lost, by Hold of this package.
	External string
	Hold     []string
}

// Server is a PulseAudio that is run as a supervised process, or one that runs
// already, with devices that are made, proven and kept.
type Server struct {
	o Options

	patience patience // used by health only
	lost     func(device string)

	mu    sync.Mutex
	watch *watch // of the run that is under way
}

// NewServer checks o and makes a server of it, which does not run yet.
func NewServer(o Options) (*Server, error) {
	if o.Binary == "" {
		o.Binary = "pulseaudio"
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Start.IsZero() {
		o.Start = time.Now()
	}
	if !filepath.IsAbs(o.RuntimeDir) {
		return nil, fmt.Errorf("runtime directory %q must be an absolute path", o.RuntimeDir)
	}
	// sun_path holds 107 bytes and a zero (unix(7)).
	if s := Socket(o.RuntimeDir); len(s) > 107 {
		return nil, fmt.Errorf("runtime directory %q is too long: the path of a socket in it has %d bytes of 107", o.RuntimeDir, len(s))
	}
	if strings.ContainsAny(o.RuntimeDir, " \t\n\"'\\") {
		return nil, fmt.Errorf("runtime directory %q must not hold blanks or quotes", o.RuntimeDir)
	}
	if o.External != "" {
		if _, _, err := address(o.External); err != nil {
			return nil, err
		}
		if len(o.Hold) == 0 {
			return nil, errors.New("an external sound server needs a command that holds it")
		}
	}
	for _, d := range o.Devices {
		if err := d.Check(); err != nil {
			return nil, err
		}
	}
	return &Server{o: o}, nil
}

func (s *Server) dir() string    { return filepath.Join(s.o.RuntimeDir, "pulse") }
func (s *Server) script() string { return filepath.Join(s.dir(), "nullcard.pa") }

// Address is where clients find the server, as in PULSE_SERVER.
func (s *Server) Address() string {
	if s.o.External != "" {
		return s.o.External
	}
	return "unix:" + Socket(s.o.RuntimeDir)
}

// want is what is to stand on the server. On one that is not ours the rest is
// left alone.
func (s *Server) want() wanted {
	own := s.o.External == ""
	return wanted{devices: s.o.Devices, defaults: own, beside: !own}
}

// OnLost makes f be called with the name of each device that somebody used when
// it was taken away, once it stands again: pjsua, for one, does not find it
// again by itself. It is called before the server runs.
func (s *Server) OnLost(f func(device string)) { s.lost = f }

// Spec is how the server is run.
func (s *Server) Spec() supervisor.Spec {
	if s.o.External != "" {
		return s.externalSpec()
	}
	return supervisor.Spec{
		Name: ProcessName,
		Command: []string{
			s.o.Binary, "-n", "-F", s.script(),
			"--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disallow-exit",
			"--realtime=no", "--high-priority=no", "--log-target=stderr",
		},
		Env: []string{
			"PATH=" + path(),
			"LANG=C",
			"HOME=" + s.dir(),
			"XDG_RUNTIME_DIR=" + s.o.RuntimeDir,
			"PULSE_RUNTIME_PATH=" + s.dir(),
			"PULSE_STATE_PATH=" + s.dir(),
			// The system's daemon.conf is not for us.
			"PULSE_CONFIG=" + filepath.Join(s.dir(), "daemon.conf"),
		},
		Dir:          "/",
		Prepare:      s.prepare,
		Ready:        s.ready,
		ReadyTimeout: 10 * time.Second,
		// A server that hangs is noticed after at most two rounds of interval
		// and timeout, 2.4 s; a busy one has 1.9 s to answer.
		Health: supervisor.Health{
			Check:    s.health,
			Interval: 500 * time.Millisecond,
			Timeout:  700 * time.Millisecond,
			Failures: 2,
			Kill:     true,
		},
		Stop: supervisor.Stop{Grace: time.Second},
		Restart: supervisor.Restart{
			Policy:  supervisor.Always,
			Backoff: supervisor.Backoff{Initial: 10 * time.Millisecond, Max: 5 * time.Second, Reset: time.Second},
			Storm:   supervisor.Storm{Failures: 10, Window: time.Minute},
		},
	}
}

func path() string {
	if p := os.Getenv("PATH"); p != "" {
		return p
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

// exitCantCreate is EX_CANTCREAT of sysexits.h.
const exitCantCreate = 73

// prepare makes the server's directory anew: what an earlier one left there (a
// socket, state) would only disturb.
func (s *Server) prepare(context.Context) error {
	if err := s.makeDir(); err != nil {
		return supervisor.Permanent(exitCantCreate, err)
	}
	return nil
}

func (s *Server) makeDir() error {
	s.drop()
	dir := s.dir()
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("cannot clear %s: %w; give nullcard a runtime directory of its own (NULLCARD_RUNTIME_DIR)", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make %s: %w; mount a tmpfs or a volume there that uid %d may write, or set NULLCARD_RUNTIME_DIR", dir, err, os.Getuid())
	}
	// The devices are made over the protocol and not by the script, so that one
	// reconciler makes them at all times; it is as fast (18.4 ms from the start
	// to three modules either way, median of 25).
	files := map[string]string{
		s.script(): fmt.Sprintf(".fail\nload-module module-native-protocol-unix socket=%s auth-anonymous=1 auth-cookie-enabled=0\n", Socket(s.o.RuntimeDir)),
		// Of its own PulseAudio opens 256 files at most, too few for 64 clients and
		// 25 devices.
		filepath.Join(dir, "daemon.conf"): "flat-volumes = no\nremixing-produce-lfe = no\nrlimit-nofile = 4096\nrlimit-core = 0\n",
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return fmt.Errorf("cannot write the sound server's start script: %w", err)
		}
	}
	return nil
}

// drop ends what watches a server that is gone or will be.
func (s *Server) drop() {
	s.mu.Lock()
	w := s.watch
	s.watch = nil
	s.mu.Unlock()
	if w != nil {
		w.close()
	}
}

// ready makes the devices on a server that was just started, and proves them.
func (s *Server) ready(ctx context.Context, inst *supervisor.Instance) error {
	s.drop()
	conn, err := dialStarting(ctx, Socket(s.o.RuntimeDir))
	if err != nil {
		return err
	}
	return s.take(ctx, conn, inst)
}

// take makes the devices on a server that we are connected to, and watches it.
func (s *Server) take(ctx context.Context, conn *Conn, inst *supervisor.Instance) error {
	w, err := s.establish(ctx, conn, inst)
	if err != nil {
		conn.Close()
		return err
	}
	s.mu.Lock()
	s.watch = w
	s.mu.Unlock()
	return nil
}

// establish makes the devices, proves them and begins to watch them.
func (s *Server) establish(ctx context.Context, conn *Conn, inst *supervisor.Instance) (*watch, error) {
	if _, err := reconcile(ctx, conn, s.want()); err != nil {
		return nil, err
	}
	s.o.Log.Info("devices stand", "devices", len(s.o.Devices),
		"since_start_ms", ms(time.Since(s.o.Start)), "took_ms", ms(time.Since(inst.Started)))
	proofs, busy, err := proveUnused(ctx, conn, s.o.Devices)
	if err != nil {
		return nil, err
	}
	for _, p := range proofs {
		s.o.Log.Info("audio proven", "device", p.Device, "latency_ms", ms(p.Latency), "gain_db", round1(p.Gain),
			"since_start_ms", ms(time.Since(s.o.Start)), "took_ms", ms(time.Since(inst.Started)))
	}
	for _, d := range busy {
		s.o.Log.Info("proof postponed: the mic is in use", "device", d.Name)
	}
	w := &watch{conn: conn, want: s.want(), proofs: proofs, unproven: busy, lost: s.lost, log: s.o.Log}
	return w, w.start(ctx)
}

func ms(d time.Duration) float64 { return round1(float64(d.Microseconds()) / 1000) }

// round1 rounds to one digit; a negative zero becomes a plain one.
func round1(v float64) float64 { return math.Round(v*10)/10 + 0 }

// dialRetry is the pause between tries to reach a server that is about to
// listen: between the making of its socket and its listening there is nothing
// that could be waited for.
const dialRetry = time.Millisecond

func dialStarting(ctx context.Context, socket string) (*Conn, error) {
	tick := time.NewTicker(dialRetry)
	defer tick.Stop()
	for {
		if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
			c, err := Dial(ctx, socket)
			if err == nil || ctx.Err() != nil {
				return c, err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("the sound server does not listen on %s: %w", socket, context.Cause(ctx))
		}
	}
}

// health tells if the server answers, and if its devices stand and run.
func (s *Server) health(ctx context.Context, inst *supervisor.Instance) error {
	s.mu.Lock()
	w := s.watch
	s.mu.Unlock()
	if w == nil {
		return errors.New("the sound server is not ready")
	}
	if s.o.External == "" {
		// We would not notice: our connection stands, but nobody else's will.
		if _, err := os.Stat(Socket(s.o.RuntimeDir)); err != nil {
			return fmt.Errorf("the sound server's socket was removed: %w", err)
		}
	}
	return s.patience.judge(ctx, inst.PID, w.health(ctx), s.o.Log)
}

// Proofs are the results of the last proof of each device; none while the
// server is not ready.
func (s *Server) Proofs() []Proof {
	s.mu.Lock()
	w := s.watch
	s.mu.Unlock()
	if w == nil || w.conn.Err() != nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Proof(nil), w.proofs...)
}

// Levels are those of both ends of each device; none while the server is not
// ready.
func (s *Server) Levels() []Level {
	s.mu.Lock()
	w := s.watch
	s.mu.Unlock()
	if w == nil || w.conn.Err() != nil {
		return nil
	}
	return w.meters.levels()
}

// Close ends the watching of the devices.
func (s *Server) Close() { s.drop() }
