package config

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process says how the process of an app is run, beyond its command.
type Process struct {
	EnvFiles     []string `yaml:"env_files,omitempty"`     // files of KEY=value lines, below env and above what is inherited
	CleanEnv     bool     `yaml:"clean_env,omitempty"`     // inherit PATH only
	InheritStdin bool     `yaml:"inherit_stdin,omitempty"` // read nullcard's own standard input, or own its terminal

	User    string            `yaml:"user,omitempty"`    // name or number
	Group   string            `yaml:"group,omitempty"`   // name or number; empty means the user's
	Groups  []string          `yaml:"groups,omitempty"`  // supplementary; absent means the user's
	Umask   string            `yaml:"umask,omitempty"`   // octal, such as "027"
	Nice    int               `yaml:"nice,omitempty"`    // added to the priority, -20 to 19
	Rlimits map[string]string `yaml:"rlimits,omitempty"` // nofile: "1024", "1024:4096" (soft and hard) or "unlimited"

	Oneshot          bool  `yaml:"oneshot,omitempty"` // a task: ready once it has ended with success
	SuccessExitCodes []int `yaml:"success_exit_codes,omitempty"`

	Ready  Ready  `yaml:"ready,omitempty"`
	Health Health `yaml:"health,omitempty"`
	Stop   Stop   `yaml:"stop,omitempty"`
}

// Check is one way to look at a process from outside; at most one is given.
type Check struct {
	Exec []string `yaml:"exec,omitempty"` // ends with code 0
	TCP  string   `yaml:"tcp,omitempty"`  // host:port accepts a connection
	HTTP string   `yaml:"http,omitempty"` // URL answers with a status below 400
}

// Ready says when a process is of use to those that need it; with nothing
// given, as soon as it has been started.
type Ready struct {
	Check    `yaml:",inline"`
	Line     string   `yaml:"line,omitempty"`      // regular expression for a line of its output
	NotifyFD int      `yaml:"notify_fd,omitempty"` // descriptor on which it writes a line, as with s6
	SDNotify bool     `yaml:"sd_notify,omitempty"` // READY=1 on NOTIFY_SOCKET, as with systemd
	Timeout  Duration `yaml:"timeout,omitempty"`   // 0 means 30s
}

// Health is a check that is repeated while a process is ready.
type Health struct {
	Check    `yaml:",inline"`
	Interval Duration `yaml:"interval,omitempty"` // 0 means 10s
	Timeout  Duration `yaml:"timeout,omitempty"`  // 0 means 5s
	Failures int      `yaml:"failures,omitempty"` // in a row; 0 means 3
	Grace    Duration `yaml:"grace,omitempty"`    // after readiness, in which failures do not count
	Action   string   `yaml:"action,omitempty"`   // restart (the default) or exit
}

// Stop says how a process is asked to end.
type Stop struct {
	Signal string   `yaml:"signal,omitempty"` // name or number; empty means TERM
	Grace  Duration `yaml:"grace,omitempty"`  // until SIGKILL
}

// What follows when a health check has failed often enough.
const (
	ActionRestart = "restart"
	ActionExit    = "exit"
)

// rlimits are the names of setrlimit(2) in lower case.
var rlimits = []string{"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue",
	"nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"}

var rlimitValue = regexp.MustCompile(`^(\d+|unlimited)(:(\d+|unlimited))?$`)

func (a *Process) validate(p *problems, where string) {
	if a.Umask != "" {
		if n, err := strconv.ParseUint(a.Umask, 8, 32); err != nil || n > 0o777 {
			p.add("%s.umask: %q is not an octal number up to 777, such as \"027\"", where, a.Umask)
		}
	}
	if a.Nice < -20 || a.Nice > 19 {
		p.add("%s.nice: %d is not between -20 and 19", where, a.Nice)
	}
	for _, name := range sortedKeys(a.Rlimits) {
		if !slices.Contains(rlimits, name) {
			p.add("%s.rlimits: there is no limit %q; there are %s", where, name, strings.Join(rlimits, ", "))
		} else if !rlimitValue.MatchString(a.Rlimits[name]) {
			p.add("%s.rlimits.%s: %q is neither a number, nor two with a colon (soft:hard), nor unlimited", where, name, a.Rlimits[name])
		}
	}
	for _, code := range a.SuccessExitCodes {
		if code < 0 || code > 255 {
			p.add("%s.success_exit_codes: %d is not between 0 and 255", where, code)
		}
	}
	for _, path := range a.EnvFiles {
		if _, err := readEnvFile(path, nil); err != nil {
			p.add("%s.env_files: %v", where, err)
		}
	}
	if (len(a.Groups) > 0 || a.Group != "") && a.User == "" && os.Getuid() != 0 {
		p.add("%s.group: only root may change groups, and nullcard runs as uid %d", where, os.Getuid())
	}
	a.Ready.validate(p, where+".ready")
	a.Health.validate(p, where+".health")
	a.Stop.validate(p, where+".stop")
	if a.Oneshot && a.Ready.given() > 0 {
		p.add("%s.ready: a oneshot is ready once it has ended; leave ready out", where)
	}
	if a.Oneshot && a.Health.given() > 0 {
		p.add("%s.health: a oneshot ends; leave health out", where)
	}
}

// given counts the ways.
func (c *Check) given() (n int) {
	for _, is := range []bool{len(c.Exec) > 0, c.TCP != "", c.HTTP != ""} {
		if is {
			n++
		}
	}
	return n
}

func (c *Check) validate(p *problems, where string) {
	if len(c.Exec) > 0 && c.Exec[0] == "" {
		p.add("%s.exec: the program is missing", where)
	}
	if c.TCP != "" {
		if _, port, err := net.SplitHostPort(c.TCP); err != nil || port == "" {
			p.add("%s.tcp: %q is not of the form host:port", where, c.TCP)
		}
	}
	if c.HTTP != "" {
		if u, err := url.Parse(c.HTTP); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			p.add("%s.http: %q is not a URL such as http://127.0.0.1:8080/healthz", where, c.HTTP)
		}
	}
}

func (r *Ready) given() (n int) {
	n = r.Check.given()
	for _, is := range []bool{r.Line != "", r.NotifyFD != 0, r.SDNotify} {
		if is {
			n++
		}
	}
	return n
}

func (r *Ready) validate(p *problems, where string) {
	if r.given() > 1 {
		p.add("%s: give one of exec, tcp, http, line, notify_fd, sd_notify", where)
	}
	r.Check.validate(p, where)
	if _, err := regexp.Compile(r.Line); err != nil {
		p.add("%s.line: %v", where, err)
	}
	if r.NotifyFD != 0 && (r.NotifyFD < 3 || r.NotifyFD > 255) {
		p.add("%s.notify_fd: %d is not between 3 and 255", where, r.NotifyFD)
	}
	p.notNegative(where+".timeout", r.Timeout)
}

func (h *Health) validate(p *problems, where string) {
	if h.given() > 1 {
		p.add("%s: give one of exec, tcp, http", where)
	}
	h.Check.validate(p, where)
	p.notNegative(where+".interval", h.Interval)
	p.notNegative(where+".timeout", h.Timeout)
	p.notNegative(where+".grace", h.Grace)
	if h.Failures < 0 {
		p.add("%s.failures: must not be negative", where)
	}
	if h.Action != "" && h.Action != ActionRestart && h.Action != ActionExit {
		p.add("%s.action: %q is not one of restart, exit", where, h.Action)
	}
}

func (s *Stop) validate(p *problems, where string) {
	if s.Signal != "" && !isSignal(s.Signal) {
		p.add("%s.signal: there is no signal %q; write it like TERM, SIGTERM or 15", where, s.Signal)
	}
	p.notNegative(where+".grace", s.Grace)
}

func isSignal(s string) bool {
	if n, err := strconv.Atoi(s); err == nil {
		return n >= 1 && n <= 64
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	return unix.SignalNum(name) != 0
}

func (p *problems) notNegative(where string, d Duration) {
	if d < 0 {
		p.add("%s: %v is negative", where, time.Duration(d))
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Environment is what the process inherits: inherited, or PATH alone; HOME,
// USER and LOGNAME of its user, if it has one; then the env files. Later
// values of a variable count.
func (a *Process) Environment(inherited []string) ([]string, error) {
	env := slices.Clone(inherited)
	if a.CleanEnv {
		env = slices.DeleteFunc(env, func(kv string) bool { return !strings.HasPrefix(kv, "PATH=") })
	}
	if a.User != "" {
		u, err := user.Lookup(a.User)
		if err != nil {
			u, err = user.LookupId(a.User)
		}
		if err == nil { // else a number without an entry
			env = append(env, "HOME="+u.HomeDir, "USER="+u.Username, "LOGNAME="+u.Username)
		}
	}
	for _, path := range a.EnvFiles {
		more, err := readEnvFile(path, inherited)
		if err != nil {
			return nil, err
		}
		env = append(env, more...)
	}
	return env, nil
}

func readEnvFile(path string, inherited []string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read it: %w; mount it, and let uid %d read it", err, os.Getuid())
	}
	env, err := parseEnvFile(text, inherited)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return env, nil
}

// parseEnvFile reads the format of docker run --env-file: KEY=value to the end
// of the line as it stands, KEY alone for the inherited value, # for comments.
func parseEnvFile(text []byte, inherited []string) (env []string, err error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if s := strings.TrimSpace(line); s == "" || s[0] == '#' {
			continue
		}
		key, value, given := strings.Cut(strings.TrimLeft(line, " \t"), "=")
		if key == "" || strings.ContainsAny(key, " \t\x00") || strings.Contains(value, "\x00") {
			return nil, fmt.Errorf("line %d: %q is not of the form KEY=value", number, line)
		}
		if given {
			env = append(env, key+"="+value)
			continue
		}
		for _, kv := range inherited {
			if strings.HasPrefix(kv, key+"=") {
				env = append(env, kv)
			}
		}
	}
	return env, nil
}
