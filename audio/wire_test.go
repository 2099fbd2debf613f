package audio

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/jfreymuth/pulse/proto"
)

// FuzzReplies feeds a reply's body to each type of reply that we ask for.
func FuzzReplies(f *testing.F) {
	for _, msg := range replies() {
		v := reflect.ValueOf(msg)
		if v.Elem().Kind() == reflect.Slice {
			v = reflect.New(v.Elem().Type().Elem().Elem())
		}
		if b, err := encode(nil, v.Interface(), protocolVersion); err == nil {
			f.Add(b, protocolVersion)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, version int) {
		for _, msg := range replies() {
			d := &decoder{b: b, version: version}
			d.value(msg)
			if d.err != nil && !errors.Is(d.err, errRubbish) {
				t.Errorf("%T: %v", msg, d.err)
			}
		}
	})
}

func replies() []any {
	return []any{
		&proto.AuthReply{}, &proto.SetClientNameReply{}, &proto.GetServerInfoReply{},
		&proto.GetSinkInfoReply{}, &proto.GetSinkInfoListReply{}, &proto.GetSourceInfoListReply{},
		&proto.GetModuleInfoListReply{}, &proto.GetClientInfoListReply{},
		&proto.GetSinkInputInfoListReply{}, &proto.GetSourceOutputInfoListReply{},
		&proto.LoadModuleReply{}, &proto.CreatePlaybackStreamReply{}, &proto.CreateRecordStreamReply{},
		&proto.GetPlaybackLatencyReply{}, &proto.GetRecordLatencyReply{},
	}
}

// TestCodecRoundTrip sends each field type there and back.
func TestCodecRoundTrip(t *testing.T) {
	in := proto.CreatePlaybackStreamReply{
		StreamIndex: 1, SinkInputIndex: 2, Missing: 3, BufferMaxLength: 4,
		SampleSpec: proto.SampleSpec{Format: 3, Channels: 2, Rate: 48000},
		ChannelMap: []byte{1, 2}, SinkName: "sink", SinkSuspended: true, SinkLatency: 12345,
		FormatInfo: proto.FormatInfo{Encoding: 1, Properties: proto.PropList{"a.b": proto.PropListString("c")}},
	}
	b, err := encode(nil, &in, protocolVersion)
	if err != nil {
		t.Fatal(err)
	}
	var out proto.CreatePlaybackStreamReply
	d := &decoder{b: b, version: protocolVersion}
	if d.value(&out); d.err != nil || len(d.b) != 0 {
		t.Fatalf("%v, %d bytes left", d.err, len(d.b))
	}
	if out.SampleSpec != in.SampleSpec || out.SinkName != in.SinkName || !out.SinkSuspended || out.SinkLatency != 12345 ||
		!bytes.Equal(out.ChannelMap, in.ChannelMap) || out.Properties["a.b"].String() != "c" {
		t.Errorf("%+v became %+v", in, out)
	}
	// Cut anywhere, it is an error and nothing worse.
	for n := range b {
		d := &decoder{b: b[:n], version: protocolVersion}
		if d.value(&out); d.err == nil {
			t.Errorf("%d of %d bytes pass", n, len(b))
		}
	}
}
