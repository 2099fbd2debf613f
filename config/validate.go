package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"
)

// AudioProcess is the name under which the sound server runs.
const AudioProcess = "pulseaudio"

var (
	validName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	// sipURI accepts a URI as such or as a name-addr ("Alice" <sip:…>).
	sipURI = regexp.MustCompile(`^(?:[^<>]*<)?sips?:[^\s<>"]+>?$`)
)

// Validate reports everything that is wrong, as a *multierror.Error.
func (c *Config) Validate() error {
	var p problems
	if !slices.Contains([]string{BackendPulse, BackendExternal, BackendNull}, c.Audio.Backend) {
		p.add("audio.backend: %q is not one of pulse, external, null", c.Audio.Backend)
	}
	if c.Audio.Server != "" && c.Audio.Backend != BackendExternal {
		p.add("audio.server: goes with backend external only")
	}
	if !slices.Contains([]string{OnFailureRestart, OnFailureNull, OnFailureExit}, c.Audio.OnFailure) {
		p.add("audio.on_failure: %q is not one of restart, null, exit", c.Audio.OnFailure)
	}
	p.rate("audio.rate", c.Audio.Rate)
	if c.Audio.Activity > 0 || c.Audio.Activity < -90 {
		p.add("audio.activity: %v dBFS is not between -90 and 0", c.Audio.Activity)
	}
	if !slices.Contains([]string{"text", "json"}, c.Log.Format) {
		p.add("log.format: %q is not one of text, json", c.Log.Format)
	}
	if c.StopBudget < Duration(100*time.Millisecond) {
		p.add("stop_budget: %v is too short to stop anything; give at least 100ms", time.Duration(c.StopBudget))
	}
	if !filepath.IsAbs(c.RuntimeDir) {
		p.add("NULLCARD_RUNTIME_DIR: %q is not an absolute path", c.RuntimeDir)
	}
	c.validateDevices(&p)

	names := map[string]string{AudioProcess: "the sound server"}
	usedBy := map[string]string{}
	local, rtp := map[int]string{}, map[int]string{}
	for i, r := range c.Callers {
		where := fmt.Sprintf("callers[%d]", i)
		p.name(where, r.Name, names)
		c.validateDevice(&p, where, r.Device)
		distinct(&p, where+".device", r.Device, where, usedBy, "two callers would hear each other; list another device under devices")
		p.port(where+".local_port", r.LocalPort)
		p.port(where+".rtp_port", r.RTPPort)
		distinct(&p, where+".local_port", r.LocalPort, where, local, "give each caller its own")
		distinct(&p, where+".rtp_port", r.RTPPort, where, rtp, "give each caller its own")
		r.validateSIP(&p, where)
		r.validateMedia(&p, where)
		r.Restart.validate(&p, where)
	}
	for i, a := range c.Apps {
		where := fmt.Sprintf("apps[%d]", i)
		p.name(where, a.Name, names)
		if len(a.Command) == 0 || a.Command[0] == "" {
			p.add("%s.command: missing; give the program and its arguments as a list", where)
		}
		for _, kv := range a.Env {
			if strings.IndexByte(kv, '=') < 1 {
				p.add(`%s.env: %q is not of the form "KEY=value"`, where, kv)
			}
		}
		c.validateDevice(&p, where, a.Device)
		a.Process.validate(&p, where)
		a.Restart.validate(&p, where)
	}
	for i, a := range c.Apps {
		for _, n := range a.Needs {
			if _, ok := names[n]; !ok {
				p.add("apps[%d].needs: there is no process %q", i, n)
			}
		}
	}
	return p.err()
}

func (c *Config) validateDevices(p *problems) {
	names := map[string]string{}
	for i, d := range c.Devices {
		where := fmt.Sprintf("devices[%d]", i)
		p.name(where, d.Name, names)
		p.rate(where+".rate", d.Rate)
		if d.Channels < 1 || d.Channels > 2 {
			p.add("%s.channels: %d is not 1 or 2", where, d.Channels)
		}
		if formats := []string{"s16le", "s24le", "s32le", "float32le"}; !slices.Contains(formats, d.Format) {
			p.add("%s.format: %q is not one of %s", where, d.Format, strings.Join(formats, ", "))
		}
	}
}

func (c *Config) validateDevice(p *problems, where, name string) {
	if _, ok := c.Device(name); !ok {
		p.add("%s.device: there is no device %q under devices", where, name)
	}
}

func (r *Caller) validateSIP(p *problems, where string) {
	uri := func(key, value string) {
		if value != "" && !sipURI.MatchString(value) {
			p.add("%s.%s: %q is not a SIP URI such as sip:alice@example.com", where, key, value)
		}
	}
	uri("sip.id", r.SIP.ID)
	uri("sip.registrar", r.SIP.Registrar)
	uri("dial", r.Dial)
	if r.SIP.Registrar != "" && r.SIP.ID == "" {
		p.add("%s.sip.id: missing; a registrar needs to know whom it registers", where)
	}
	if (r.SIP.Username == "") != (r.SIP.PasswordFile == "") {
		p.add("%s.sip: username and password_file go together; give both or neither", where)
	}
	if r.SIP.PasswordFile != "" {
		secret, err := os.ReadFile(r.SIP.PasswordFile)
		if err != nil {
			p.add("%s.sip.password_file: cannot read it: %v; mount it, and let uid %d read it", where, err, os.Getuid())
		} else if len(bytes.TrimRight(secret, "\r\n")) == 0 {
			p.add("%s.sip.password_file: %s is empty", where, r.SIP.PasswordFile)
		}
	}
	if r.AutoAnswer != 0 && (r.AutoAnswer < 100 || r.AutoAnswer > 699) {
		p.add("%s.auto_answer: %d is not a SIP status code (100 to 699, or 0 to let it ring)", where, r.AutoAnswer)
	}
}

func (r *Restart) validate(p *problems, where string) {
	if !slices.Contains([]string{"always", "on-failure", "never"}, r.Policy) {
		p.add("%s.restart.policy: %q is not one of always, on-failure, never", where, r.Policy)
	}
	if r.Backoff.Initial < 0 || r.Backoff.Max < r.Backoff.Initial {
		p.add("%s.restart.backoff: initial %v and max %v must be 0 ≤ initial ≤ max", where,
			time.Duration(r.Backoff.Initial), time.Duration(r.Backoff.Max))
	}
	if r.Storm.Failures < 0 || r.Storm.Window < 0 {
		p.add("%s.restart.storm: failures and window must not be negative", where)
	}
}

// problems collects what is wrong.
type problems struct{ all *multierror.Error }

func (p *problems) add(format string, args ...any) {
	p.all = multierror.Append(p.all, fmt.Errorf(format, args...))
}

func (p *problems) err() error { return p.all.ErrorOrNil() }

func (p *problems) name(where, name string, names map[string]string) {
	if !validName.MatchString(name) {
		p.add("%s.name: %q is not a name; use up to 32 of a-z, 0-9, - and _", where, name)
		return
	}
	if by, ok := names[name]; ok {
		p.add("%s.name: %q is the name of %s already", where, name, by)
	}
	names[name] = where
}

func (p *problems) rate(where string, hz int) {
	if hz < 8000 || hz > 192000 {
		p.add("%s: %d Hz is not between 8000 and 192000", where, hz)
	}
}

func (p *problems) port(where string, port int) {
	if port < 1 || port > 65535 {
		p.add("%s: %d is not a port (1 to 65535)", where, port)
	}
}

// distinct reports a value that an earlier entry has as well.
func distinct[T comparable](p *problems, where string, value T, by string, users map[T]string, cure string) {
	if other, ok := users[value]; ok {
		p.add("%s: %v is used by %s already; %s", where, value, other, cure)
	}
	users[value] = by
}
