package audio

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ClientEnv is the environment, as "KEY=value", with which a program finds the
// device of that name on our own server and nothing else, by libpulse or by
// ALSA. It counts on WriteClientFiles.
func ClientEnv(runtimeDir, device string) []string {
	return append(ExternalEnv("unix:"+Socket(runtimeDir), runtimeDir, device),
		"PULSE_COOKIE="+filepath.Join(runtimeDir, "cookie"))
}

// ExternalEnv is ClientEnv for a server that is not ours, named as in
// PULSE_SERVER, which may want the user's own cookie.
func ExternalEnv(server, runtimeDir, device string) []string {
	d := Device{Name: device}
	return []string{
		"PULSE_SERVER=" + server,
		"PULSE_SINK=" + d.Speaker(),
		"PULSE_SOURCE=" + d.Mic(),
		"PULSE_CLIENTCONFIG=" + filepath.Join(runtimeDir, "client.conf"),
		"ALSA_CONFIG_PATH=" + filepath.Join(runtimeDir, "alsa.conf"),
	}
}

// WriteClientFiles writes the files that ClientEnv names: client.conf keeps
// libpulse from starting a server of its own, alsa.conf gives ALSA one PCM and
// one control, both called default, so that a list of devices shows one and a
// program needs no arguments. The cookie opens nothing (the server goes by the
// directory of its socket); without one libpulse complains at each connection
// and tries to make one in HOME.
func WriteClientFiles(runtimeDir string) error {
	files := map[string]string{
		"client.conf": "autospawn = no\nauto-connect-localhost = no\nauto-connect-display = no\nenable-shm = yes\n",
		"alsa.conf":   alsaConfig,
		"cookie":      strings.Repeat("\x00", cookieBytes),
	}
	for name, text := range files {
		if err := replace(filepath.Join(runtimeDir, name), text); err != nil {
			return fmt.Errorf("cannot write the configuration of sound clients: %w", err)
		}
	}
	return nil
}

// alsaConfig stands in for the whole of ALSA's own configuration, in which
// dozens of PCMs point to cards that are not there. Only PCMs with a hint are
// listed by snd_device_name_hint, which pjsua and `aplay -L` use.
const alsaConfig = `# Made by nullcard: one device, which is PulseAudio's.
pcm.!default {
	type pulse
	hint {
		show on
		description "nullcard virtual device"
	}
}
ctl.!default {
	type pulse
}
`

// replace writes a file so that a reader sees all of it or none.
func replace(name, text string) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	_, err = strings.NewReader(text).WriteTo(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
