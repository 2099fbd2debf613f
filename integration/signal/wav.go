package signal

import (
	"bytes"
	"fmt"
	"io"

	"github.com/nullcard/nullcard/audio/pcm"
)

// DecodeWAV reads a WAV file, whole or streamed; several channels are mixed to
// one.
func DecodeWAV(file []byte) (Clip, error) {
	r := bytes.NewReader(file)
	format, n, err := pcm.ReadWAV(r)
	if err != nil {
		return Clip{}, err
	}
	data, err := io.ReadAll(io.LimitReader(r, n))
	if err != nil {
		return Clip{}, err
	}
	if n != pcm.Unknown && int64(len(data)) < n {
		return Clip{}, fmt.Errorf("the WAV file ends after %d of %d bytes of samples", len(data), n)
	}
	frames := len(data) / format.FrameBytes()
	samples := format.Encoding.Decode(nil, data[:frames*format.FrameBytes()])
	c := Clip{Rate: format.Rate, Samples: make([]float64, frames)}
	for i := range c.Samples {
		for _, s := range samples[i*format.Channels : (i+1)*format.Channels] {
			c.Samples[i] += s / float64(format.Channels)
		}
	}
	return c, nil
}

// EncodeWAV makes a WAV file of 16-bit samples; what is louder than full scale
// is clipped.
func (c Clip) EncodeWAV() []byte {
	format := pcm.Format{Rate: c.Rate, Channels: 1, Encoding: pcm.S16}
	header := pcm.WAVHeader(format, int64(2*len(c.Samples)))
	return pcm.EncodeS16(header, c.Samples)
}
