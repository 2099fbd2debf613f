package caller

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
)

// known is an error text that is understood, of pjsua, PJSIP, ALSA or JACK.
type known struct {
	text        *regexp.Regexp
	cause, cure string
}

// The first that matches counts, so what is special comes first.
var knownErrors = []known{
	{regexp.MustCompile(`PJMEDIA_EAUD_NODEFDEV|\[status=420006\]`),
		"pjsua finds no sound device to use by default",
		"let nullcard start pjsua (ALSA_CONFIG_PATH, PULSE_SERVER), or set audio.backend to null"},
	{regexp.MustCompile(`PJMEDIA_EAUD_NODEV\b|\[status=420005\]`),
		"pjsua finds no sound device at all",
		"let nullcard start pjsua (ALSA_CONFIG_PATH, PULSE_SERVER), or set audio.backend to null"},
	{regexp.MustCompile(`PJMEDIA_EAUD_INVDEV|\[status=420004\]`),
		"there is no sound device with the number given",
		"leave --capture-dev and --playback-dev out of args: the default is the caller's own device"},
	{regexp.MustCompile(`PJMEDIA_EAUD_SYSERR|\[status=420002\]|^ALSA (?:capture|playback) thread stopped due to error`),
		"the sound server went away or refused the device",
		"only a restart of pjsua helps, which nullcard does; `nullcard status` tells what became of the sound server"},
	{regexp.MustCompile(`PJMEDIA_EAUD_(?:BADFORMAT|SAMPFORMAT|BADLATENCY|INVCAP)|\[status=4200(?:08|10|11|12)\]`),
		"the sound device does not take that format or latency",
		"leave clock rates and latencies out of args, or correct the device's rate"},
	{regexp.MustCompile(`\[status=4200\d\d\]`),
		"the sound device cannot be used",
		"see `nullcard status` for the state of the device"},
	{regexp.MustCompile(`Unable to open (?:playback|capture) device '.*', err: `),
		"ALSA cannot open the sound device",
		"the sound server must run and PULSE_SERVER point to it; see `nullcard status`"},
	{regexp.MustCompile(`cannot find card '?\w*'?|Unknown PCM |snd_pcm_open_noupdate|Invalid card '`),
		"ALSA looks for a sound card, and there is none",
		"harmless if calls have sound; else set ALSA_CONFIG_PATH to nullcard's alsa.conf, as `nullcard run` does"},
	{regexp.MustCompile(`jack server is not running|^Cannot connect to server (?:socket|request channel)|^JackShmReadWritePtr`),
		"ALSA's JACK plugin looks for a server, and there is none",
		"harmless; with nullcard's alsa.conf ALSA does not look for it"},
	{regexp.MustCompile(`(?i)bind\(\) error: .*\[status=120098\]|Address already in use`),
		"the SIP or RTP port is in use by another program",
		"give this caller another local_port or rtp_port"},
	{regexp.MustCompile(`(?i)bind\(\) error: .*\[status=120013\]`),
		"ports below 1024 need a privilege that nullcard does not have",
		"give this caller a local_port above 1023"},
	{regexp.MustCompile(`^Argument ".*" is not valid`),
		"pjsua does not know one of its options, or the option lacks its value",
		"correct args; `pjsua --help` lists the options"},
	{regexp.MustCompile(`invalid SIP URL|Invalid SIP URI|Invalid URL: .*PJSIP_EINVALID\w*URI|^Invalid URL`),
		"pjsua takes one of the URIs for invalid",
		"write it as sip:user@host or sip:user@host:port;transport=tcp"},
	{regexp.MustCompile(`Too many arguments specified in cmd line/config file`),
		"pjsua takes 128 arguments at most",
		"shorten args"},
	{regexp.MustCompile(`^Unable to accept incoming call \(too many calls\)|^Error making call: .*PJ_ETOOMANY`),
		"as many calls are up as this caller may have at once",
		"raise max_calls, or hang up what is left of old calls (`nullcard call list`)"},
	{regexp.MustCompile(`maximum call setting exceeds compile time limit`),
		"this pjsua was not built for so many calls at once",
		"lower max_calls, or build pjsua with a larger PJSUA_MAX_CALLS (32 in nullcard's image)"},
	{regexp.MustCompile(`PJMEDIA_SDP_E\w+|PJSIP_EUNSUPMEDIATYPE|\[status=220\d{3}\]`),
		"both ends could not agree on the media",
		"allow another codec, and check the SRTP settings at both ends"},
	{credentials,
		"the far end does not accept the password",
		"check sip.username, sip.realm and the file in sip.password_file"},
	{regexp.MustCompile(`PJ_SSL|SSL_ERROR|\[status=(?:1711[67]\d|14\d{4})\]`),
		"TLS could not be set up",
		"check the files under sip.tls, and the far end's certificate"},
	{regexp.MustCompile(`^Error: |Invalid value for --|I think the ec-tail length`),
		"pjsua refuses the value of one of its options",
		"correct args; `pjsua --help` lists the values"},
	{regexp.MustCompile(`PJ_ERESOLVE|\[status=70018\]`),
		"a host name in a SIP URI cannot be resolved",
		"check the name, and the container's DNS (docker run --dns, /etc/resolv.conf)"},
	{regexp.MustCompile(`PJSIP_ETPNOTSUITABLE|PJSIP_EUNSUPTRANSPORT|\[status=(?:171060|171064)\]`),
		"the URI asks for a transport that is switched off",
		"add ;transport=tcp or use sips: in the URI, or leave --no-tcp and --no-udp out of args"},
	{regexp.MustCompile(`Too many open files`),
		"pjsua has no file descriptors left",
		"raise the limit (docker run --ulimit nofile=…) or lower the number of calls"},
}

// credentials is PJSIP's error when the password that it has given was not
// accepted, or when it has none for what the far end asks.
var credentials = regexp.MustCompile(`PJSIP_EFAILEDCREDENTIAL|PJSIP_ENOCREDENTIAL|\[status=17110[01]\]`)

// systemError is PJLIB's way to write an error number: 120000 + errno.
var systemError = regexp.MustCompile(`\[status=120(\d{3})\]|\[code=120(\d{3})\]`)

// sipStatus is a SIP status as pjsua writes it about a registration or a call,
// or as PJSIP's own error number, 170000 + status.
var sipStatus = regexp.MustCompile(`(registration failed), status=(\d{3})\b|\[reason=(\d{3})\b|\[status=170(\d{3})\]`)

// Explain tells cause and cure of an error in a line of pjsua's, ALSA's or
// JACK's output. It is false for a line that tells of none that is known.
func Explain(text string) (cause, cure string, ok bool) {
	if strings.Contains(text, "will try next server") {
		return "", "", false // pjsua goes from TCP to UDP by itself
	}
	for _, k := range knownErrors {
		if k.text.MatchString(text) {
			return k.cause, k.cure, true
		}
	}
	if m := sipStatus.FindStringSubmatch(text); m != nil {
		if code := number(m[2] + m[3] + m[4]); code >= 300 {
			cause, cure = explainStatus(code, m[1] != "")
			return cause, cure, true
		}
		return "", "", false
	}
	if m := systemError.FindStringSubmatch(text); m != nil {
		return explainErrno(syscall.Errno(number(m[1] + m[2])))
	}
	return "", "", false
}

// explainEvent adds cause and cure to what is an error among the events.
func explainEvent(e Event) (cause, cure string, ok bool) {
	switch {
	case e.Kind == RegistrationFailed && e.Code == 0, e.Kind == RegistrationFailed && strings.Contains(e.Reason, "PJ_ERESOLVE"):
		return Explain(e.Text)
	case e.Kind == RegistrationFailed:
		cause, cure = explainStatus(e.Code, true)
		return cause, cure, true
	case e.Kind == Disconnected && e.Code >= 300 && e.Code != statusCancelled:
		cause, cure = explainStatus(e.Code, false)
		return cause, cure, true
	}
	return "", "", false
}

func explainErrno(errno syscall.Errno) (cause, cure string, ok bool) {
	cause = "the system says: " + errno.Error()
	switch errno {
	case syscall.EADDRINUSE:
		return "the SIP or RTP port is in use by another program", "give this caller another local_port or rtp_port", true
	case syscall.ECONNREFUSED:
		cure = "nothing listens at that address and port with that transport: check the URI, and ;transport="
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH:
		cure = "there is no route to that address: check the container's network"
	case syscall.EADDRNOTAVAIL:
		cure = "this machine does not have that address: check --bound-addr and --ip-addr in args"
	case syscall.EACCES, syscall.EPERM:
		cure = "a firewall or a missing privilege forbids it; ports below 1024 need one"
	case syscall.ETIMEDOUT:
		cure = "the far end does not answer: check address, port and firewall"
	default:
		cure = "check address, port and network"
	}
	return cause, cure, true
}

// SIP status codes are those of RFC 3261, section 21.
const statusCancelled = 487

type explanation struct{ cause, cure string }

var registrationStatus = map[int]explanation{
	401: {"the registrar does not accept the password", "check sip.username, sip.realm and the file in sip.password_file"},
	403: {"the registrar refuses this account", "check sip.id, username and password; some registrars answer 403 to a wrong password"},
	404: {"the registrar does not know this account", "check the user and host in sip.id"},
	407: {"a proxy does not accept the password", "check sip.username, sip.realm and the file in sip.password_file"},
	408: {"the registrar does not answer", "check sip.registrar, and that its port is open for this transport"},
	423: {"the registrar finds the registration interval too short", "raise the interval (--reg-timeout in args)"},
	502: {"the registrar's host name cannot be resolved, or a proxy cannot reach it", "check sip.registrar and the container's DNS"},
	503: {"the registrar cannot be reached or is out of service", "check sip.registrar, and that its port is open for this transport; pjsua tries again"},
}

var callStatus = map[int]explanation{
	401: {"the far end asks for a password and does not accept this one", "check sip.username, sip.realm and the file in sip.password_file"},
	403: {"the call is forbidden for this account", "check that the account may call this number, and sip.id"},
	404: {"there is no such callee", "check the user part of the URI that was called"},
	407: {"the proxy asks for a password and does not accept this one", "check sip.username, sip.realm and the file in sip.password_file"},
	408: {"the far end does not answer", "check host and port of the URI, and firewalls"},
	480: {"the callee is not there, or not registered now", "try again later; check that the callee is registered"},
	482: {"the call came back in a loop", "check the proxy's routes and the URI that was called"},
	484: {"the number is incomplete", "check the URI that was called"},
	486: {"the callee is busy", "try again later"},
	487: {"the call was cancelled before it was answered", "nothing to do"},
	488: {"both ends have no codec, or no way of encryption, in common", "allow another codec; check SRTP settings at both ends"},
	500: {"the far end failed", "look at the far end's log"},
	502: {"a gateway failed, or the host name in the URI cannot be resolved", "check the URI and the container's DNS"},
	503: {"the far end cannot be reached or is out of service", "check host, port and ;transport= of the URI"},
	600: {"the callee is busy everywhere", "try again later"},
	603: {"the callee declined", "nothing to do"},
}

// explainStatus tells what a SIP status means for a registration or a call.
func explainStatus(code int, registration bool) (cause, cure string) {
	table, what := callStatus, "the call"
	if registration {
		table, what = registrationStatus, "the registration"
	}
	if t, ok := table[code]; ok {
		return fmt.Sprintf("%s (SIP %d)", t.cause, code), t.cure
	}
	switch code / 100 {
	case 3:
		return fmt.Sprintf("%s was sent elsewhere (SIP %d)", what, code), "use the new address, or set --accept-redirect in args"
	case 4:
		return fmt.Sprintf("%s was refused (SIP %d)", what, code), "look at the reason, and at the far end's log"
	case 5:
		return fmt.Sprintf("%s failed at the far end (SIP %d)", what, code), "look at the far end's log"
	}
	return fmt.Sprintf("%s failed everywhere (SIP %d)", what, code), "look at the reason, and at the far end's log"
}
