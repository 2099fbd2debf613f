// Package config holds what nullcard is told to do: one typed Config made from
// defaults, a YAML file, NULLCARD_… environment variables and flags, in that
// order, and checked as a whole.
package config

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
)

// DefaultFile is read when no file is named and it exists.
const DefaultFile = "/etc/nullcard/nullcard.yaml"

// DefaultRuntimeDir is where sockets are unless NULLCARD_RUNTIME_DIR names
// another directory.
const DefaultRuntimeDir = "/run/nullcard"

// Backends of the sound.
const (
	BackendPulse    = "pulse"    // a PulseAudio of our own
	BackendExternal = "external" // a PulseAudio or PipeWire that others run
	BackendNull     = "null"     // no sound server; callers get --null-audio
)

// What follows when the sound server cannot be made to work.
const (
	OnFailureRestart = "restart"
	OnFailureNull    = "null"
	OnFailureExit    = "exit"
)

// Config is everything that `nullcard run` acts on.
type Config struct {
	Audio   Audio    `yaml:"audio"`
	Devices []Device `yaml:"devices"`
	Callers []Caller `yaml:"callers"`
	Apps    []App    `yaml:"apps"`
	Log     Log      `yaml:"log"`

	// StopBudget is the time from the first stop signal to the exit; Docker
	// kills after 10 s.
	StopBudget Duration `yaml:"stop_budget"`

	// RuntimeDir holds sockets and generated files. It comes from
	// NULLCARD_RUNTIME_DIR only, so that clients find it without the file.
	RuntimeDir string `yaml:"-"`
	// File is the file that was read, empty if there was none.
	File string `yaml:"-"`
	// Warnings are what was odd but not wrong, one line each.
	Warnings []string `yaml:"-"`
}

// Audio says where the sound server comes from.
type Audio struct {
	Backend string `yaml:"backend"` // pulse, external or null
	// Server is the external one, as in PULSE_SERVER; empty means the one that
	// this user's programs find by themselves.
	Server string `yaml:"server"`
	// OnFailure is what follows when the sound server cannot be made to work:
	// restart it until it fails in a storm, go on with null devices, or exit.
	OnFailure string `yaml:"on_failure"`
	Rate      int    `yaml:"rate"` // Hz, for devices that name none
	// OneWay is how long one direction of a call may be digital silence while
	// the other is not, until that is told; negative means never.
	OneWay Duration `yaml:"one_way"`
	// Clipping is how many seconds of a call may have a sample at full scale
	// until that is told; negative means never.
	Clipping int `yaml:"clipping"`
	// Activity is the peak, in dBFS, from which on somebody speaks.
	Activity float64 `yaml:"activity"`
}

// Device is a named pair of virtual ends: sink NAME_speaker and source
// NAME_mic, which is fed through sink NAME_mic_feed.
type Device struct {
	Name string `yaml:"name"`
	Rate int    `yaml:"rate"` // Hz; 0 means Audio.Rate
	// Channels are 1 or 2. The sample format is s16le, or s24le, s32le or
	// float32le; a telephone has no use for more than one channel of s16le.
	Channels int    `yaml:"channels"`
	Format   string `yaml:"format"`
}

// Caller is a pjsua process with its SIP account and its device.
type Caller struct {
	Name   string `yaml:"name"`
	Device string `yaml:"device"` // name of a device; empty means the first
	SIP    SIP    `yaml:"sip"`

	Dial       string   `yaml:"dial"`        // SIP URI called at start
	AutoAnswer int      `yaml:"auto_answer"` // SIP status code for incoming calls; 0 = ring
	LocalPort  int      `yaml:"local_port"`  // UDP/TCP port for SIP
	RTPPort    int      `yaml:"rtp_port"`    // first UDP port for RTP
	Args       []string `yaml:"args"`        // further pjsua options, last so that they win

	Codecs   []string `yaml:"codecs"`    // only these, the best first; empty means G722, opus, PCMU, PCMA
	STUN     []string `yaml:"stun"`      // servers, as host or host:port
	ICE      bool     `yaml:"ice"`       // offer and use ICE
	MaxCalls int      `yaml:"max_calls"` // at once; 0 means 4
	LogLevel int      `yaml:"log_level"` // pjsua's, 3 to 6; 0 means 3

	Restart Restart `yaml:"restart"`
	// Critical makes its end the end of nullcard, with its exit code. What is
	// the only caller or app always is.
	Critical bool `yaml:"critical"`
}

// SIP is an account.
type SIP struct {
	ID           string `yaml:"id"`        // "sip:alice@example.com"
	Registrar    string `yaml:"registrar"` // "sip:example.com"
	Realm        string `yaml:"realm"`     // empty means any ("*")
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`

	Proxy       []string `yaml:"proxy"`        // URIs that all requests go through, in this order
	Transport   string   `yaml:"transport"`    // udp (the default), tcp or tls
	TLS         TLS      `yaml:"tls"`          // for transport tls
	SRTP        string   `yaml:"srtp"`         // off (the default), optional or mandatory
	RegInterval Duration `yaml:"reg_interval"` // time between registrations, 1s to 1h; 0 means 300s
}

// TLS names the files of a TLS transport, in PEM, and what is verified.
type TLS struct {
	CAFile       string `yaml:"ca_file"`
	CertFile     string `yaml:"cert_file"`
	KeyFile      string `yaml:"key_file"`
	VerifyServer bool   `yaml:"verify_server"`
}

// App is any other program that runs with a device.
type App struct {
	Name    string   `yaml:"name"`
	Command []string `yaml:"command"`
	Device  string   `yaml:"device"` // name of a device; empty means the first
	Env     []string `yaml:"env"`    // "KEY=value", added to the inherited environment
	Dir     string   `yaml:"dir"`
	Needs   []string `yaml:"needs"` // names of callers or apps, beside the sound server
	Process `yaml:",inline"`

	Restart Restart `yaml:"restart"`
	// Critical makes its end the end of nullcard, with its exit code. What is
	// the only caller or app always is.
	Critical bool `yaml:"critical"`
}

// Restart says what follows when a process ends on its own.
type Restart struct {
	Policy  string  `yaml:"policy"` // always, on-failure or never
	Backoff Backoff `yaml:"backoff"`
	Storm   Storm   `yaml:"storm"`
}

// Backoff spaces restarts; see supervisor.Backoff.
type Backoff struct {
	Initial Duration `yaml:"initial"`
	Max     Duration `yaml:"max"`
}

// Storm gives up after Failures within Window.
type Storm struct {
	Failures int      `yaml:"failures"`
	Window   Duration `yaml:"window"`
}

// Log says how nullcard writes its own and its children's lines.
type Log struct {
	Format string `yaml:"format"` // text or json
}

// Duration is a time.Duration that YAML writes as "1m30s".
type Duration time.Duration

// UnmarshalYAML reads "500ms" and the like.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %q is not a duration such as 500ms or 1m30s", n.Line, n.Value)}}
	}
	*d = Duration(v)
	return nil
}

// MarshalYAML writes what UnmarshalYAML reads.
func (d Duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

// Device returns the device with that name; empty means the first.
func (c *Config) Device(name string) (Device, bool) {
	for _, d := range c.Devices {
		if name == "" || d.Name == name {
			return d, true
		}
	}
	return Device{}, false
}
