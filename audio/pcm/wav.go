package pcm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// WAV format tags (mmreg.h).
const (
	tagPCM        = 0x0001
	tagFloat      = 0x0003
	tagALaw       = 0x0006
	tagMuLaw      = 0x0007
	tagExtensible = 0xFFFE
)

// Unknown is the data length of a WAV stream whose writer did not know it:
// the data goes on until the input ends.
const Unknown = math.MaxUint32

// maxHeader bounds what is skipped in search of the data, so that a file that
// is no WAV fails soon.
const maxHeader = 16 << 20

// ErrNotWAV means that the input does not start as a WAV file does.
var ErrNotWAV = errors.New("not a WAV file (no RIFF/WAVE at its start); for raw samples say --raw --rate HZ --channels N")

// ReadWAV reads r up to the samples, and returns their format and length in
// bytes, which is Unknown for a stream. It takes 8, 16, 24 and 32 bit PCM,
// 32 bit float, A-law and µ-law.
func ReadWAV(r io.Reader) (Format, int64, error) {
	var riff [12]byte
	if _, err := io.ReadFull(r, riff[:]); err != nil {
		if err == io.EOF {
			return Format{}, 0, errors.New("the input is empty")
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return Format{}, 0, ErrNotWAV
		}
		return Format{}, 0, err
	}
	if string(riff[0:4]) != "RIFF" && string(riff[0:4]) != "RF64" || string(riff[8:12]) != "WAVE" {
		return Format{}, 0, ErrNotWAV
	}
	var f Format
	known := false
	for skipped := int64(0); ; {
		var chunk [8]byte
		if _, err := io.ReadFull(r, chunk[:]); err != nil {
			return Format{}, 0, broken(err, "it has no data chunk")
		}
		size := int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch string(chunk[:4]) {
		case "fmt ":
			if size < 16 || size > 4096 {
				return Format{}, 0, fmt.Errorf("broken WAV file: a format chunk of %d bytes", size)
			}
			b := make([]byte, size+size&1)
			if _, err := io.ReadFull(r, b); err != nil {
				return Format{}, 0, broken(err, "it ends within its format chunk")
			}
			var err error
			if f, err = parseFormat(b[:size]); err != nil {
				return Format{}, 0, err
			}
			known = true
		case "data":
			if !known {
				return Format{}, 0, errors.New("broken WAV file: its samples come before their format")
			}
			// To a pipe, ffmpeg writes all ones, espeak-ng and sox a little less
			// than 2 GiB, others 0.
			if size == 0 || size >= 0x7FFF0000 || string(riff[0:4]) == "RF64" {
				return f, Unknown, nil
			}
			return f, size, nil
		default:
			size += size & 1
			if skipped += 8 + size; skipped > maxHeader {
				return Format{}, 0, errors.New("broken WAV file: no samples in its first 16 MiB")
			}
			if _, err := io.CopyN(io.Discard, r, size); err != nil {
				return Format{}, 0, broken(err, fmt.Sprintf("it ends within its %q chunk", chunk[:4]))
			}
		}
	}
}

func broken(err error, what string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("broken WAV file: " + what)
	}
	return err
}

func parseFormat(b []byte) (Format, error) {
	tag := binary.LittleEndian.Uint16(b)
	f := Format{
		Channels: int(binary.LittleEndian.Uint16(b[2:])),
		Rate:     int(binary.LittleEndian.Uint32(b[4:])),
	}
	align := int(binary.LittleEndian.Uint16(b[12:]))
	bits := int(binary.LittleEndian.Uint16(b[14:]))
	if tag == tagExtensible {
		// The sub-format GUID starts with the plain tag.
		if len(b) < 26 {
			return Format{}, errors.New("broken WAV file: its extended format is cut short")
		}
		tag = binary.LittleEndian.Uint16(b[24:])
	}
	switch {
	case tag == tagPCM && bits == 8:
		f.Encoding = U8
	case tag == tagPCM && bits == 16:
		f.Encoding = S16
	case tag == tagPCM && bits == 24:
		f.Encoding = S24
	case tag == tagPCM && bits == 32:
		f.Encoding = S32
	case tag == tagFloat && bits == 32:
		f.Encoding = F32
	case tag == tagALaw && bits == 8:
		f.Encoding = ALaw
	case tag == tagMuLaw && bits == 8:
		f.Encoding = MuLaw
	default:
		return Format{}, fmt.Errorf("unsupported WAV format (tag %#x, %d bit); convert it with `sox IN.wav -b 16 -e signed OUT.wav`", tag, bits)
	}
	if err := f.Check(); err != nil {
		return Format{}, fmt.Errorf("broken WAV file: %w", err)
	}
	if align != f.FrameBytes() {
		return Format{}, fmt.Errorf("broken WAV file: frames of %d bytes, not %d", align, f.FrameBytes())
	}
	return f, nil
}

// WAVHeaderBytes is the length of what WAVHeader makes.
const WAVHeaderBytes = 44

// WAVHeader is the header before n bytes of samples; n is Unknown for a stream
// whose end is not known. Only S16, U8, S24, S32 and F32 have one this short.
func WAVHeader(f Format, n int64) []byte {
	tag := uint16(tagPCM)
	if f.Encoding == F32 {
		tag = tagFloat
	}
	data, riff := uint32(math.MaxUint32), uint32(math.MaxUint32)
	if n < math.MaxUint32-WAVHeaderBytes {
		data, riff = uint32(n), uint32(n+n&1+WAVHeaderBytes-8)
	}
	var b bytes.Buffer
	b.WriteString("RIFF")
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a bytes.Buffer takes all
	put(riff)
	b.WriteString("WAVEfmt ")
	put(uint32(16))
	put(tag)
	put(uint16(f.Channels))
	put(uint32(f.Rate))
	put(uint32(f.Rate * f.FrameBytes()))
	put(uint16(f.FrameBytes()))
	put(uint16(8 * f.Encoding.Bytes()))
	b.WriteString("data")
	put(data)
	return b.Bytes()
}
