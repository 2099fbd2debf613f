package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nullcard/nullcard/audio/pcm"
)

// TestSoundCommandsRefuse has what is wrong before any sound server is needed.
func TestSoundCommandsRefuse(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("NULLCARD_RUNTIME_DIR", dir)
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	wav := file("good.wav", string(pcm.WAVHeader(pcm.Format{Rate: 8000, Channels: 1}, 2))+"ab")
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"play nothing":             {[]string{"play"}, 64, "want one FILE"},
		"play two":                 {[]string{"play", wav, wav}, 64, "want one FILE"},
		"play an empty file":       {[]string{"play", file("empty.wav", "")}, 1, "the input is empty"},
		"play a text":              {[]string{"play", file("text.wav", strings.Repeat("text ", 9))}, 1, "--raw"},
		"play a broken file":       {[]string{"play", file("broken.wav", "RIFF....WAVEfmt ")}, 1, "broken WAV file"},
		"play a folder":            {[]string{"play", dir}, 1, "is a directory"},
		"rate of a WAV":            {[]string{"play", "--rate", "8000", wav}, 64, "go with --raw"},
		"play with unknown format": {[]string{"play", "--raw", "--format", "s12", wav}, 64, "s12"},
		"play at no rate":          {[]string{"play", "--raw", "--rate", "-1", wav}, 64, "sample rate"},
		"play without a server":    {[]string{"play", wav}, 69, "is nullcard running here?"},
		"record nothing":           {[]string{"record"}, 64, "want one FILE"},
		"record a third end":       {[]string{"record", "--source", "line", "x.wav"}, 64, "neither speaker nor mic"},
		"record backwards":         {[]string{"record", "--duration", "-1s", "x.wav"}, 64, "negative"},
		"record without a server":  {[]string{"record", filepath.Join(dir, "x.wav")}, 69, "is nullcard running here?"},
		"tone too high":            {[]string{"tone", "--freq", "20001"}, 64, "--freq"},
		"tone of no frequency":     {[]string{"tone", "--freq", "NaN"}, 64, "--freq"},
		"tone too loud":            {[]string{"tone", "--level", "1"}, 64, "--level"},
		"tone for ever":            {[]string{"tone", "--duration", "999h"}, 64, "--duration"},
		"tone with a file":         {[]string{"tone", "x.wav"}, 64, "unexpected argument"},
		"devices without a server": {[]string{"devices"}, 69, "is nullcard running here?"},
		"level without a server":   {[]string{"level"}, 69, "is nullcard running here?"},
		"level of negative length": {[]string{"level", "--duration", "-1s"}, 64, "negative"},
		"setup of a bad name":      {[]string{"setup", "a b"}, 64, "device name"},
		"setup at a bad rate":      {[]string{"setup", "--rate", "0x"}, 64, "invalid value"},
		"setup without a server":   {[]string{"setup", "--server", filepath.Join(dir, "none")}, 69, "name the server with --server"},
		"teardown without one":     {[]string{"teardown", "--server", filepath.Join(dir, "none")}, 69, "name the server with --server"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errout := nullcard(t, test.args...)
			if code != test.code || !strings.Contains(errout, test.want) {
				t.Errorf("exit code %d and %q, want %d and %q", code, errout, test.code, test.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "x.wav")); err == nil {
		t.Error("a recording that never began left a file")
	}
}

func TestSoundFile(t *testing.T) {
	format := pcm.Format{Encoding: pcm.U8, Rate: 8000, Channels: 1}
	read := func(t *testing.T, b []byte) int64 {
		t.Helper()
		got, n, err := pcm.ReadWAV(bytes.NewReader(b))
		if err != nil || got != format {
			t.Fatalf("read %v, %v; want %v", got, err, format)
		}
		return n
	}
	write := func(t *testing.T, s *soundFile) {
		t.Helper()
		if _, err := s.Write([]byte{1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		if err := s.finish(); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a file has the length that was written", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "x.wav")
		s, err := createSound(name, nil, format, -1, false)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// Three bytes and one that makes the chunk even.
		if n := read(t, b); n != 3 || len(b) != pcm.WAVHeaderBytes+4 {
			t.Errorf("%d bytes of sound in a file of %d", n, len(b))
		}
		if riff := binary.LittleEndian.Uint32(b[4:]); int(riff) != len(b)-8 {
			t.Errorf("RIFF length %d in a file of %d", riff, len(b))
		}
	})
	t.Run("so has standard output in a file, after what is there", func(t *testing.T) {
		f, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := io.WriteString(f, "before"); err != nil {
			t.Fatal(err)
		}
		s, err := createSound("-", f, format, -1, false)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s)
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if n := read(t, bytes.TrimPrefix(b, []byte("before"))); n != 3 {
			t.Errorf("%d bytes of sound", n)
		}
	})
	t.Run("a pipe announces the length that is known", func(t *testing.T) {
		var b bytes.Buffer
		s, err := createSound("-", &b, format, 3, false)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s)
		if n := read(t, b.Bytes()); n != 3 {
			t.Errorf("%d bytes of sound", n)
		}
	})
	t.Run("or none", func(t *testing.T) {
		var b bytes.Buffer
		s, err := createSound("-", &b, format, -1, false)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s)
		if n := read(t, b.Bytes()); n != pcm.Unknown {
			t.Errorf("%d bytes of sound, want an open end", n)
		}
	})
	t.Run("raw is samples only", func(t *testing.T) {
		var b bytes.Buffer
		s, err := createSound("-", &b, format, 3, true)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s)
		if got := b.String(); got != "\x01\x02\x03" {
			t.Errorf("wrote %q", got)
		}
	})
}

// TestTone reads a tone in pieces of odd sizes.
func TestTone(t *testing.T) {
	whole, err := io.ReadAll(&tone{rate: 8000, left: 1000, freq: 440, amplitude: 0.5})
	if err != nil || len(whole) != 2000 {
		t.Fatalf("%d bytes, %v", len(whole), err)
	}
	var pieces []byte
	tn := &tone{rate: 8000, left: 1000, freq: 440, amplitude: 0.5}
	for size := 2; ; size += 3 {
		b := make([]byte, size)
		n, err := tn.Read(b)
		pieces = append(pieces, b[:n]...)
		if err == io.EOF {
			break
		}
	}
	if !bytes.Equal(whole, pieces) {
		t.Error("a tone read in pieces is another one")
	}
}
