package caller

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nullcard/nullcard/config"
)

// What pjsua buffers at the sound device, in ms, chosen by measurement
// (docs/bench.md, call).
//
// All of playbackLatency is delay. The ALSA plugin wants three frames at least,
// 30 ms where a frame has 10; on two cores under a load of 10, 30 ms gave three
// times the underflows of 40 ms, 60 ms no fewer than 40 but 20 ms more delay.
// captureLatency is room and no delay, since pjsua reads each frame when it is
// there: it only keeps a thread that was late from losing sound.
const (
	captureLatency  = 100
	playbackLatency = 40
)

// reserved are the options that args must not have, and why.
var reserved = map[string]string{
	"config-file":     "nullcard writes that file, and pjsua does not read a second one",
	"password":        "a password in args would be shown with the configuration; put it into a file and name that in sip.password_file",
	"use-cli":         "nullcard needs pjsua's own console to hang up and unregister",
	"cli-telnet-port": "it would listen on all addresses without a password",
	"no-cli-console":  "nullcard needs pjsua's own console to hang up and unregister",
	"help":            "pjsua would print its help and end; run pjsua --help by hand",
	"version":         "pjsua would print its version and end; run pjsua --version by hand",
}

// arguments returns pjsua's options. Of an option given twice pjsua takes the
// later, so args comes last.
func arguments(c config.Caller, o Options) ([]string, error) {
	extra, without, err := split(c.Args)
	if err != nil {
		return nil, err
	}
	var args []string
	add := func(name string, value any) { args = append(args, fmt.Sprintf("--%s=%v", name, value)) }
	// pjsua has no opposite of a flag: --NAME=no in args leaves ours out.
	flag := func(name string) {
		if !without[name] {
			args = append(args, "--"+name)
		}
	}

	flag("no-color")
	// Its lines come when they happen, not in blocks of 4 KiB.
	flag("stdout-no-buf")
	// 3 tells calls, registrations and errors; 4 adds every SIP message.
	level := max(c.LogLevel, 3)
	add("log-level", level)
	add("app-log-level", level)

	// The far end has no echo of ours to cancel: the canceller takes what is
	// played for echo, and the silence detector cuts what is left (a tone of
	// 0.52 RMS arrived at 0.02).
	add("ec-tail", 0)
	flag("no-vad")
	// Ringing and ringback would be heard by whoever listens to the device.
	flag("no-tones")
	if o.NullAudio {
		flag("null-audio")
	}
	if o.Rate != 0 {
		add("clock-rate", o.Rate)
		add("snd-clock-rate", o.Rate)
	}
	add("capture-lat", captureLatency)
	add("playback-lat", playbackLatency)

	args = append(args, transport(c, extra, without)...)
	if c.LocalPort != 0 {
		add("local-port", c.LocalPort)
	}
	if c.RTPPort != 0 {
		add("rtp-port", c.RTPPort)
	}
	args = append(args, codecs(c, extra)...)
	args = append(args, media(c)...)

	account, err := account(c.SIP)
	if err != nil {
		return nil, err
	}
	args = append(args, account...)
	if c.AutoAnswer != 0 {
		add("auto-answer", c.AutoAnswer)
	}
	if c.MaxCalls != 0 {
		add("max-calls", c.MaxCalls)
	}
	if c.Dial != "" {
		args = append(args, c.SIP.URI(c.Dial))
	}
	return append(args, extra...), nil
}

// split sorts args into options for pjsua and the names of our flags that are
// to be left out.
func split(args []string) (extra []string, without map[string]bool, err error) {
	without = map[string]bool{}
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !strings.HasPrefix(arg, "--") || name == "" {
			extra = append(extra, arg)
			continue
		}
		for r, why := range reserved {
			// pjsua accepts any unambiguous beginning of a name.
			if len(name) >= 3 && strings.HasPrefix(r, name) {
				return nil, nil, fmt.Errorf("args: --%s cannot be given: %s", name, why)
			}
		}
		if value == "no" {
			without[name] = true
			continue
		}
		extra = append(extra, arg)
	}
	return extra, without, nil
}

// transport returns the options that choose between UDP, TCP and TLS.
func transport(c config.Caller, extra []string, without map[string]bool) []string {
	var args []string
	switch c.SIP.Transport {
	case "tcp":
		return nil
	case "tls":
		args = append(args, "--use-tls")
		for _, o := range [][2]string{{"ca-file", c.SIP.TLS.CAFile}, {"cert-file", c.SIP.TLS.CertFile}, {"privkey-file", c.SIP.TLS.KeyFile}} {
			if o[1] != "" {
				args = append(args, "--tls-"+o[0]+"="+o[1])
			}
		}
		if c.SIP.TLS.VerifyServer {
			args = append(args, "--tls-verify-server")
		}
		return args
	}
	// With TCP at hand pjsua sends whatever exceeds 1,300 bytes by it, as RFC
	// 3261 wants it, and an INVITE with authentication does; a far end that knows
	// UDP only is then not reached.
	if without["no-tcp"] || namesTCP(c, extra) {
		return nil
	}
	return []string{"--no-tcp"}
}

func namesTCP(c config.Caller, extra []string) bool {
	for _, uri := range slices.Concat([]string{c.SIP.ID, c.SIP.Registrar, c.Dial}, c.SIP.Proxy, extra) {
		uri = strings.ToLower(uri)
		if strings.Contains(uri, "transport=tcp") || strings.Contains(uri, "transport=tls") || strings.Contains(uri, "sips:") {
			return true
		}
	}
	return slices.Contains(extra, "--no-udp") || slices.Contains(extra, "--use-tls")
}

// defaultCodecs are wideband first. G.722 has the devices' own 16 kHz and costs
// the least: a call took 1.1 % of a core, by Speex, with which pjsua's own list
// begins, 1.8 %, by PCMU 2.4 %, by Opus 6.6 %. By G.722 the far speaker is 236 ms
// behind the mic feed, by Speex 276 ms (`bench call`). pjsua's list makes an INVITE of
// 1,365 bytes before authentication; these make it 1,120, so that it fits into
// one UDP packet with it.
var defaultCodecs = []string{"G722", "opus", "PCMU", "PCMA"}

// codecs returns the options that allow some codecs, unless args do so.
func codecs(c config.Caller, extra []string) []string {
	list := c.Codecs
	if len(list) == 0 {
		for _, arg := range extra {
			if strings.HasPrefix(arg, "--add-codec") || strings.HasPrefix(arg, "--dis-codec") {
				return nil
			}
		}
		list = defaultCodecs
	}
	args := []string{"--dis-codec=*"}
	// The last that is added comes first.
	for _, codec := range slices.Backward(list) {
		args = append(args, "--add-codec="+codec)
	}
	return args
}

// media returns the options about encryption and traversal.
func media(c config.Caller) []string {
	var args []string
	if use, ok := map[string]int{"optional": 1, "mandatory": 2}[c.SIP.SRTP]; ok {
		args = append(args, fmt.Sprintf("--use-srtp=%d", use))
		if c.SIP.Transport != "tls" {
			// pjsua would refuse every call: the keys are in messages that
			// anyone on the way can read. That is the caller's choice here.
			args = append(args, "--srtp-secure=0")
		}
	}
	for _, server := range c.STUN {
		args = append(args, "--stun-srv="+server)
	}
	if c.ICE {
		args = append(args, "--use-ice")
	}
	return args
}

// account returns the options of a SIP account.
func account(s config.SIP) ([]string, error) {
	var args []string
	for _, o := range [][2]string{{"id", s.ID}, {"registrar", s.URI(s.Registrar)}} {
		if o[1] != "" {
			args = append(args, "--"+o[0]+"="+o[1])
		}
	}
	for _, proxy := range s.Proxy {
		args = append(args, "--proxy="+s.URI(proxy))
	}
	if s.RegInterval != 0 {
		args = append(args, fmt.Sprintf("--reg-timeout=%d", time.Duration(s.RegInterval)/time.Second))
	}
	if s.Username == "" {
		return args, nil
	}
	realm := s.Realm
	if realm == "" {
		realm = "*"
	}
	password, err := readPassword(s.PasswordFile)
	if err != nil {
		return nil, err
	}
	return append(args, "--realm="+realm, "--username="+s.Username, "--password="+password), nil
}

// readPassword returns the content of a file without the line end that an
// editor or `echo` leaves.
func readPassword(file string) (string, error) {
	if file == "" {
		return "", errors.New("sip.password_file: missing; a username needs a password")
	}
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("sip.password_file: there is no %s; mount the secret there, or name another file", file)
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("sip.password_file: uid %s may not read %s; make it readable for that uid", strconv.Itoa(os.Getuid()), file)
	case err != nil:
		return "", fmt.Errorf("sip.password_file: cannot read it: %w", err)
	}
	password := bytes.TrimRight(data, "\r\n")
	if len(password) == 0 {
		return "", fmt.Errorf("sip.password_file: %s is empty; write the password into it", file)
	}
	if bytes.ContainsAny(password, "\r\n\x00") {
		return "", fmt.Errorf("sip.password_file: %s has more than one line; it must hold the password alone", file)
	}
	return string(password), nil
}
