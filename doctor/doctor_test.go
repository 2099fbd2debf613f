package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nullcard/nullcard/config"
)

func TestLog(t *testing.T) {
	const noDevice = "Error retrieving default audio device parameters: Unable to find default audio device (PJMEDIA_EAUD_NODEFDEV) [status=420006]"
	log := strings.Join([]string{
		"12:00:00.000 pjsua_core.c  .pjsua version 2.17 initialized",
		noDevice, noDevice,
		strings.Repeat("x", 3*maxLine),
		"E: [pulseaudio] module.c: Failed to load module \"module-null-sink\"",
		"udp0x1 bind() error: Address already in use [status=120098]",
	}, "\n")
	found, err := Log(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 3 {
		t.Fatalf("%d findings, want 3: %+v", len(found), found)
	}
	if found[0].What != noDevice {
		t.Errorf("first is %q", found[0].What)
	}
	for _, f := range found {
		if f.Well() || f.Cure == "" {
			t.Errorf("%+v has no cause or no cure", f)
		}
	}
	if found, err := Log(strings.NewReader("all is well\n")); err != nil || len(found) != 0 {
		t.Errorf("a log without errors: %+v, %v", found, err)
	}
}

func TestHost(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin)
	if err := os.WriteFile(filepath.Join(bin, "pulseaudio"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := &config.Config{Audio: config.Audio{Backend: "pulse"}, Callers: []config.Caller{{Name: "a"}}, RuntimeDir: filepath.Join(dir, "run")}
	want := map[string]bool{"pulseaudio": true, "program pjsua": false, "runtime directory": true}
	check := func() {
		t.Helper()
		found := Host(c)
		if len(found) != len(want) {
			t.Fatalf("found %+v, want %v", found, want)
		}
		for _, f := range found {
			for what, well := range want {
				if strings.HasPrefix(f.What, what) && f.Well() != well {
					t.Errorf("%+v: well is %v, want %v", f, f.Well(), well)
				}
			}
		}
	}
	check()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	c.RuntimeDir = filepath.Join(file, "run")
	want["runtime directory"] = false
	check()
}

func FuzzLog(f *testing.F) {
	f.Add("[status=420006]\n\x00[status=120098]")
	f.Fuzz(func(t *testing.T, log string) {
		found, err := Log(strings.NewReader(log))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if f.Well() || f.Cure == "" {
				t.Errorf("%+v has no cause or no cure", f)
			}
		}
	})
}
