package audio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/jfreymuth/pulse/proto"
)

// The tagstruct codec of PulseAudio's native protocol, over the message types
// of package proto. That package's own reader trusts the server with lengths
// and types, its writer panics beyond 1 KiB; both run on goroutines on which a
// panic can't be caught. Hence this one, which returns errors only.

var errRubbish = errors.New("the sound server sent something that is not PulseAudio's protocol")

// encode appends the fields of msg, a pointer to a struct of package proto.
func encode(b []byte, msg any, version int) ([]byte, error) {
	v := reflect.ValueOf(msg).Elem()
	for i := range v.NumField() {
		if !inVersion(v.Type().Field(i).Tag, version) {
			continue
		}
		var err error
		if b, err = encodeField(b, v.Field(i).Interface()); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// inVersion tells if a field is part of the protocol's version; package proto
// tags a field with its first version.
func inVersion(tag reflect.StructTag, version int) bool {
	s := string(tag)
	if s == "" {
		return true
	}
	if s[0] == '<' {
		until, err := strconv.Atoi(s[1:])
		return err != nil || version < until
	}
	since, err := strconv.Atoi(s)
	return err != nil || version >= since
}

func encodeField(b []byte, field any) ([]byte, error) {
	be := binary.BigEndian
	switch f := field.(type) {
	case string:
		if f == "" {
			return append(b, 'N'), nil
		}
		return appendString(append(b, 't'), f)
	case uint32:
		return be.AppendUint32(append(b, 'L'), f), nil
	case proto.Version:
		return be.AppendUint32(append(b, 'L'), uint32(f)), nil
	case proto.SubscriptionMask:
		return be.AppendUint32(append(b, 'L'), uint32(f)), nil
	case uint8:
		return append(b, 'B', f), nil
	case uint64:
		return be.AppendUint64(append(b, 'R'), f), nil
	case int64:
		return be.AppendUint64(append(b, 'r'), uint64(f)), nil
	case proto.SampleSpec:
		return be.AppendUint32(append(b, 'a', f.Format, f.Channels), f.Rate), nil
	case []byte:
		return append(be.AppendUint32(append(b, 'x'), uint32(len(f))), f...), nil
	case bool:
		if f {
			return append(b, '1'), nil
		}
		return append(b, '0'), nil
	case proto.Time:
		return be.AppendUint32(be.AppendUint32(append(b, 'T'), f.Seconds), f.Microseconds), nil
	case proto.Microseconds:
		return be.AppendUint64(append(b, 'U'), uint64(f)), nil
	case proto.ChannelMap:
		if len(f) > 255 {
			return nil, errors.New("more than 255 channels")
		}
		return append(append(b, 'm', byte(len(f))), f...), nil
	case proto.ChannelVolumes:
		if len(f) > 255 {
			return nil, errors.New("more than 255 channels")
		}
		b = append(b, 'v', byte(len(f)))
		for _, v := range f {
			b = be.AppendUint32(b, uint32(v))
		}
		return b, nil
	case proto.Volume:
		return be.AppendUint32(append(b, 'V'), uint32(f)), nil
	case proto.PropList:
		b = append(b, 'P')
		for k, v := range f {
			var err error
			if b, err = appendString(append(b, 't'), k); err != nil {
				return nil, err
			}
			b = be.AppendUint32(append(b, 'L'), uint32(len(v)))
			b = append(be.AppendUint32(append(b, 'x'), uint32(len(v))), v...)
		}
		return append(b, 'N'), nil
	case proto.FormatInfo:
		return encodeField(append(b, 'f', 'B', f.Encoding), f.Properties)
	case []proto.FormatInfo:
		if len(f) > 255 {
			return nil, errors.New("more than 255 formats")
		}
		b = append(b, 'B', byte(len(f)))
		for _, info := range f {
			var err error
			if b, err = encodeField(b, info); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	return nil, fmt.Errorf("a field of type %T can't be sent", field)
}

func appendString(b []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if s[i] == 0 {
			return nil, fmt.Errorf("%q holds a zero byte", s)
		}
	}
	return append(append(b, s...), 0), nil
}

// decoder reads a tagstruct. After the first error it returns zero values.
type decoder struct {
	b       []byte
	err     error
	version int
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", errRubbish, fmt.Sprintf(format, args...))
	}
	d.b = nil
}

func (d *decoder) bytes(n int) []byte {
	if d.err != nil || n > len(d.b) {
		d.fail("a message is %d bytes short", n-len(d.b))
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) u8() byte {
	if b := d.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) tag(want byte) {
	if got := d.u8(); d.err == nil && got != want {
		d.fail("a field of type %q where %q belongs", got, want)
	}
}

func (d *decoder) taggedU32() uint32 {
	d.tag('L')
	return d.u32()
}

func (d *decoder) string() string {
	for i, c := range d.b {
		if c == 0 {
			s := string(d.b[:i])
			d.b = d.b[i+1:]
			return s
		}
	}
	d.fail("a string without end")
	return ""
}

func (d *decoder) blob() []byte {
	n := d.u32()
	if int64(n) > int64(len(d.b)) {
		d.fail("%d bytes announced, %d there", n, len(d.b))
		return nil
	}
	return append([]byte(nil), d.bytes(int(n))...)
}

func (d *decoder) propList() proto.PropList {
	p := proto.PropList{}
	for d.err == nil {
		switch t := d.u8(); t {
		case 'N':
			return p
		case 't':
			key := d.string()
			n := d.taggedU32()
			d.tag('x')
			value := d.blob()
			if d.err == nil && len(value) != int(n) {
				d.fail("a property of two lengths")
			}
			p[key] = value
		default:
			d.fail("a property of type %q", t)
		}
	}
	return p
}

func (d *decoder) formatInfo() proto.FormatInfo {
	var f proto.FormatInfo
	d.tag('B')
	f.Encoding = d.u8()
	d.tag('P')
	f.Properties = d.propList()
	return f
}

// value fills msg, a pointer to a struct, or to a slice of pointers to structs
// that goes on to the end of the message.
func (d *decoder) value(msg any) {
	v := reflect.ValueOf(msg).Elem()
	if v.Kind() == reflect.Slice {
		for len(d.b) > 0 && d.err == nil {
			item := reflect.New(v.Type().Elem().Elem())
			d.structure(item.Elem())
			v.Set(reflect.Append(v, item))
		}
		return
	}
	d.structure(v)
}

func (d *decoder) structure(v reflect.Value) {
	for i := range v.NumField() {
		if d.err != nil {
			return
		}
		if inVersion(v.Type().Field(i).Tag, d.version) {
			d.field(v.Field(i))
		}
	}
}

func (d *decoder) field(v reflect.Value) {
	switch f := v.Addr().Interface().(type) {
	case *string:
		switch t := d.u8(); t {
		case 't':
			*f = d.string()
		case 'N':
			*f = ""
		default:
			d.fail("a field of type %q where a string belongs", t)
		}
	case *uint32:
		*f = d.taggedVolumeOrU32()
	case *proto.Version:
		*f = proto.Version(d.taggedU32())
	case *proto.SubscriptionEventType:
		*f = proto.SubscriptionEventType(d.taggedU32())
	case *uint8:
		d.tag('B')
		*f = d.u8()
	case *uint64:
		d.tag('R')
		*f = d.u64()
	case *int64:
		d.tag('r')
		*f = int64(d.u64())
	case *bool:
		switch t := d.u8(); t {
		case '1', '0':
			*f = t == '1'
		default:
			d.fail("a field of type %q where a boolean belongs", t)
		}
	case *[]byte:
		switch t := d.u8(); t {
		case 'x':
			*f = d.blob()
		case 'm':
			*f = append([]byte(nil), d.bytes(int(d.u8()))...)
		default:
			d.fail("a field of type %q where bytes belong", t)
		}
	case *proto.ChannelMap:
		d.tag('m')
		*f = append(proto.ChannelMap(nil), d.bytes(int(d.u8()))...)
	case *proto.ChannelVolumes:
		d.tag('v')
		n := int(d.u8())
		for range n {
			*f = append(*f, proto.Volume(d.u32()))
		}
	case *proto.Volume:
		d.tag('V')
		*f = proto.Volume(d.u32())
	case *proto.SampleSpec:
		d.tag('a')
		*f = proto.SampleSpec{Format: d.u8(), Channels: d.u8(), Rate: d.u32()}
	case *proto.Time:
		d.tag('T')
		*f = proto.Time{Seconds: d.u32(), Microseconds: d.u32()}
	case *proto.Microseconds:
		d.tag('U')
		*f = proto.Microseconds(d.u64())
	case *proto.PropList:
		d.tag('P')
		*f = d.propList()
	case *proto.FormatInfo:
		d.tag('f')
		*f = d.formatInfo()
	case *[]proto.FormatInfo:
		d.tag('B')
		for range int(d.u8()) {
			d.tag('f')
			*f = append(*f, d.formatInfo())
		}
	default:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct {
			n := d.taggedU32()
			for range n {
				if d.err != nil {
					return
				}
				item := reflect.New(v.Type().Elem()).Elem()
				d.structure(item)
				v.Set(reflect.Append(v, item))
			}
			return
		}
		d.fail("a field of Go type %s is unknown", v.Type())
	}
}

// taggedVolumeOrU32 takes both tags under which PulseAudio sends 32 bits.
func (d *decoder) taggedVolumeOrU32() uint32 {
	switch t := d.u8(); t {
	case 'L', 'V':
		return d.u32()
	default:
		d.fail("a field of type %q where a number belongs", t)
		return 0
	}
}
