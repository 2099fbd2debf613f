package pcm

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestFormatMeasures(t *testing.T) {
	f := Format{Encoding: S24, Rate: 44100, Channels: 2}
	if got := f.FrameBytes(); got != 6 {
		t.Errorf("a frame has %d bytes, want 6", got)
	}
	if got := f.Bytes(time.Second); got != 6*44100 {
		t.Errorf("a second has %d bytes, want %d", got, 6*44100)
	}
	if got := f.Duration(6 * 44100 * 3600); got != time.Hour {
		t.Errorf("an hour of bytes lasts %v", got)
	}
	// Whole frames only, also when the time is not.
	if got := f.Bytes(333 * time.Microsecond); got%6 != 0 {
		t.Errorf("%d bytes are not whole frames", got)
	}
}

func TestFormatCheck(t *testing.T) {
	for _, tt := range []struct {
		f  Format
		ok bool
	}{
		{Format{S16, 16000, 1}, true},
		{Format{F32, MaxRate, MaxChannels}, true},
		{Format{S16, 0, 1}, false},
		{Format{S16, MaxRate + 1, 1}, false},
		{Format{S16, 8000, 0}, false},
		{Format{S16, 8000, MaxChannels + 1}, false},
		{Format{Encoding(99), 8000, 1}, false},
	} {
		if err := tt.f.Check(); (err == nil) != tt.ok {
			t.Errorf("Check of %v: %v", tt.f, err)
		}
	}
}

func TestDecode(t *testing.T) {
	f32 := binary.LittleEndian.AppendUint32(nil, math.Float32bits(-0.25))
	for _, tt := range []struct {
		e    Encoding
		in   []byte
		want []float64
	}{
		{S16, []byte{0, 0x80, 0xFF, 0x7F, 0, 0x40, 9}, []float64{-1, 32767.0 / 32768, 0.5}},
		{U8, []byte{0, 128, 192}, []float64{-1, 0, 0.5}},
		{S24, []byte{0, 0, 0x80, 0, 0, 0x40}, []float64{-1, 0.5}},
		{S32, []byte{0, 0, 0, 0x80, 0, 0, 0, 0xC0}, []float64{-1, -0.5}},
		{F32, f32, []float64{-0.25}},
		// ITU-T G.711, tables 1a and 2a: the extremes and the value next to 0.
		{ALaw, []byte{0xAA, 0x2A, 0xD5, 0x55}, []float64{32256.0 / 32768, -32256.0 / 32768, 8.0 / 32768, -8.0 / 32768}},
		{MuLaw, []byte{0x80, 0x00, 0xFF, 0x7F}, []float64{32124.0 / 32768, -32124.0 / 32768, 0, 0}},
	} {
		got := tt.e.Decode(nil, tt.in)
		if len(got) != len(tt.want) {
			t.Errorf("%v: %d samples, want %d", tt.e, len(got), len(tt.want))
			continue
		}
		for i := range got {
			if math.Abs(got[i]-tt.want[i]) > 1e-9 {
				t.Errorf("%v sample %d is %v, want %v", tt.e, i, got[i], tt.want[i])
			}
		}
	}
}

func TestEncodeS16Clips(t *testing.T) {
	got := S16.Decode(nil, EncodeS16(nil, []float64{2, -2, 0.5, 0}))
	for i, want := range []float64{32767.0 / 32768, -1, 0.5, 0} {
		if got[i] != want {
			t.Errorf("sample %d is %v, want %v", i, got[i], want)
		}
	}
}

func TestParseEncoding(t *testing.T) {
	for e := range encodings {
		if got, err := ParseEncoding(Encoding(e).String()); err != nil || got != Encoding(e) {
			t.Errorf("%v: %v, %v", Encoding(e), got, err)
		}
	}
	if _, err := ParseEncoding("s12"); err == nil {
		t.Error("s12 is taken")
	}
}

func TestMeter(t *testing.T) {
	var m Meter
	if m.Peak() != Floor || m.RMS() != Floor {
		t.Errorf("nothing is %v and %v dB", m.Peak(), m.RMS())
	}
	_, _ = m.Write(EncodeS16(nil, Tone(0, 16000, 16000, 1000, 0.5)))
	if got := m.Peak(); math.Abs(got+6.02) > 0.05 {
		t.Errorf("peak %.2f dBFS, want -6.02", got)
	}
	if got := m.RMS(); math.Abs(got+9.03) > 0.05 {
		t.Errorf("RMS %.2f dBFS, want -9.03", got)
	}
	var silent Meter
	_, _ = silent.Write(make([]byte, 1000))
	if silent.Peak() != Floor || silent.RMS() != Floor {
		t.Errorf("silence is %v and %v dB", silent.Peak(), silent.RMS())
	}
}

func TestToneGoesOnWhereItStopped(t *testing.T) {
	whole := Tone(0, 1000, 16000, 440, 1)
	halves := append(Tone(0, 300, 16000, 440, 1), Tone(300, 700, 16000, 440, 1)...)
	for i := range whole {
		if whole[i] != halves[i] {
			t.Fatalf("sample %d is %v in one piece and %v in two", i, whole[i], halves[i])
		}
	}
}

func TestFindChirp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := func(n int, amplitude float64) []float64 {
		s := make([]float64, n)
		for i := range s {
			s[i] = amplitude * rng.NormFloat64()
		}
		return s
	}
	for _, rate := range []int{8000, 16000, 48000} {
		chirp := Chirp(rate, 20*time.Millisecond, 0.25)
		at := func(gain float64, signal []float64) []float64 {
			for i, v := range chirp {
				signal[123+i] += gain * v
			}
			return signal
		}
		for _, tt := range []struct {
			name   string
			signal []float64
			found  bool
			gain   float64
		}{
			{"alone", at(1, make([]float64, 3*len(chirp)+123)), true, 1},
			{"quieter", at(0.1, make([]float64, 3*len(chirp)+123)), true, 0.1},
			{"inverted", at(-1, make([]float64, 3*len(chirp)+123)), true, 1},
			{"in noise", at(1, noise(3*len(chirp)+123, 0.01)), true, 1},
			{"noise only", noise(3*len(chirp)+123, 0.25), false, 0},
			{"tone only", Tone(0, 3*len(chirp)+123, rate, 1000, 0.25), false, 0},
			{"silence", make([]float64, 3*len(chirp)), false, 0},
			{"too short", chirp[1:], false, 0},
		} {
			m := Find(tt.signal, chirp)
			if found := m.Score > 0.9; found != tt.found {
				t.Errorf("%d Hz, %s: found %v with %+v", rate, tt.name, found, m)
			} else if found && (m.Offset != 123 || math.Abs(m.Gain-tt.gain) > 0.05) {
				t.Errorf("%d Hz, %s: %+v, want offset 123 and gain %v", rate, tt.name, m, tt.gain)
			}
		}
	}
}

func TestWAVRoundTrip(t *testing.T) {
	for _, e := range []Encoding{S16, U8, S24, S32, F32} {
		f := Format{Encoding: e, Rate: 22050, Channels: 2}
		for _, n := range []int64{6, 600, 25, Unknown} {
			h := WAVHeader(f, n)
			if len(h) != WAVHeaderBytes {
				t.Fatalf("a header of %d bytes", len(h))
			}
			r := bytes.NewReader(append(h, 1, 2, 3))
			got, length, err := ReadWAV(r)
			if err != nil || got != f || length != n {
				t.Errorf("%v of %d bytes read as %v of %d, %v", f, n, got, length, err)
			}
			if r.Len() != 3 {
				t.Errorf("%d bytes left after the header, want 3", r.Len())
			}
		}
	}
}

// chunk is a RIFF chunk.
func chunk(id string, body ...byte) string {
	b := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(body)))
	b = append(b, body...)
	if len(body)%2 == 1 {
		b = append(b, 0)
	}
	return string(b)
}

func formatChunk(tag, channels uint16, rate uint32, bits uint16, extra ...byte) string {
	le := binary.LittleEndian
	align := channels * bits / 8
	b := le.AppendUint16(nil, tag)
	b = le.AppendUint16(b, channels)
	b = le.AppendUint32(b, rate)
	b = le.AppendUint32(b, rate*uint32(align))
	b = le.AppendUint16(b, align)
	b = le.AppendUint16(b, bits)
	return chunk("fmt ", append(b, extra...)...)
}

func TestReadWAV(t *testing.T) {
	const riff = "RIFF\x00\x00\x00\x00WAVE"
	extensible := append([]byte{22, 0, 24, 0, 3, 0, 0, 0}, "\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"...)
	for _, tt := range []struct {
		name, in string
		format   Format
		n        int64
		err      string
	}{
		{name: "plain", in: riff + formatChunk(1, 1, 8000, 16) + chunk("data", 1, 2), format: Format{S16, 8000, 1}, n: 2},
		{name: "chunks around", in: riff + chunk("JUNK", 1, 2, 3) + formatChunk(1, 2, 48000, 24) + chunk("LIST", 5) + chunk("data", 1, 2, 3, 4, 5, 6), format: Format{S24, 48000, 2}, n: 6},
		{name: "extensible", in: riff + formatChunk(0xFFFE, 2, 44100, 24, extensible...) + chunk("data", 1, 2, 3, 4, 5, 6), format: Format{S24, 44100, 2}, n: 6},
		{name: "mu-law", in: riff + formatChunk(7, 1, 8000, 8, 0, 0) + chunk("fact", 1, 0, 0, 0) + chunk("data", 1), format: Format{MuLaw, 8000, 1}, n: 1},
		{name: "a-law", in: riff + formatChunk(6, 1, 8000, 8) + chunk("data", 1), format: Format{ALaw, 8000, 1}, n: 1},
		{name: "float", in: riff + formatChunk(3, 1, 48000, 32) + chunk("data", 1, 2, 3, 4), format: Format{F32, 48000, 1}, n: 4},
		{name: "espeak-ng's stream", in: riff + formatChunk(1, 1, 22050, 16) + "data\x00\xf0\xff\x7f", format: Format{S16, 22050, 1}, n: Unknown},
		{name: "ffmpeg's stream", in: riff + formatChunk(1, 1, 22050, 16) + "data\xff\xff\xff\xff", format: Format{S16, 22050, 1}, n: Unknown},
		{name: "zero length", in: riff + formatChunk(1, 1, 22050, 16) + "data\x00\x00\x00\x00", format: Format{S16, 22050, 1}, n: Unknown},
		{name: "empty", in: "", err: "empty"},
		{name: "one byte", in: "R", err: "not a WAV file"},
		{name: "text", in: strings.Repeat("hello ", 10), err: "not a WAV file"},
		{name: "no data", in: riff + formatChunk(1, 1, 8000, 16), err: "no data chunk"},
		{name: "no format", in: riff + chunk("data", 1, 2), err: "before their format"},
		{name: "cut format", in: riff + formatChunk(1, 1, 8000, 16)[:12], err: "within its format chunk"},
		{name: "cut junk", in: riff + "JUNK\x10\x00\x00\x00abc", err: "within its \"JUNK\" chunk"},
		{name: "cut extended format", in: riff + formatChunk(0xFFFE, 2, 44100, 24, 22, 0), err: "cut short"},
		{name: "huge junk", in: riff + "JUNK\x00\x00\x00\x7f", err: "16 MiB"},
		{name: "huge format", in: riff + "fmt \x00\x00\x00\x7f", err: "format chunk of"},
		{name: "ADPCM", in: riff + formatChunk(2, 1, 8000, 4), err: "unsupported"},
		{name: "64 bit float", in: riff + formatChunk(3, 1, 8000, 64), err: "unsupported"},
		{name: "no channels", in: riff + formatChunk(1, 0, 8000, 16), err: "channels"},
		{name: "rate 0", in: riff + formatChunk(1, 1, 0, 16), err: "sample rate"},
		{name: "wrong align", in: riff + strings.Replace(formatChunk(1, 1, 8000, 16), "\x02\x00\x10\x00", "\x03\x00\x10\x00", 1), err: "frames of 3 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, n, err := ReadWAV(strings.NewReader(tt.in))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil || f != tt.format || n != tt.n {
				t.Errorf("got %v of %d bytes, %v; want %v of %d", f, n, err, tt.format, tt.n)
			}
		})
	}
}

func FuzzReadWAV(f *testing.F) {
	f.Add(append(WAVHeader(Format{S16, 16000, 1}, 4), 1, 2, 3, 4))
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00"))
	f.Add([]byte("RF64\xff\xff\xff\xffWAVEJUNK\x01\x00\x00\x00x\x00data"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		format, n, err := ReadWAV(r)
		if err != nil {
			return
		}
		if err := format.Check(); err != nil {
			t.Errorf("a format that can't be: %v", err)
		}
		if n <= 0 {
			t.Errorf("%d bytes of samples", n)
		}
		rest, _ := io.ReadAll(r)
		samples := format.Encoding.Decode(nil, rest)
		if len(samples) != len(rest)/format.Encoding.Bytes() {
			t.Errorf("%d bytes gave %d samples", len(rest), len(samples))
		}
	})
}
