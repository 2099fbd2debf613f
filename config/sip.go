package config

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// knownCodecs are the names that PJMEDIA has for codecs, in lower case. pjsua
// passes over one that it does not know, and is left with none.
var knownCodecs = []string{
	"amr", "amr-wb", "g722", "g7221", "g729", "gsm", "ilbc", "l16", "opus", "pcma", "pcmu", "silk", "speex",
}

var (
	codecID    = regexp.MustCompile(`^([A-Za-z0-9-]+)(?:/\d+){0,2}$`)
	serverName = regexp.MustCompile(`^[A-Za-z0-9._-]+(?::\d+)?$`)
)

// maxCalls is the most that pjsua can be built for; how many it was built for
// (PJSUA_MAX_CALLS: 32 in nullcard's image, 4 by default) it tells when it
// starts.
const maxCalls = 255

// validateMedia checks what a caller has beside its account: transport, codecs,
// limits.
func (r *Caller) validateMedia(p *problems, where string) {
	s := &r.SIP
	oneOf := func(key, value string, values ...string) {
		if value != "" && !slices.Contains(values, value) {
			p.add("%s.%s: %q is not one of %s", where, key, value, strings.Join(values, ", "))
		}
	}
	oneOf("sip.transport", s.Transport, "udp", "tcp", "tls")
	oneOf("sip.srtp", s.SRTP, "off", "optional", "mandatory")
	for i, uri := range s.Proxy {
		if !sipURI.MatchString(uri) {
			p.add("%s.sip.proxy[%d]: %q is not a SIP URI such as sip:proxy.example.com", where, i, uri)
		}
	}
	if d := time.Duration(s.RegInterval); d != 0 && (d < time.Second || d > time.Hour) {
		p.add("%s.sip.reg_interval: %v is not between 1s and 1h", where, d)
	}
	if s.TLS != (TLS{}) && s.Transport != "tls" {
		p.add("%s.sip.tls: has no effect without transport: tls", where)
	}
	if (s.TLS.CertFile == "") != (s.TLS.KeyFile == "") {
		p.add("%s.sip.tls: cert_file and key_file go together; give both or neither", where)
	}
	for key, file := range map[string]string{"ca_file": s.TLS.CAFile, "cert_file": s.TLS.CertFile, "key_file": s.TLS.KeyFile} {
		if file == "" {
			continue
		}
		if f, err := os.Open(file); err != nil {
			p.add("%s.sip.tls.%s: cannot read it: %v; mount it, and let uid %d read it", where, key, err, os.Getuid())
		} else {
			f.Close()
		}
	}
	for i, codec := range r.Codecs {
		m := codecID.FindStringSubmatch(codec)
		if m == nil || !slices.Contains(knownCodecs, strings.ToLower(m[1])) {
			p.add("%s.codecs[%d]: %q is no codec; give names such as %s, or speex/16000", where, i, codec, strings.Join([]string{"PCMU", "PCMA", "G722", "opus"}, ", "))
		}
	}
	for i, server := range r.STUN {
		if !serverName.MatchString(server) {
			p.add("%s.stun[%d]: %q is not a server as host or host:port", where, i, server)
		}
	}
	if r.MaxCalls < 0 || r.MaxCalls > maxCalls {
		p.add("%s.max_calls: %d is not between 1 and %d", where, r.MaxCalls, maxCalls)
	}
	if r.LogLevel != 0 && (r.LogLevel < 3 || r.LogLevel > 6) {
		p.add("%s.log_level: %d is not between 3 and 6; calls are known from what pjsua logs at 3", where, r.LogLevel)
	}
}

// URI returns a URI with the account's transport in it, unless it names one
// itself. It leaves "" and a name without a URI alone.
func (s *SIP) URI(uri string) string {
	if s.Transport == "" || s.Transport == "udp" || uri == "" ||
		strings.Contains(strings.ToLower(uri), ";transport=") || strings.Contains(strings.ToLower(uri), "sips:") {
		return uri
	}
	// Parameters come before headers and the end of a name-addr.
	end := len(uri)
	if i := strings.IndexAny(uri, "?>"); i >= 0 {
		end = i
	}
	return fmt.Sprintf("%s;transport=%s%s", uri[:end], s.Transport, uri[end:])
}
