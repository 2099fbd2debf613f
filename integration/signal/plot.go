package signal

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"time"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"gonum.org/v1/gonum/dsp/fourier"
)

// Direction is one column of a picture: what was sent above what was heard, on
// one time axis.
type Direction struct {
	Title   string
	Caption string // the verdict
	OK      bool   // colours the caption
	Sent    Clip
	Heard   Clip
	// Offset is the time from the first sample sent to the first one recorded.
	Offset time.Duration
	// Delay is the time from the first sample sent to the same one heard;
	// both are marked. Negative means not found.
	Delay time.Duration
}

const (
	columnWidth    = 760
	plotMargin     = 20
	labelWidth     = 52 // left of the plots
	headHeight     = 84
	waveHeight     = 100
	spectrumHeight = 170
	axisHeight     = 34
	rowGap         = 10
	plotHeight     = headHeight + 2*(waveHeight+spectrumHeight) + 3*rowGap + axisHeight

	// plotTop is the highest frequency shown, in Hz: what a voice has.
	plotTop = 4000
	// plotQuiet and plotLoud are the ends of the colour scale, in dBFS a bin.
	plotQuiet, plotLoud = -95.0, -30.0
	// plotWindow is the length of the spectrogram's window in seconds.
	plotWindow = 0.032
)

var (
	ink      = color.RGBA{0x22, 0x26, 0x2e, 0xff}
	pale     = color.RGBA{0xf2, 0xf3, 0xf5, 0xff}
	grid     = color.RGBA{0xd5, 0xd8, 0xde, 0xff}
	sentInk  = color.RGBA{0x1f, 0x5f, 0xa8, 0xff}
	heardInk = color.RGBA{0x0b, 0x7a, 0x5b, 0xff}
	good     = color.RGBA{0x0b, 0x7a, 0x3b, 0xff}
	bad      = color.RGBA{0xc0, 0x1c, 0x28, 0xff}
	marker   = color.RGBA{0xe0, 0x6c, 0x00, 0xff}
)

// Plot writes a PNG with a column for each direction: waveform and spectrogram
// of what was sent, and below of what was heard.
func Plot(w io.Writer, title string, directions ...Direction) error {
	faces, err := loadFaces()
	if err != nil {
		return fmt.Errorf("cannot draw: %w", err)
	}
	width := len(directions)*(columnWidth+plotMargin) + plotMargin
	img := image.NewRGBA(image.Rect(0, 0, width, plotHeight+50+plotMargin))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	c := canvas{img, faces}
	c.text(plotMargin, 36, title, faces.title, ink)
	for i, d := range directions {
		c.direction(plotMargin+i*(columnWidth+plotMargin), 50, d)
	}
	if err := png.Encode(w, img); err != nil {
		return fmt.Errorf("cannot write the picture: %w", err)
	}
	return nil
}

type faces struct{ title, head, body, small font.Face }

func loadFaces() (f faces, err error) {
	for _, want := range []struct {
		face *font.Face
		ttf  []byte
		size float64
	}{{&f.title, gobold.TTF, 22}, {&f.head, gobold.TTF, 17}, {&f.body, goregular.TTF, 15}, {&f.small, goregular.TTF, 12}} {
		parsed, err := opentype.Parse(want.ttf)
		if err != nil {
			return f, err
		}
		if *want.face, err = opentype.NewFace(parsed, &opentype.FaceOptions{Size: want.size, DPI: 72, Hinting: font.HintingFull}); err != nil {
			return f, err
		}
	}
	return f, nil
}

type canvas struct {
	*image.RGBA
	faces
}

func (c canvas) text(x, y int, s string, face font.Face, col color.Color) {
	d := font.Drawer{Dst: c, Src: image.NewUniform(col), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(s)
}

func (c canvas) fill(r image.Rectangle, col color.Color) {
	draw.Draw(c, r, image.NewUniform(col), image.Point{}, draw.Src)
}

func (c canvas) direction(x, y int, d Direction) {
	c.text(x, y+28, d.Title, c.head, ink)
	verdict := good
	if !d.OK {
		verdict = bad
	}
	c.text(x, y+54, d.Caption, c.body, verdict)

	axis := timeAxis{
		from: min(0, d.Offset), to: max(d.Sent.Duration(), d.Offset+d.Heard.Duration(), time.Second),
		x0: x + labelWidth, width: columnWidth - labelWidth,
	}
	y += headHeight
	for _, row := range []struct {
		label  string
		clip   Clip
		offset time.Duration
		mark   time.Duration
		col    color.Color
	}{{"sent", d.Sent, 0, 0, sentInk}, {"heard", d.Heard, d.Offset, d.Delay, heardInk}} {
		wave := image.Rect(axis.x0, y, axis.x0+axis.width, y+waveHeight)
		c.text(x, y+waveHeight/2+5, row.label, c.head, row.col)
		c.waveform(wave, row.clip, axis, row.offset, row.col)
		y += waveHeight
		spectrum := image.Rect(axis.x0, y, axis.x0+axis.width, y+spectrumHeight)
		c.spectrogram(spectrum, row.clip, axis, row.offset)
		for khz := 1; khz <= plotTop/1000; khz++ {
			at := y + spectrumHeight - khz*1000*spectrumHeight/plotTop
			c.text(x+8, at+10, fmt.Sprintf("%d kHz", khz), c.small, ink)
		}
		if row.mark >= 0 {
			at := axis.column(row.mark)
			c.fill(image.Rect(at-1, wave.Min.Y, at+1, spectrum.Max.Y), marker)
		}
		y += spectrumHeight + rowGap
	}
	step := time.Second
	if axis.to-axis.from > 14*time.Second {
		step = 2 * time.Second
	}
	for t := time.Duration(0); t <= axis.to; t += step {
		at := axis.column(t)
		c.fill(image.Rect(at, y, at+1, y+5), ink)
		c.text(at-6, y+20, fmt.Sprintf("%d s", int(t.Seconds())), c.small, ink)
	}
}

// timeAxis maps times to columns.
type timeAxis struct {
	from, to  time.Duration
	x0, width int
}

func (a timeAxis) column(t time.Duration) int {
	return a.x0 + int(float64(a.width-1)*float64(t-a.from)/float64(a.to-a.from))
}

// samples is the range of a clip's samples, which begins at offset, in a column.
func (a timeAxis) samples(c Clip, offset time.Duration, column int) (lo, hi int) {
	index := func(x int) int {
		t := a.from + time.Duration(float64(x-a.x0)/float64(a.width)*float64(a.to-a.from)) - offset
		return int(t.Seconds() * float64(c.Rate))
	}
	return index(column), index(column + 1)
}

// waveform scales to the clip's own peak, so that shapes can be compared; the
// level is told in words.
func (c canvas) waveform(r image.Rectangle, clip Clip, axis timeAxis, offset time.Duration, col color.Color) {
	c.fill(r, pale)
	middle, half := (r.Min.Y+r.Max.Y)/2, r.Dy()/2-3
	c.fill(image.Rect(r.Min.X, middle, r.Max.X, middle+1), grid)
	scale := 0.0
	for _, s := range clip.Samples {
		scale = max(scale, math.Abs(s))
	}
	if scale == 0 {
		return
	}
	for x := r.Min.X; x < r.Max.X; x++ {
		lo, hi := axis.samples(clip, offset, x)
		lo, hi = max(lo, 0), min(max(hi, lo+1), len(clip.Samples))
		if lo >= hi {
			continue
		}
		low, high := 0.0, 0.0
		for _, s := range clip.Samples[lo:hi] {
			low, high = min(low, s), max(high, s)
		}
		top := middle - int(high/scale*float64(half))
		bottom := middle - int(low/scale*float64(half)) + 1
		c.fill(image.Rect(x, top, x+1, bottom), col)
	}
	note := fmt.Sprintf("%.1f dBFS, peak %.1f", clip.Level(), clip.Peak())
	end := r.Max.X - 6 - font.MeasureString(c.small, note).Ceil()
	c.fill(image.Rect(end-4, r.Max.Y-19, r.Max.X-2, r.Max.Y-2), pale)
	c.text(end, r.Max.Y-6, note, c.small, ink)
}

func (c canvas) spectrogram(r image.Rectangle, clip Clip, axis timeAxis, offset time.Duration) {
	c.fill(r, heat(0))
	size := int(plotWindow * float64(clip.Rate))
	if size == 0 {
		return
	}
	fft := fourier.NewFFT(size)
	frame := make([]float64, size)
	var bins []complex128
	for x := r.Min.X; x < r.Max.X; x++ {
		centre, _ := axis.samples(clip, offset, x)
		lo := centre - size/2
		if lo < 0 || lo+size > len(clip.Samples) {
			continue
		}
		for i := range frame {
			frame[i] = clip.Samples[lo+i] * (0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/float64(size)))
		}
		bins = fft.Coefficients(bins, frame)
		for y := r.Min.Y; y < r.Max.Y; y++ {
			freq := float64(r.Max.Y-y) / float64(r.Dy()) * plotTop
			bin := int(math.Round(freq * float64(size) / float64(clip.Rate)))
			if bin >= len(bins) {
				continue
			}
			// A sine of amplitude 1 has a peak of size/4 under this window.
			re, im := real(bins[bin]), imag(bins[bin])
			level := decibels((re*re + im*im) * 16 / float64(size) / float64(size))
			c.Set(x, y, heat((level-plotQuiet)/(plotLoud-plotQuiet)))
		}
	}
}

// heat is a colour for a value from 0 to 1: black, violet, red, yellow, white.
func heat(v float64) color.RGBA {
	stops := [...][3]float64{{12, 8, 38}, {75, 16, 109}, {170, 45, 90}, {238, 105, 37}, {250, 193, 40}, {252, 255, 220}}
	v = min(max(v, 0), 1) * float64(len(stops)-1)
	i := min(int(v), len(stops)-2)
	mix := func(k int) uint8 { return uint8(stops[i][k] + (stops[i+1][k]-stops[i][k])*(v-float64(i))) }
	return color.RGBA{mix(0), mix(1), mix(2), 0xff}
}
