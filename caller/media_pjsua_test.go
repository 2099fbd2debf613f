//go:build pjsua

package caller

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nullcard/nullcard/config"
)

// The codec that is named first is the one that is used, and no other is
// offered.
func TestCodecs(t *testing.T) {
	t.Parallel()
	bob := newPhone(t, config.Caller{Name: "bob", AutoAnswer: 200, Codecs: []string{"PCMU", "PCMA", "G722", "opus", "speex"}}, null).started()
	for _, codecs := range [][]string{nil, {"PCMU"}, {"PCMA", "PCMU"}, {"G722"}, {"opus", "PCMU"}, {"speex/8000"}} {
		want := defaultCodecs[0]
		if codecs != nil {
			want, _, _ = strings.Cut(codecs[0], "/")
		}
		t.Run(strings.Join(codecs, ","), func(t *testing.T) {
			alice := newPhone(t, config.Caller{Name: "alice", Dial: bob.uri, Codecs: codecs}, null).started()
			alice.wait(Confirmed)
			bob.wait(Confirmed)
			q, err := alice.Quality(t.Context(), 0)
			if err != nil || !strings.EqualFold(q.Codec, want) {
				t.Errorf("codec %s at %d Hz (%v), want %s", q.Codec, q.Rate, err, want)
			}
			alice.quits()
			bob.wait(Disconnected)
		})
	}
}

func TestNoCommonCodec(t *testing.T) {
	t.Parallel()
	bob := newPhone(t, config.Caller{Name: "bob", AutoAnswer: 200, Codecs: []string{"PCMA"}}, null).started()
	alice := newPhone(t, config.Caller{Name: "alice", Dial: bob.uri, Codecs: []string{"PCMU"}}, null).started()
	if e := alice.wait(Disconnected); e.Code != 488 || !strings.Contains(e.Cause, "codec") {
		t.Errorf("ended with %d, cause %q; want 488", e.Code, e.Cause)
	}
}

func TestTransports(t *testing.T) {
	t.Parallel()
	ca, cert, key := certificate(t)
	tests := map[string]struct {
		sip  config.SIP
		port int // of the callee, from its first
	}{
		"udp":                      {config.SIP{}, 0},
		"tcp":                      {config.SIP{Transport: "tcp"}, 0},
		"tls":                      {config.SIP{Transport: "tls", TLS: config.TLS{CAFile: ca, CertFile: cert, KeyFile: key, VerifyServer: true}}, 1},
		"tls and mandatory SRTP":   {config.SIP{Transport: "tls", SRTP: "mandatory", TLS: config.TLS{CAFile: ca, CertFile: cert, KeyFile: key}}, 1},
		"udp and mandatory SRTP":   {config.SIP{SRTP: "mandatory"}, 0},
		"tcp and SRTP if possible": {config.SIP{Transport: "tcp", SRTP: "optional"}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sip := tt.sip
			sip.ID = "sip:bob@127.0.0.1"
			bob := newPhone(t, config.Caller{Name: "bob", AutoAnswer: 200, SIP: sip}, null).started()
			sip.ID = "sip:alice@127.0.0.1"
			alice := newPhone(t, config.Caller{Name: "alice", SIP: sip}, null).started()
			call, err := alice.Dial(t.Context(), fmt.Sprintf("sip:bob@127.0.0.1:%d", bob.cfg.LocalPort+tt.port))
			if err != nil {
				t.Fatal(err)
			}
			if call, err = alice.WaitCall(t.Context(), call.ID, confirmed); err != nil || call.State != Confirmed {
				t.Fatalf("call %+v, %v", call, err)
			}
			bob.wait(Confirmed)
			if code := alice.quits(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			bob.wait(Disconnected)
			out := strings.Join(alice.recording(), "\n")
			if got := strings.Contains(out, "SIP TCP transport is connected"); got != (sip.Transport == "tcp") {
				t.Errorf("TCP was used: %v", got)
			}
			if got := strings.Contains(out, "SIP TLS transport is connected"); got != (sip.Transport == "tls") {
				t.Errorf("TLS was used: %v", got)
			}
			if got := strings.Contains(out, "SRTP status: Active"); got != (sip.SRTP != "") {
				t.Errorf("SRTP was used: %v", got)
			}
		})
	}
}

func TestUnknownServerCertificate(t *testing.T) {
	t.Parallel()
	_, cert, key := certificate(t)
	other, _, _ := certificate(t)
	bob := newPhone(t, config.Caller{Name: "bob", AutoAnswer: 200, SIP: config.SIP{Transport: "tls", TLS: config.TLS{CertFile: cert, KeyFile: key}}}, null).started()
	alice := newPhone(t, config.Caller{Name: "alice", SIP: config.SIP{ID: "sip:alice@127.0.0.1", Transport: "tls", TLS: config.TLS{CAFile: other, VerifyServer: true}}}, null).started()
	call, err := alice.Dial(t.Context(), fmt.Sprintf("sip:bob@127.0.0.1:%d", bob.cfg.LocalPort+1))
	if err != nil {
		t.Fatal(err)
	}
	if call, err = alice.WaitCall(t.Context(), call.ID, confirmed); err != nil || call.State != Disconnected || call.Code != 503 {
		t.Errorf("call %+v, %v; want it failed", call, err)
	}
}

// A caller takes no more calls than it is told to, and says why.
func TestMaxCalls(t *testing.T) {
	t.Parallel()
	bob := newPhone(t, config.Caller{Name: "bob", AutoAnswer: 200, MaxCalls: 1}, null).started()
	alice := newPhone(t, config.Caller{Name: "alice", MaxCalls: 6}, null).started()
	for _, want := range []Kind{Confirmed, Disconnected} {
		call, err := alice.Dial(t.Context(), bob.uri)
		if err != nil {
			t.Fatal(err)
		}
		if call, err = alice.WaitCall(t.Context(), call.ID, confirmed); err != nil || call.State != want {
			t.Errorf("call %+v, %v; want it %s", call, err, want)
		}
	}
	if e := bob.wait(Failed); !strings.Contains(e.Cure, "max_calls") {
		t.Errorf("bob says %q, %q; want max_calls", e.Cause, e.Cure)
	}
}

// certificate makes one for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (ca, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, content []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("ca.pem", "CERTIFICATE", der), write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret)
}
