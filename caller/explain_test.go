package caller

import (
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	for text, want := range map[string][2]string{
		"Error retrieving default audio device parameters: Unable to find default audio device (PJMEDIA_EAUD_NODEFDEV) [status=420006]": {"no sound device to use by default", "ALSA_CONFIG_PATH"},
		"Error: Invalid audio device (PJMEDIA_EAUD_INVDEV) [status=420004]":                                                             {"number", "--capture-dev"},
		"Found no audio devices (PJMEDIA_EAUD_NODEV) [status=420005]":                                                                   {"no sound device at all", "audio.backend"},
		"ALSA capture thread stopped due to error: Unknown error from audio driver (PJMEDIA_EAUD_SYSERR)":                               {"sound server went away", "restart"},
		"Bad or invalid audio device format (PJMEDIA_EAUD_BADFORMAT) [status=420010]":                                                   {"format", "rate"},
		"ALSA lib confmisc.c:855:(parse_card) cannot find card '0'":                                                                     {"there is none", "alsa.conf"},
		"jack server is not running or cannot be started":                                                                               {"JACK", "harmless"},
		"bind() error: Address already in use [status=120098]":                                                                          {"in use", "local_port"},
		"bind() error: Permission denied [status=120013]":                                                                               {"1024", "above 1023"},
		"TCP connect() error: [code=120111]: Connection refused":                                                                        {"connection refused", "transport="},
		"Error sending: No route to host [status=120113]":                                                                               {"no route to host", "network"},
		"SIP registration failed, status=401 (Unauthorized)":                                                                            {"password", "sip.password_file"},
		"SIP registration error: Credential failed to authenticate (PJSIP_EFAILEDCREDENTIAL) [status=171100]":                           {"password", "sip.password_file"},
		"SIP registration failed, status=403 (Forbidden)":                                                                               {"refuses this account", "sip.id"},
		"SIP registration failed, status=404 (Not Found)":                                                                               {"does not know", "sip.id"},
		"SIP registration failed, status=408 (Request Timeout)":                                                                         {"does not answer", "sip.registrar"},
		"SIP registration failed, status=499 (?)":                                                                                       {"the registration was refused (SIP 499)", "log"},
		"Call 0 is DISCONNECTED [reason=486 (Busy Here)]":                                                                               {"busy", "later"},
		"Call 0 is DISCONNECTED [reason=488 (Not Acceptable Here)]":                                                                     {"codec", "codec"},
		"Call 0 is DISCONNECTED [reason=503 (Connection refused)]":                                                                      {"cannot be reached", "transport="},
		"Call 0 is DISCONNECTED [reason=599 (?)]":                                                                                       {"failed at the far end", "log"},
		"Unable to send: Forbidden [status=170403]":                                                                                     {"forbidden", "account"},
		"err=70018 (gethostbyname() has returned error (PJ_ERESOLVE))":                                                                  {"cannot be resolved", "DNS"},
		`Argument "--bogus" is not valid. Use --help to see help`:                                                                       {"options", "--help"},
		"Error: invalid SIP URL 'alice' in local id argument":                                                                           {"URI", "sip:user@host"},
		"Too many arguments specified in cmd line/config file":                                                                          {"128", "args"},
	} {
		cause, cure, ok := Explain(text)
		if !ok || !strings.Contains(strings.ToLower(cause), strings.ToLower(want[0])) || !strings.Contains(cure, want[1]) {
			t.Errorf("%s\n got %q, %q, %v; want %q", text, cause, cure, ok, want)
		}
		if strings.ContainsAny(cause+cure, "\n") {
			t.Errorf("%s: more than one line", text)
		}
	}
	for _, text := range []string{"", "Ready: Success", "Call 0 is DISCONNECTED [reason=200 (OK)]", "Call 0 state changed to CONFIRMED",
		"....Temporary failure in sending Request msg INVITE/cseq=4662 (tdta0x55f891becb50), will try next server: Unsuitable transport selected (PJSIP_ETPNOTSUITABLE)"} {
		if cause, _, ok := Explain(text); ok {
			t.Errorf("%q was explained as %q", text, cause)
		}
	}
}

func FuzzExplain(f *testing.F) {
	f.Add("SIP registration failed, status=401 (Unauthorized)")
	f.Add("[status=120999]")
	f.Fuzz(func(t *testing.T, text string) {
		cause, cure, ok := Explain(text)
		if ok != (cause != "") || ok != (cure != "") {
			t.Errorf("%q: %q, %q, %v", text, cause, cure, ok)
		}
	})
}
