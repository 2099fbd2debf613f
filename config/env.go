package config

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/google/shlex"
	"github.com/hashicorp/go-multierror"
)

// variables are the NULLCARD_… environment variables and what each sets. Those
// marked caller describe the one caller that needs no file.
var variables = map[string]struct {
	caller bool
	set    func(c *Config, caller *Caller, value string) error
}{
	"NULLCARD_RUNTIME_DIR": {set: func(c *Config, _ *Caller, v string) error {
		c.RuntimeDir = v
		return nil
	}},
	"NULLCARD_AUDIO_BACKEND": {set: func(c *Config, _ *Caller, v string) error {
		c.Audio.Backend = v
		return nil
	}},
	"NULLCARD_AUDIO_SERVER": {set: func(c *Config, _ *Caller, v string) error {
		c.Audio.Server = v
		return nil
	}},
	"NULLCARD_AUDIO_ON_FAILURE": {set: func(c *Config, _ *Caller, v string) error {
		c.Audio.OnFailure = v
		return nil
	}},
	"NULLCARD_AUDIO_ONE_WAY": {set: func(c *Config, _ *Caller, v string) error {
		d, err := time.ParseDuration(v)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 10s", v)
		}
		c.Audio.OneWay = Duration(d)
		return nil
	}},
	"NULLCARD_LOG_FORMAT": {set: func(c *Config, _ *Caller, v string) error {
		c.Log.Format = v
		return nil
	}},
	"NULLCARD_SIP_ID": {true, func(_ *Config, r *Caller, v string) error {
		r.SIP.ID = v
		return nil
	}},
	"NULLCARD_SIP_REGISTRAR": {true, func(_ *Config, r *Caller, v string) error {
		r.SIP.Registrar = v
		return nil
	}},
	"NULLCARD_SIP_USERNAME": {true, func(_ *Config, r *Caller, v string) error {
		r.SIP.Username = v
		return nil
	}},
	"NULLCARD_SIP_PASSWORD_FILE": {true, func(_ *Config, r *Caller, v string) error {
		r.SIP.PasswordFile = v
		return nil
	}},
	"NULLCARD_SIP_REALM": {true, func(_ *Config, r *Caller, v string) error {
		r.SIP.Realm = v
		return nil
	}},
	"NULLCARD_SIP_PROXY": {true, func(_ *Config, r *Caller, v string) error {
		r.SIP.Proxy = items(v)
		return nil
	}},
	"NULLCARD_SIP_TRANSPORT": {true, func(_ *Config, r *Caller, v string) error {
		r.SIP.Transport = v
		return nil
	}},
	"NULLCARD_SIP_TLS_CA_FILE": {true, func(_ *Config, r *Caller, v string) error {
		r.SIP.TLS.CAFile, r.SIP.TLS.VerifyServer = v, true
		return nil
	}},
	"NULLCARD_SIP_SRTP": {true, func(_ *Config, r *Caller, v string) error {
		r.SIP.SRTP = v
		return nil
	}},
	"NULLCARD_CODECS": {true, func(_ *Config, r *Caller, v string) error {
		r.Codecs = items(v)
		return nil
	}},
	"NULLCARD_STUN": {true, func(_ *Config, r *Caller, v string) error {
		r.STUN = items(v)
		return nil
	}},
	"NULLCARD_MAX_CALLS": {true, func(_ *Config, r *Caller, v string) error {
		return number(&r.MaxCalls, v)
	}},
	"NULLCARD_RESTART": {true, func(_ *Config, r *Caller, v string) error {
		r.Restart.Policy = v
		return nil
	}},
	"NULLCARD_DIAL": {true, func(_ *Config, r *Caller, v string) error {
		r.Dial = v
		return nil
	}},
	"NULLCARD_AUTO_ANSWER": {true, func(_ *Config, r *Caller, v string) error {
		return number(&r.AutoAnswer, v)
	}},
	"NULLCARD_LOCAL_PORT": {true, func(_ *Config, r *Caller, v string) error {
		return number(&r.LocalPort, v)
	}},
	"NULLCARD_RTP_PORT": {true, func(_ *Config, r *Caller, v string) error {
		return number(&r.RTPPort, v)
	}},
	"NULLCARD_PJSUA_ARGS": {true, func(_ *Config, r *Caller, v string) error {
		words, err := shlex.Split(v)
		if err != nil {
			return fmt.Errorf("cannot split %q into words: %w", v, err)
		}
		r.Args = append(r.Args, words...)
		return nil
	}},
}

// items are those between commas.
func items(value string) []string {
	all := strings.Split(value, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

func number(to *int, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return fmt.Errorf("%q is not a number", value)
	}
	*to = n
	return nil
}

// serviceLink is what Kubernetes sets for a service that is called nullcard.
var serviceLink = regexp.MustCompile(`^NULLCARD_(SERVICE_|PORT$|PORT_)`)

// applyEnv lets the environment override what the file said. An empty value
// counts as not set.
func (c *Config) applyEnv(environ []string) error {
	var problems *multierror.Error
	given := map[string]string{}
	var names []string
	forCaller := ""
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "NULLCARD_") || value == "" || serviceLink.MatchString(name) {
			continue
		}
		v, known := variables[name]
		if !known {
			c.Warnings = append(c.Warnings, fmt.Sprintf("unknown environment variable %s is ignored", name))
			continue
		}
		if v.caller {
			forCaller = name
		}
		given[name] = value
		names = append(names, name)
	}
	sort.Strings(names)

	caller := &Caller{}
	if forCaller != "" {
		switch len(c.Callers) {
		case 0:
			c.AddCaller()
			caller = &c.Callers[0]
		case 1:
			caller = &c.Callers[0]
		default:
			problems = multierror.Append(problems, fmt.Errorf(
				"%s is for a single caller, but %s lists %d; set it there", forCaller, c.File, len(c.Callers)))
		}
	}
	for _, name := range names {
		if err := variables[name].set(c, caller, given[name]); err != nil {
			problems = multierror.Append(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	return problems.ErrorOrNil()
}

// AddCaller adds the caller that is run when no file describes one: it answers
// calls at once, since nobody sits at a machine without a sound card.
func (c *Config) AddCaller() {
	c.Callers = append(c.Callers, Caller{Name: "caller", AutoAnswer: 200})
}
