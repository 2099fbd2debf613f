package config

import (
	"strings"
	"testing"
)

func TestValidateMedia(t *testing.T) {
	tests := map[string]struct {
		yaml string
		want string // empty means no problem
	}{
		"all of it": {`{name: a, codecs: [PCMU, opus/48000/2, speex/16000], stun: [stun.example.com, "10.0.0.1:3478"], ice: true, max_calls: 8, log_level: 4,
    sip: {id: "sip:a@b", proxy: ["sip:proxy;lr"], transport: tls, tls: {ca_file: /dev/null, verify_server: true}, srtp: mandatory, reg_interval: 60s}}`, ""},
		"transport":    {`{name: a, sip: {transport: sctp}}`, `sip.transport: "sctp" is not one of udp, tcp, tls`},
		"srtp":         {`{name: a, sip: {srtp: always}}`, "off, optional, mandatory"},
		"proxy":        {`{name: a, sip: {proxy: [proxy]}}`, `sip.proxy[0]: "proxy"`},
		"interval":     {`{name: a, sip: {reg_interval: 2h}}`, "between 1s and 1h"},
		"tls for udp":  {`{name: a, sip: {tls: {ca_file: /dev/null}}}`, "without transport: tls"},
		"half a key":   {`{name: a, sip: {transport: tls, tls: {key_file: /dev/null}}}`, "go together"},
		"no such file": {`{name: a, sip: {transport: tls, tls: {ca_file: /no/such}}}`, "tls.ca_file: cannot read it"},
		"codec":        {`{name: a, codecs: [opsu]}`, `codecs[0]: "opsu" is no codec`},
		"stun":         {`{name: a, stun: ["stun:x"]}`, `stun[0]: "stun:x"`},
		"calls":        {`{name: a, max_calls: 999}`, "between 1 and 255"},
		"log":          {`{name: a, log_level: 1}`, "between 3 and 6"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, "c.yaml", "callers:\n  - "+tt.yaml), nil)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestSIPEnvironment(t *testing.T) {
	c, err := Load("", []string{
		"NULLCARD_SIP_ID=sip:a@b", "NULLCARD_SIP_REALM=r", "NULLCARD_SIP_PROXY=sip:p;lr, sip:q;lr", "NULLCARD_SIP_TRANSPORT=tls",
		"NULLCARD_SIP_TLS_CA_FILE=/dev/null", "NULLCARD_SIP_SRTP=optional", "NULLCARD_CODECS=opus, PCMU", "NULLCARD_STUN=s",
		"NULLCARD_MAX_CALLS=2", "NULLCARD_RESTART=never",
	})
	if err != nil {
		t.Fatal(err)
	}
	r := c.Callers[0]
	if r.SIP.Realm != "r" || len(r.SIP.Proxy) != 2 || r.SIP.Proxy[1] != "sip:q;lr" || r.SIP.Transport != "tls" || !r.SIP.TLS.VerifyServer ||
		r.SIP.SRTP != "optional" || len(r.Codecs) != 2 || r.Codecs[1] != "PCMU" || len(r.STUN) != 1 || r.MaxCalls != 2 || r.Restart.Policy != "never" {
		t.Errorf("caller is %+v", r)
	}
}

func TestURI(t *testing.T) {
	for _, tt := range []struct{ transport, uri, want string }{
		{"", "sip:a@b", "sip:a@b"},
		{"udp", "sip:a@b", "sip:a@b"},
		{"tcp", "", ""},
		{"tcp", "sip:a@b", "sip:a@b;transport=tcp"},
		{"tcp", "sip:a@b:5080;lr", "sip:a@b:5080;lr;transport=tcp"},
		{"tls", "sip:a@b?Subject=x", "sip:a@b;transport=tls?Subject=x"},
		{"tls", `"A" <sip:a@b>`, `"A" <sip:a@b;transport=tls>`},
		{"tls", "sip:a@b;transport=TCP", "sip:a@b;transport=TCP"},
		{"tls", "sips:a@b", "sips:a@b"},
	} {
		s := SIP{Transport: tt.transport}
		if got := s.URI(tt.uri); got != tt.want {
			t.Errorf("%s by %s is %s, want %s", tt.uri, tt.transport, got, tt.want)
		}
	}
}
