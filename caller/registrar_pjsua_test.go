//go:build pjsua

package caller

import (
	"crypto/md5"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// registrar is as much of one as it takes to accept or refuse an account with
// digest authentication (RFC 2617), by UDP.
type registrar struct {
	t        *testing.T
	conn     *net.UDPConn
	user     string
	password string
	done     chan struct{}

	mu     sync.Mutex
	status string   // answer to all, such as "403 Forbidden"; empty checks the digest
	seen   []string // what became of each REGISTER: challenged, wrong, registered, unregistered, refused
	news   chan struct{}
}

func newRegistrar(t *testing.T, user, password string) *registrar {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &registrar{t: t, conn: conn, user: user, password: password, done: make(chan struct{}), news: make(chan struct{}, 1)}
	go r.serve()
	t.Cleanup(func() {
		conn.Close()
		<-r.done
	})
	return r
}

func (r *registrar) uri() string { return "sip:" + r.conn.LocalAddr().String() }

func (r *registrar) answer(status string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *registrar) serve() {
	defer close(r.done)
	buf := make([]byte, 65536)
	for {
		n, from, err := r.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		if reply := r.handle(string(buf[:n])); reply != "" {
			if _, err := r.conn.WriteToUDP([]byte(reply), from); err != nil {
				return
			}
		}
	}
}

var authorization = regexp.MustCompile(`(\w+)="?([^",]*)"?`)

func (r *registrar) handle(request string) string {
	if !strings.HasPrefix(request, "REGISTER ") {
		return ""
	}
	headers := map[string]string{}
	for l := range strings.SplitSeq(request, "\r\n") {
		if name, value, ok := strings.Cut(l, ":"); ok {
			headers[strings.ToLower(name)] = strings.TrimSpace(value)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	status, extra, what := r.status, "", "refused"
	if status == "" {
		auth := map[string]string{}
		for _, m := range authorization.FindAllStringSubmatch(strings.TrimPrefix(headers["authorization"], "Digest "), -1) {
			auth[m[1]] = m[2]
		}
		switch {
		case headers["authorization"] == "":
			status, what = "401 Unauthorized", "challenged"
			extra = "WWW-Authenticate: Digest realm=\"test\", nonce=\"n0nce\", algorithm=MD5\r\n"
		case auth["response"] != r.response(auth["uri"]):
			status, what = "403 Forbidden", "wrong"
		case headers["expires"] == "0" || strings.Contains(headers["contact"], "expires=0"):
			status, what = "200 OK", "unregistered"
		default:
			status, what = "200 OK", "registered"
			extra = "Contact: " + headers["contact"] + ";expires=300\r\n"
		}
	}
	r.seen = append(r.seen, what)
	select {
	case r.news <- struct{}{}:
	default:
	}
	return fmt.Sprintf("SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=r\r\nCall-ID: %s\r\nCSeq: %s\r\n%sContent-Length: 0\r\n\r\n",
		status, headers["via"], headers["from"], headers["to"], headers["call-id"], headers["cseq"], extra)
}

func (r *registrar) response(uri string) string {
	sum := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	return sum(sum(r.user+":test:"+r.password) + ":n0nce:" + sum("REGISTER:"+uri))
}

// saw waits until the registrar has done that.
func (r *registrar) saw(what string) {
	r.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		r.mu.Lock()
		for i, s := range r.seen {
			if s == what {
				r.seen = r.seen[i+1:]
				r.mu.Unlock()
				return
			}
		}
		r.mu.Unlock()
		select {
		case <-r.news:
		case <-deadline:
			r.t.Fatalf("the registrar saw nothing %s within 10 s", what)
		}
	}
}
