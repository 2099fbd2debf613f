package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write puts text into a file and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadFile(t *testing.T) {
	secret := write(t, "secret", "hunter2\n")
	c, err := Load(write(t, "c.yaml", `
audio: {backend: pulse, rate: 48000}
devices: [{name: a}, {name: b, rate: 8000}]
callers:
  - name: alice
    sip: {id: "sip:alice@example.com", registrar: "sip:example.com", username: alice, password_file: `+secret+`}
    dial: "sip:echo@example.com"
    restart: {policy: on-failure, backoff: {initial: 1s, max: 2s}, storm: {failures: 3, window: 10s}}
  - {name: bob, device: b, auto_answer: 180}
apps:
  - {name: bot, command: [python3, bot.py], needs: [alice], env: ["A=b"]}
stop_budget: 5s
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	alice, bob := c.Callers[0], c.Callers[1]
	if alice.Device != "a" || bob.Device != "b" {
		t.Errorf("devices %q, %q; want a, b", alice.Device, bob.Device)
	}
	if alice.LocalPort != 5060 || bob.LocalPort == alice.LocalPort || bob.RTPPort == alice.RTPPort {
		t.Errorf("ports are not apart: %+v %+v", alice, bob)
	}
	if alice.SIP.Realm != "*" {
		t.Errorf("realm %q, want *", alice.SIP.Realm)
	}
	if got := time.Duration(alice.Restart.Backoff.Max); got != 2*time.Second {
		t.Errorf("backoff max %v", got)
	}
	if time.Duration(c.StopBudget) != 5*time.Second {
		t.Errorf("stop budget %v", time.Duration(c.StopBudget))
	}
	if c.Devices[0].Rate != 48000 || c.Devices[1].Rate != 8000 {
		t.Errorf("rates %+v", c.Devices)
	}
	if alice.Critical || c.Apps[0].Critical {
		t.Error("one of several processes is critical unasked")
	}
}

func TestPortsThatOthersHave(t *testing.T) {
	taken, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.LocalAddr().(*net.UDPAddr).Port
	if got := free(map[int]bool{}, port); got == port {
		t.Errorf("port %d is another program's", got)
	}
	c, err := Load(write(t, "c.yaml", fmt.Sprintf("callers: [{name: a, local_port: %d}]", port)), nil)
	if err != nil || c.Callers[0].LocalPort != port {
		t.Errorf("a port that was asked for became %d (%v)", c.Callers[0].LocalPort, err)
	}
}

func TestDefaults(t *testing.T) {
	c, err := Load(write(t, "empty.yaml", ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Callers) != 0 || len(c.Devices) != 1 || c.Devices[0] != (Device{Name: "virtual", Rate: 16000, Channels: 1, Format: "s16le"}) {
		t.Errorf("got %+v", c)
	}
	if c.RuntimeDir != "/run/nullcard" || c.Audio.Backend != "pulse" || c.Log.Format != "text" {
		t.Errorf("got %+v", c)
	}
}

func TestEnvironmentMakesOneCaller(t *testing.T) {
	secret := write(t, "secret", "x")
	c, err := Load(write(t, "empty.yaml", ""), []string{
		"NULLCARD_SIP_ID=sip:me@example.com", "NULLCARD_SIP_REGISTRAR=sip:example.com",
		"NULLCARD_SIP_USERNAME=me", "NULLCARD_SIP_PASSWORD_FILE=" + secret,
		"NULLCARD_DIAL=sip:you@example.com", "NULLCARD_LOCAL_PORT=5070", "NULLCARD_RTP_PORT=6000",
		"NULLCARD_PJSUA_ARGS=--max-calls 2 '--outbound=sip:a b'", "NULLCARD_AUDIO_BACKEND=null",
		"NULLCARD_LOG_FORMAT=json", "NULLCARD_RUNTIME_DIR=/tmp/x", "PATH=/bin",
		"NULLCARD_SERVICE_HOST=10.0.0.1", "NULLCARD_PORT_5060_UDP=x", "NULLCARD_DAIL=typo",
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Callers) != 1 {
		t.Fatalf("%d callers", len(c.Callers))
	}
	r := c.Callers[0]
	if r.AutoAnswer != 200 || r.LocalPort != 5070 || r.RTPPort != 6000 || r.Dial != "sip:you@example.com" || !r.Critical {
		t.Errorf("got %+v", r)
	}
	if want := []string{"--max-calls", "2", "--outbound=sip:a b"}; strings.Join(r.Args, "|") != strings.Join(want, "|") {
		t.Errorf("args %q, want %q", r.Args, want)
	}
	if c.Audio.Backend != "null" || c.Log.Format != "json" || c.RuntimeDir != "/tmp/x" {
		t.Errorf("got %+v", c)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "NULLCARD_DAIL") {
		t.Errorf("warnings %q; want one about NULLCARD_DAIL", c.Warnings)
	}
}

func TestEnvironmentOverridesTheFilesOnlyCaller(t *testing.T) {
	file := write(t, "c.yaml", `callers: [{name: alice, dial: "sip:a@example.com", local_port: 5080}]`)
	c, err := Load(file, []string{"NULLCARD_DIAL=sip:b@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Callers[0]; r.Name != "alice" || r.Dial != "sip:b@example.com" || r.LocalPort != 5080 || r.AutoAnswer != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestProblems(t *testing.T) {
	for name, test := range map[string]struct {
		yaml string
		env  []string
		want []string // each must occur in the error
	}{
		"unknown keys, with their lines": {
			"audio:\n  bakend: pulse\ndevcies: []\n", nil,
			[]string{`line 2: unknown key "bakend" in audio`, `line 3: unknown key "devcies"`}},
		"wrong types": {
			"audio: {rate: fast}\ncallers: {}\nstop_budget: soon\n", nil,
			[]string{`line 1: "fast" is not a number`, "line 2: a mapping is not a list", `line 3: "soon" is not a duration`}},
		"broken YAML":       {"audio: [", nil, []string{"line 1"}},
		"two documents":     {"{}\n---\n{}\n", nil, []string{"more than one YAML document"}},
		"server of our own": {"audio: {server: /run/x}", nil, []string{"audio.server: goes with backend external only"}},
		"activity":          {"audio: {activity: 3}", nil, []string{"3 dBFS is not between -90 and 0"}},
		"backend and rate":  {"audio: {backend: jack, rate: 7}", nil, []string{`"jack" is not one of`, "7 Hz is not between"}},
		"names":             {"devices: [{name: a}, {name: a}, {name: 'A b'}]", nil, []string{`"a" is the name of devices[0] already`, `"A b" is not a name`}},
		"device":            {"devices: [{name: a, channels: 6, format: mp3}]", nil, []string{"6 is not 1 or 2", `"mp3" is not one of s16le`}},
		"reserved name":     {"apps: [{name: pulseaudio, command: [x]}]", nil, []string{"is the name of the sound server"}},
		"shared device":     {"callers: [{name: a}, {name: b}]", nil, []string{"virtual is used by callers[0] already"}},
		"no such device":    {"callers: [{name: a, device: x}]", nil, []string{`no device "x"`}},
		"URIs":              {"callers: [{name: a, dial: bob, sip: {id: alice, registrar: 'http://x'}}]", nil, []string{`dial: "bob"`, `sip.id: "alice"`, `sip.registrar: "http://x"`}},
		"password alone":    {"callers: [{name: a, sip: {password_file: /dev/null}}]", nil, []string{"go together", "is empty"}},
		"password missing":  {"callers: [{name: a, sip: {username: u, password_file: /no/such}}]", nil, []string{"cannot read it", "/no/such"}},
		"ports":             {"callers: [{name: a, local_port: 70000, rtp_port: -1}]", nil, []string{"70000 is not a port", "-1 is not a port"}},
		"answer code":       {"callers: [{name: a, auto_answer: 20}]", nil, []string{"20 is not a SIP status code"}},
		"app":               {"apps: [{name: a, needs: [b], env: [x]}]", nil, []string{"command: missing", `no process "b"`, `"x" is not of the form`}},
		"restart":           {"apps: [{name: a, command: [x], restart: {policy: often, backoff: {initial: 9s, max: 1s}}}]", nil, []string{`"often" is not one of`, "0 ≤ initial ≤ max"}},
		"budget":            {"stop_budget: 1ms", nil, []string{"too short"}},
		"env numbers":       {"", []string{"NULLCARD_LOCAL_PORT=x", "NULLCARD_RTP_PORT=y"}, []string{`NULLCARD_LOCAL_PORT: "x" is not a number`, `NULLCARD_RTP_PORT: "y"`}},
		"env quotes":        {"", []string{"NULLCARD_PJSUA_ARGS='a"}, []string{"NULLCARD_PJSUA_ARGS: cannot split"}},
		"env, many callers": {"devices: [{name: a}, {name: b}]\ncallers: [{name: a, device: a}, {name: b, device: b}]", []string{"NULLCARD_DIAL=sip:x@y"}, []string{"NULLCARD_DIAL is for a single caller"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, "c.yaml", test.yaml), test.env)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in:\n%v", want, err)
				}
			}
		})
	}
}

func TestNamedFileMustExist(t *testing.T) {
	if _, err := Load("/no/such/file.yaml", nil); err == nil || !strings.Contains(err.Error(), "/no/such/file.yaml") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("audio: {rate: 16000}\ncallers: [{name: a, restart: {backoff: {max: 1s}}}]"))
	f.Add([]byte("stop_budget: [1]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := &Config{File: "fuzz"}
		if err := c.parse(text); err != nil {
			return
		}
		c.setDefaults()
		_ = c.Validate()
	})
}
