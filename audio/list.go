package audio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jfreymuth/pulse/proto"
)

// Standing is a device as a server has it.
type Standing struct {
	Name     string   `json:"name"`
	Rate     int      `json:"rate"`
	Channels int      `json:"channels"`
	Speaker  *EndInfo `json:"speaker,omitempty"` // nil when it is missing
	MicFeed  *EndInfo `json:"mic_feed,omitempty"`
	Mic      *EndInfo `json:"mic,omitempty"`
	Proof    *Proof   `json:"proof,omitempty"`
}

// EndInfo is a sink or a source of a device.
type EndInfo struct {
	Name      string   `json:"name"`
	Muted     bool     `json:"muted"`
	Suspended bool     `json:"suspended"`
	FullLevel bool     `json:"full_volume"`
	Streams   []string `json:"streams"` // that play to it or capture from it, by their names
	Level     *Level   `json:"level,omitempty"`
}

// Whole tells if both ends are there and audible.
func (s Standing) Whole() bool {
	for _, e := range []*EndInfo{s.Speaker, s.MicFeed, s.Mic} {
		if e == nil || e.Muted || e.Suspended || !e.FullLevel {
			return false
		}
	}
	return true
}

// Device is the device as it was declared.
func (s Standing) Device() Device {
	return Device{Name: s.Name, Rate: s.Rate, Channels: s.Channels}
}

// List tells the devices that nullcard made on a server, by name.
func List(ctx context.Context, c *Conn) ([]Standing, error) {
	have, err := observe(ctx, c)
	if err != nil {
		return nil, err
	}
	users, err := streams(ctx, c)
	if err != nil {
		return nil, err
	}
	devices := map[string]*Standing{}
	for _, ends := range [][]end{have.sinks, have.sources} {
		for _, e := range ends {
			if e.tag == "" {
				continue
			}
			s := devices[e.tag]
			if s == nil {
				s = &Standing{Name: e.tag, Rate: int(e.spec.Rate), Channels: int(e.spec.Channels)}
				devices[e.tag] = s
			}
			info := &EndInfo{Name: e.name, Muted: e.muted, Suspended: e.suspended, FullLevel: !e.quiet, Streams: []string{}}
			for _, u := range users {
				if u.end == e.name {
					info.Streams = append(info.Streams, u.name)
				}
			}
			switch d := (Device{Name: e.tag}); e.name {
			case d.Speaker():
				s.Speaker = info
			case d.MicFeed():
				s.MicFeed = info
			case d.Mic():
				s.Mic = info
			}
		}
	}
	var list []Standing
	for _, s := range devices {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b Standing) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// stream is somebody who plays to a sink or captures from a source.
type stream struct {
	end  string
	name string
}

// streams are those of all clients but the meters of nullcard.
func streams(ctx context.Context, c *Conn) ([]stream, error) {
	var inputs proto.GetSinkInputInfoListReply
	var outputs proto.GetSourceOutputInfoListReply
	var sinks proto.GetSinkInfoListReply
	var sources proto.GetSourceInfoListReply
	var clients proto.GetClientInfoListReply
	for _, r := range []struct {
		req   proto.RequestArgs
		reply proto.Reply
	}{
		{&proto.GetSinkInputInfoList{}, &inputs},
		{&proto.GetSourceOutputInfoList{}, &outputs},
		{&proto.GetSinkInfoList{}, &sinks},
		{&proto.GetSourceInfoList{}, &sources},
		{&proto.GetClientInfoList{}, &clients},
	} {
		if err := c.Request(ctx, r.req, r.reply); err != nil {
			return nil, fmt.Errorf("cannot tell who uses the devices: %w", err)
		}
	}
	name := func(client uint32, media string) string {
		for _, c := range clients {
			if c.ClientIndex == client {
				return c.Application + ": " + media
			}
		}
		return media
	}
	var s []stream
	for _, i := range inputs {
		for _, k := range sinks {
			if k.SinkIndex == i.SinkIndex {
				s = append(s, stream{end: k.SinkName, name: name(i.ClientIndex, i.MediaName)})
			}
		}
	}
	for _, o := range outputs {
		for _, k := range sources {
			if k.SourceIndex == o.SourceIndex && o.MediaName != meterName {
				s = append(s, stream{end: k.SourceName, name: name(o.ClientIndex, o.MediaName)})
			}
		}
	}
	return s, nil
}

// Measure listens for one window to both ends of the devices that are whole,
// and notes their levels.
func Measure(ctx context.Context, c *Conn, list []Standing) error {
	var devices []Device
	for _, s := range list {
		if s.Whole() {
			devices = append(devices, s.Device())
		}
	}
	var levels []Level
	err := Watch(ctx, c, devices, func(l []Level) error {
		levels = l
		return errEnough
	})
	if err != errEnough {
		return err
	}
	for _, l := range levels {
		for _, s := range list {
			if s.Name != l.Device {
				continue
			}
			if l.End == EndSpeaker {
				s.Speaker.Level = &l
			} else {
				s.Mic.Level = &l
			}
		}
	}
	return nil
}

var errEnough = errors.New("enough")

// ProveIdle proves the devices of list that are whole and whose mic nobody
// uses, and notes the proofs.
func ProveIdle(ctx context.Context, c *Conn, list []Standing) error {
	var idle []Device
	for _, s := range list {
		if s.Whole() && len(s.Mic.Streams) == 0 && len(s.MicFeed.Streams) == 0 {
			idle = append(idle, s.Device())
		}
	}
	proofs, err := Prove(ctx, c, idle)
	for _, p := range proofs {
		for i := range list {
			if list[i].Name == p.Device {
				list[i].Proof = &p
			}
		}
	}
	return err
}
