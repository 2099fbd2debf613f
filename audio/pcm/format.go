// Package pcm knows raw sound: its formats, its levels, its WAV container and
// the chirp by which a path for sound is proven.
package pcm

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Encoding is how one sample is written.
type Encoding uint8

// The encodings that PulseAudio takes as they are, all little-endian.
const (
	S16   Encoding = iota // signed 16 bit; the zero value, as in telephony
	U8                    // unsigned 8 bit
	S24                   // signed 24 bit in 3 bytes
	S32                   // signed 32 bit
	F32                   // IEEE 754 single, full scale ±1
	ALaw                  // G.711 A-law
	MuLaw                 // G.711 µ-law
)

var encodings = [...]struct {
	name  string
	bytes int
}{
	S16: {"s16le", 2}, U8: {"u8", 1}, S24: {"s24le", 3}, S32: {"s32le", 4}, F32: {"float32le", 4},
	ALaw: {"alaw", 1}, MuLaw: {"ulaw", 1},
}

// String is PulseAudio's name of the encoding.
func (e Encoding) String() string {
	if int(e) >= len(encodings) {
		return fmt.Sprintf("encoding %d", uint8(e))
	}
	return encodings[e].name
}

// Bytes is the size of one sample.
func (e Encoding) Bytes() int { return encodings[e].bytes }

// ParseEncoding finds an encoding by PulseAudio's name for it.
func ParseEncoding(name string) (Encoding, error) {
	for e, v := range encodings {
		if v.name == name {
			return Encoding(e), nil
		}
	}
	return 0, fmt.Errorf("unknown sample format %q (want s16le, u8, s24le, s32le, float32le, alaw or ulaw)", name)
}

// Limits of PulseAudio (PA_RATE_MAX, PA_CHANNELS_MAX in pulse/sample.h).
const (
	MaxRate     = 48000 * 16
	MaxChannels = 32
)

// Format is how a stream of samples is written: frames of Channels samples,
// Rate frames a second.
type Format struct {
	Encoding Encoding
	Rate     int
	Channels int
}

func (f Format) String() string {
	return fmt.Sprintf("%s %d Hz %d ch", f.Encoding, f.Rate, f.Channels)
}

// Check tells why PulseAudio would not take the format.
func (f Format) Check() error {
	switch {
	case int(f.Encoding) >= len(encodings):
		return fmt.Errorf("unknown sample format %d", uint8(f.Encoding))
	case f.Rate < 1 || f.Rate > MaxRate:
		return fmt.Errorf("sample rate %d Hz is not between 1 and %d", f.Rate, MaxRate)
	case f.Channels < 1 || f.Channels > MaxChannels:
		return fmt.Errorf("%d channels are not between 1 and %d", f.Channels, MaxChannels)
	}
	return nil
}

// FrameBytes is the size of one frame.
func (f Format) FrameBytes() int { return f.Encoding.Bytes() * f.Channels }

// Bytes is the size of d, in whole frames, rounded to the nearest.
func (f Format) Bytes(d time.Duration) int { return f.Frames(d) * f.FrameBytes() }

// Frames is the number of frames in d, rounded to the nearest.
func (f Format) Frames(d time.Duration) int {
	return int(math.Round(d.Seconds() * float64(f.Rate)))
}

// Duration is how long n bytes sound.
func (f Format) Duration(n int64) time.Duration {
	frames := n / int64(f.FrameBytes())
	rate := int64(f.Rate)
	return time.Duration(frames/rate)*time.Second + time.Duration(frames%rate)*time.Second/time.Duration(rate)
}

// Decode appends the samples of b to dst, full scale ±1, and returns it.
// Bytes after the last whole sample are ignored.
func (e Encoding) Decode(dst []float64, b []byte) []float64 {
	switch e {
	case S16:
		for ; len(b) >= 2; b = b[2:] {
			dst = append(dst, float64(int16(binary.LittleEndian.Uint16(b)))/(1<<15))
		}
	case U8:
		for _, v := range b {
			dst = append(dst, (float64(v)-128)/128)
		}
	case S24:
		for ; len(b) >= 3; b = b[3:] {
			v := int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24) >> 8
			dst = append(dst, float64(v)/(1<<23))
		}
	case S32:
		for ; len(b) >= 4; b = b[4:] {
			dst = append(dst, float64(int32(binary.LittleEndian.Uint32(b)))/(1<<31))
		}
	case F32:
		for ; len(b) >= 4; b = b[4:] {
			dst = append(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
		}
	case ALaw:
		for _, v := range b {
			dst = append(dst, float64(decodeALaw(v))/(1<<15))
		}
	case MuLaw:
		for _, v := range b {
			dst = append(dst, float64(decodeMuLaw(v))/(1<<15))
		}
	}
	return dst
}

// EncodeS16 appends samples, full scale ±1, as s16le, clipped, and returns dst.
func EncodeS16(dst []byte, samples []float64) []byte {
	for _, v := range samples {
		n := math.Round(v * (1 << 15))
		dst = binary.LittleEndian.AppendUint16(dst, uint16(int16(min(max(n, math.MinInt16), math.MaxInt16))))
	}
	return dst
}

// decodeALaw and decodeMuLaw expand one byte of G.711 to 16 bits.
func decodeALaw(v byte) int16 {
	v ^= 0x55
	exp, mant := v>>4&7, int16(v&15)
	n := mant<<4 + 8
	if exp > 0 {
		n = (n + 0x100) << (exp - 1)
	}
	if v&0x80 == 0 {
		return -n
	}
	return n
}

func decodeMuLaw(v byte) int16 {
	v = ^v
	n := (int16(v&15)<<3+0x84)<<(v>>4&7) - 0x84
	if v&0x80 != 0 {
		return -n
	}
	return n
}
