package signal

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"testing"
	"time"
)

func TestPlotShowsBothDirections(t *testing.T) {
	sent := voice(1, 5*time.Second)
	heard := delayed(g711(sent).Amplify(-9), 900*time.Millisecond)
	var out bytes.Buffer
	err := Plot(&out, "A call between two containers without a sound card",
		Direction{Title: "caller → callee", Caption: "PASS  delay 200 ms, level −29.1 dBFS, correlation 0.97", OK: true,
			Sent: sent, Heard: heard, Offset: -700 * time.Millisecond, Delay: 200 * time.Millisecond},
		Direction{Title: "callee → caller", Caption: "FAIL  only silence was heard",
			Sent: Melody(rate, 1, -20, 5*time.Second), Heard: Silence(rate, 5*time.Second), Delay: -1})
	if err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("PLOT_OUT"); path != "" { // to be looked at
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	img, err := png.Decode(&out)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := img.Bounds().Size(), image.Pt(2*(columnWidth+plotMargin)+plotMargin, plotHeight+70); got != want {
		t.Errorf("size %v, want %v", got, want)
	}
	// The ink of a waveform is there where there is sound, and only there.
	count := func(column int, col interface{ RGBA() (r, g, b, a uint32) }) (n int) {
		r, g, b, _ := col.RGBA()
		x0 := plotMargin + column*(columnWidth+plotMargin) + labelWidth
		for x := x0; x < x0+columnWidth-labelWidth; x++ {
			for y := 50 + headHeight; y < img.Bounds().Dy(); y++ {
				if pr, pg, pb, _ := img.At(x, y).RGBA(); pr == r && pg == g && pb == b {
					n++
				}
			}
		}
		return n
	}
	for _, tt := range []struct {
		name string
		got  int
		some bool
	}{
		{"sent there", count(0, sentInk), true}, {"heard there", count(0, heardInk), true},
		{"sent back", count(1, sentInk), true}, {"silence heard", count(1, heardInk), false},
	} {
		if (tt.got > 1000) != tt.some {
			t.Errorf("%s: %d pixels of ink", tt.name, tt.got)
		}
	}
}

func TestPlotOfNothing(t *testing.T) {
	if err := Plot(&bytes.Buffer{}, "nothing", Direction{Delay: -1}); err != nil {
		t.Error(err)
	}
}
