package caller

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nullcard/nullcard/config"
)

func secret(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestArguments(t *testing.T) {
	account := config.SIP{
		ID: "sip:alice@example.com", Registrar: "sip:example.com",
		Username: "alice", PasswordFile: secret(t, "geheim\n"),
	}
	tests := []struct {
		name    string
		cfg     config.Caller
		opt     Options
		has     []string
		hasNot  []string
		ordered []string // each of them before the next
	}{
		{
			name:   "defaults fit a virtual device",
			opt:    Options{Rate: 16000},
			has:    []string{"--ec-tail=0", "--no-vad", "--no-tones", "--clock-rate=16000", "--snd-clock-rate=16000", "--capture-lat=100", "--playback-lat=40", "--no-tcp", "--stdout-no-buf"},
			hasNot: []string{"--null-audio", "--auto-answer=0", "--local-port=0", "--realm=*"},
		},
		{
			name: "ports, answer and dial",
			cfg:  config.Caller{LocalPort: 5062, RTPPort: 4020, AutoAnswer: 200, Dial: "sip:echo@example.com"},
			has:  []string{"--local-port=5062", "--rtp-port=4020", "--auto-answer=200", "sip:echo@example.com"},
		},
		{
			name: "no device",
			opt:  Options{NullAudio: true},
			has:  []string{"--null-audio"},
		},
		{
			name: "an account, any realm",
			cfg:  config.Caller{SIP: account},
			has:  []string{"--id=sip:alice@example.com", "--registrar=sip:example.com", "--realm=*", "--username=alice", "--password=geheim"},
		},
		{
			name:    "what args give wins",
			cfg:     config.Caller{Dial: "sip:b@c", Args: []string{"--ec-tail=200", "--log-level=5"}},
			ordered: []string{"--ec-tail=0", "sip:b@c", "--ec-tail=200", "--log-level=5"},
		},
		{
			name:   "args take our flags back",
			cfg:    config.Caller{Args: []string{"--no-vad=no", "--no-tones=no", "--null-audio=no", "--no-tcp=no"}},
			opt:    Options{NullAudio: true},
			hasNot: []string{"--no-vad", "--no-tones", "--null-audio", "--no-tcp", "--no-vad=no"},
		},
		{name: "a registrar by TCP", cfg: config.Caller{SIP: config.SIP{ID: "sip:a@b", Registrar: "sip:b;transport=TCP"}}, hasNot: []string{"--no-tcp"}},
		{name: "a secure callee", cfg: config.Caller{Dial: "sips:a@b"}, hasNot: []string{"--no-tcp"}},
		{
			name: "the whole account",
			cfg: config.Caller{
				Codecs: []string{"opus", "PCMU"}, STUN: []string{"stun.example.com"}, ICE: true, MaxCalls: 8, LogLevel: 5, Dial: "sip:b@c",
				SIP: config.SIP{ID: "sip:a@b", Registrar: "sip:b", Transport: "tls", Proxy: []string{"sip:p;lr"}, SRTP: "mandatory",
					RegInterval: config.Duration(time.Minute), TLS: config.TLS{CAFile: "/ca", CertFile: "/cert", KeyFile: "/key", VerifyServer: true}},
			},
			has: []string{"--log-level=5", "--app-log-level=5", "--stun-srv=stun.example.com", "--use-ice", "--max-calls=8", "--use-tls",
				"--tls-ca-file=/ca", "--tls-cert-file=/cert", "--tls-privkey-file=/key", "--tls-verify-server", "--use-srtp=2", "--reg-timeout=60",
				"--registrar=sip:b;transport=tls", "--proxy=sip:p;lr;transport=tls", "sip:b@c;transport=tls"},
			hasNot:  []string{"--no-tcp", "--srtp-secure=0"},
			ordered: []string{"--dis-codec=*", "--add-codec=PCMU", "--add-codec=opus"},
		},
		{name: "codecs by default", ordered: []string{"--dis-codec=*", "--add-codec=PCMA", "--add-codec=PCMU", "--add-codec=opus", "--add-codec=G722"}},
		{
			name:   "codecs by args",
			cfg:    config.Caller{Args: []string{"--add-codec=speex"}},
			has:    []string{"--add-codec=speex"},
			hasNot: []string{"--dis-codec=*", "--add-codec=PCMU"},
		},
		{
			name:   "TCP and SRTP without TLS",
			cfg:    config.Caller{SIP: config.SIP{Registrar: "sip:b", Transport: "tcp", SRTP: "optional"}},
			has:    []string{"--registrar=sip:b;transport=tcp", "--use-srtp=1", "--srtp-secure=0"},
			hasNot: []string{"--no-tcp"},
		},
		{name: "UDP switched off", cfg: config.Caller{Args: []string{"--no-udp"}}, has: []string{"--no-udp"}, hasNot: []string{"--no-tcp"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := arguments(tt.cfg, tt.opt)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range tt.has {
				if !slices.Contains(got, a) {
					t.Errorf("%q is missing in %q", a, got)
				}
			}
			for _, a := range tt.hasNot {
				if slices.Contains(got, a) {
					t.Errorf("%q should not be in %q", a, got)
				}
			}
			last := -1
			for _, a := range tt.ordered {
				i := slices.Index(got, a)
				if i <= last {
					t.Errorf("%q is out of order in %q", a, got)
				}
				last = i
			}
		})
	}
}

func TestArgumentsRefused(t *testing.T) {
	for arg, want := range map[string]string{
		"--password=x":         "sip.password_file",
		"--passw=x":            "sip.password_file",
		"--config-file=x":      "second one",
		"--use-cli":            "hang up",
		"--cli-telnet-port=99": "without a password",
		"--help":               "by hand",
	} {
		_, err := arguments(config.Caller{Args: []string{arg}}, Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("args %s: error %v, want one with %q", arg, err, want)
		}
	}
	// These only begin alike.
	for _, arg := range []string{"--use-compact-form", "--no-force-lr", "--use-ice"} {
		if _, err := arguments(config.Caller{Args: []string{arg}}, Options{}); err != nil {
			t.Errorf("args %s: %v", arg, err)
		}
	}
}

func TestReadPassword(t *testing.T) {
	for content, want := range map[string]string{
		"geheim":            "geheim",
		"geheim\n":          "geheim",
		"geheim\r\n":        "geheim",
		" with spaces \n":   " with spaces ",
		"quote\"and'quote":  "quote\"and'quote",
		"#starts with hash": "#starts with hash",
	} {
		got, err := readPassword(secret(t, content))
		if err != nil || got != want {
			t.Errorf("password of %q: %q, %v; want %q", content, got, err, want)
		}
	}
	for content, want := range map[string]string{
		"":          "is empty",
		"\n":        "is empty",
		"one\ntwo":  "more than one line",
		"nul\x00in": "more than one line",
	} {
		_, err := readPassword(secret(t, content))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("password of %q: error %v, want one with %q", content, err, want)
		}
	}
	_, err := readPassword(filepath.Join(t.TempDir(), "none"))
	if err == nil || !strings.Contains(err.Error(), "mount the secret") {
		t.Errorf("missing file: error %v", err)
	}
}

func TestNewFindsProblemsBeforeTheStart(t *testing.T) {
	sip := func(file string) config.SIP {
		return config.SIP{ID: "sip:a@b", Registrar: "sip:b", Username: "a", PasswordFile: file}
	}
	const hidden = "do-not-show-this"
	tests := map[string]struct {
		cfg  config.Caller
		want string
	}{
		"a password of 266 bytes": {
			config.Caller{Name: "a", SIP: sip(secret(t, hidden+strings.Repeat("x", 250)))}, "--password: 266 bytes are too long"},
		"a password that pjsua cannot be given": {
			config.Caller{Name: "a", SIP: sip(secret(t, hidden+` ' "`))}, "both kinds of quotes"},
		"no password file":       {config.Caller{Name: "a", SIP: sip("/nonexistent")}, "there is no /nonexistent"},
		"a name with a slash":    {config.Caller{Name: "../a"}, "without a slash"},
		"an argument of 2 lines": {config.Caller{Name: "a", Args: []string{"--x=1\n--y"}}, "line ends"},
		"too many arguments":     {config.Caller{Name: "a", Args: slices.Repeat([]string{"--mwi"}, 126)}, "too many"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.cfg, Options{Dir: t.TempDir()})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), hidden) {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

// libc takes the first of two, so nullcard's has to be the only one.
func TestLastVariableWins(t *testing.T) {
	c, err := New(config.Caller{Name: "a"}, Options{Dir: t.TempDir(), Env: []string{"A=1", "PULSE_SINK=x", "B=2", "PULSE_SINK=y", "B="}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Spec().Env, []string{"A=1", "PULSE_SINK=y", "B="}; !slices.Equal(got, want) {
		t.Errorf("environment %q, want %q", got, want)
	}
}

func TestPrepareWritesPrivateFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "callers")
	password := secret(t, "first\n")
	c, err := New(config.Caller{Name: "alice", SIP: config.SIP{ID: "sip:a@b", Username: "a", PasswordFile: password}},
		Options{Dir: dir, Env: []string{"PATH=/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	spec := c.Spec()
	for _, want := range []string{"first", "second"} {
		if err := os.WriteFile(password, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := spec.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		file := strings.TrimPrefix(spec.Command[1], "--config-file=")
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(content), "--password="+want+"\n") {
			t.Errorf("the file does not have password %q:\n%s", want, content)
		}
		for path, mode := range map[string]os.FileMode{dir: 0o700, file: 0o600} {
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s has mode %v (%v), want %v", path, info.Mode().Perm(), err, mode)
			}
		}
		for _, word := range append(spec.Command, spec.Env...) {
			if strings.Contains(word, want) {
				t.Errorf("the password is in %q", word)
			}
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%d files in %s (%v), want 1", len(left), dir, err)
	}
}
