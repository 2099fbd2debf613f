package config

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Defaults of the figures that a Config leaves out.
const (
	DefaultRate       = 16000 // Hz: wideband speech, what speech recognisers take
	DefaultStopBudget = 8 * time.Second
	// DefaultOneWay is longer than anybody listens to a greeting without a word.
	DefaultOneWay = 10 * time.Second
	// DefaultActivity is in dBFS, well above the noise of a telephone line and
	// well below speech, whose peaks are at about -20.
	DefaultActivity = -45

	firstLocalPort = 5060 // RFC 3261, section 19.1.2
	firstRTPPort   = 4000 // pjsua's own default
	portStep       = 20   // room for RTP and RTCP of several calls
)

func (c *Config) setDefaults() {
	setDefault(&c.Audio.Backend, BackendPulse)
	setDefault(&c.Audio.OnFailure, OnFailureRestart)
	setDefault(&c.Audio.Rate, DefaultRate)
	setDefault(&c.Audio.OneWay, Duration(DefaultOneWay))
	setDefault(&c.Audio.Clipping, 3)
	setDefault(&c.Audio.Activity, DefaultActivity)
	setDefault(&c.Log.Format, "text")
	setDefault(&c.StopBudget, Duration(DefaultStopBudget))
	setDefault(&c.RuntimeDir, DefaultRuntimeDir)
	if len(c.Devices) == 0 {
		c.Devices = []Device{{Name: "virtual"}}
	}
	for i := range c.Devices {
		setDefault(&c.Devices[i].Rate, c.Audio.Rate)
		setDefault(&c.Devices[i].Channels, 1)
		setDefault(&c.Devices[i].Format, "s16le")
	}
	c.setCallerDefaults()
	for i := range c.Apps {
		a := &c.Apps[i]
		setDefault(&a.Device, c.Devices[0].Name)
		a.Restart.setDefaults()
	}
	if len(c.Callers)+len(c.Apps) == 1 {
		for i := range c.Callers {
			c.Callers[i].Critical = true
		}
		for i := range c.Apps {
			c.Apps[i].Critical = true
		}
	}
}

// setCallerDefaults gives each caller a device, and ports that no other has.
func (c *Config) setCallerDefaults() {
	local, rtp := map[int]bool{}, map[int]bool{}
	for _, r := range c.Callers {
		local[r.LocalPort], rtp[r.RTPPort] = true, true
	}
	for i := range c.Callers {
		r := &c.Callers[i]
		setDefault(&r.Device, c.Devices[0].Name)
		if r.LocalPort == 0 {
			r.LocalPort = free(local, firstLocalPort)
		}
		if r.RTPPort == 0 {
			r.RTPPort = free(rtp, firstRTPPort)
		}
		if r.SIP.Username != "" {
			setDefault(&r.SIP.Realm, "*")
		}
		r.Restart.setDefaults()
	}
}

// free is the next port that no caller has and no other program uses.
func free(taken map[int]bool, port int) int {
	for taken[port] || inUse(port) {
		port += portStep
	}
	taken[port] = true
	return port
}

// inUse tells whether a program here has a UDP port, or TCP's of that number.
func inUse(port int) bool {
	addr := fmt.Sprintf(":%d", port)
	u, err := net.ListenPacket("udp", addr)
	if err != nil {
		return errors.Is(err, syscall.EADDRINUSE)
	}
	u.Close()
	t, err := net.Listen("tcp", addr)
	if err != nil {
		return errors.Is(err, syscall.EADDRINUSE)
	}
	t.Close()
	return false
}

func (r *Restart) setDefaults() {
	setDefault(&r.Policy, "always")
	setDefault(&r.Backoff.Initial, Duration(500*time.Millisecond))
	setDefault(&r.Backoff.Max, Duration(30*time.Second))
	setDefault(&r.Storm.Failures, 10)
	setDefault(&r.Storm.Window, Duration(time.Minute))
}

func setDefault[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}
