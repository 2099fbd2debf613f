package audio

import (
	"fmt"
	"regexp"

	"github.com/nullcard/nullcard/audio/pcm"
	"github.com/nullcard/nullcard/config"
)

// DefaultRate is the sample rate of a device that names none: wideband
// telephony.
const DefaultRate = 16000

// The ends of a device.
const (
	EndSpeaker = "speaker"
	EndMic     = "mic"
)

// Device is a named pair of virtual ends: a speaker, which an app plays to, and
// a mic, which it captures from and which is fed through a sink of its own.
type Device struct {
	Name     string
	Rate     int          // Hz; 0 means DefaultRate
	Channels int          // 0 means 1
	Encoding pcm.Encoding // of the samples; the zero value is S16
}

// Devices are those that cfg declares. Its defaults must be filled in.
func Devices(cfg *config.Config) ([]Device, error) {
	var devices []Device
	for _, d := range cfg.Devices {
		encoding, err := pcm.ParseEncoding(d.Format)
		if err != nil {
			return nil, fmt.Errorf("device %s: %w", d.Name, err)
		}
		devices = append(devices, Device{Name: d.Name, Rate: d.Rate, Channels: d.Channels, Encoding: encoding})
	}
	return devices, nil
}

// Speaker is the name of the sink that an app plays to.
func (d Device) Speaker() string { return d.Name + "_speaker" }

// SpeakerMonitor is the name of the source that carries what an app played.
func (d Device) SpeakerMonitor() string { return d.Speaker() + ".monitor" }

// MicFeed is the name of the sink whose sound comes out of the mic.
func (d Device) MicFeed() string { return d.Name + "_mic_feed" }

// Mic is the name of the source that an app captures from.
func (d Device) Mic() string { return d.Name + "_mic" }

// Format is that of both ends.
func (d Device) Format() pcm.Format {
	f := pcm.Format{Encoding: d.Encoding, Rate: d.Rate, Channels: d.Channels}
	if f.Rate == 0 {
		f.Rate = DefaultRate
	}
	if f.Channels == 0 {
		f.Channels = 1
	}
	return f
}

// deviceName keeps names safe in PulseAudio's module arguments and in ALSA's
// configuration.
var deviceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// Check tells why the device can't be made.
func (d Device) Check() error {
	if !deviceName.MatchString(d.Name) {
		return fmt.Errorf("device name %q must be up to 64 letters, digits, - and _, and start with a letter or digit", d.Name)
	}
	if err := d.Format().Check(); err != nil {
		return fmt.Errorf("device %s: %w", d.Name, err)
	}
	return nil
}
