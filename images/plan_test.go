package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestPlan(t *testing.T) {
	noRegistry := errors.New("no such host")
	missing := []Image{{Target: "base", Name: "nullcard/base:dev", Want: "1"}, {Target: "app", Name: "nullcard/app:dev", Want: "2"}}
	// A machine that has everything but the images.
	complete := Facts{
		Engine: "28.2.2", Buildx: "v0.24.0", DebianImage: defaultDebianImage, HaveDebian: true,
		Root: true, Runc: "/usr/bin/runc", Mmdebstrap: "/usr/bin/mmdebstrap", AptGet: "/usr/bin/apt-get",
		Images: missing,
	}
	with := func(change func(*Facts)) Facts {
		f := complete
		change(&f)
		return f
	}

	tests := []struct {
		name    string
		facts   Facts
		debian  Source
		install bool
		builder Builder
		targets []string
		why     string // part of the reasons
		err     []string
	}{
		{
			name:  "all up to date: nothing else matters",
			facts: Facts{Images: []Image{{Target: "base", Name: "b", Want: "1", Have: "1"}}}, debian: Held,
			why: "b is up to date",
		},
		{
			name: "plugin, engine and Debian are there", facts: complete,
			debian: Held, builder: Plugin, targets: []string{"base", "app"},
			why: "docker buildx v0.24.0 on Docker Engine 28.2.2",
		},
		{
			name: "only what is out of date is built",
			facts: with(func(f *Facts) {
				f.Images = []Image{{Target: "base", Want: "1", Have: "1"}, {Target: "app", Name: "a", Want: "2", Have: "1"}}
			}),
			debian: Held, builder: Plugin, targets: []string{"app"}, why: "a was built from other sources",
		},
		{
			name:   "Debian can be pulled",
			facts:  with(func(f *Facts) { f.HaveDebian = false }),
			debian: Pulled, builder: Plugin, targets: []string{"base", "app"}, why: "pulled",
		},
		{
			name:   "no registry: Debian is made, the plugin still builds",
			facts:  with(func(f *Facts) { f.HaveDebian, f.Registry = false, noRegistry }),
			debian: Mmdebstrap, builder: Plugin, targets: []string{"base", "app"}, why: "no such host",
		},
		{
			name:   "mmdebstrap is installed where that is allowed",
			facts:  with(func(f *Facts) { f.HaveDebian, f.Registry, f.Mmdebstrap = false, noRegistry, "" }),
			debian: Mmdebstrap, install: true, builder: Plugin, targets: []string{"base", "app"}, why: "installed by apt-get",
		},
		{
			name: "mmdebstrap can't be installed without root",
			facts: with(func(f *Facts) {
				f.HaveDebian, f.Registry, f.Mmdebstrap, f.Root = false, noRegistry, "", false
			}),
			err: []string{"without mmdebstrap: install it"},
		},
		{
			name: "mmdebstrap can't be installed without apt-get",
			facts: with(func(f *Facts) {
				f.HaveDebian, f.Registry, f.Mmdebstrap, f.AptGet = false, noRegistry, "", ""
			}),
			err: []string{"without mmdebstrap: install it"},
		},
		{
			name:   "an old engine gets a builder of our own",
			facts:  with(func(f *Facts) { f.Engine = "20.10.24+dfsg1" }),
			debian: Held, builder: Own, targets: []string{"base", "app"}, why: "Docker Engine 20.10.24+dfsg1 is older than 23",
		},
		{
			name:   "no plugin",
			facts:  with(func(f *Facts) { f.Buildx = "" }),
			debian: Held, builder: Own, targets: []string{"base", "app"}, why: "no buildx plugin",
		},
		{
			name:   "an old plugin",
			facts:  with(func(f *Facts) { f.Buildx = "v0.13.1" }),
			debian: Held, builder: Own, targets: []string{"base", "app"}, why: "buildx v0.13.1 is older than 0.20",
		},
		{
			name:  "our own builder needs root and runc: all that is missing at once",
			facts: with(func(f *Facts) { f.Buildx, f.Root, f.Runc = "", false, "" }),
			err:   []string{"without root: run this with sudo", "without runc: install it"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := plan(test.facts)
			if len(test.err) > 0 {
				if err == nil {
					t.Fatalf("no error, plan %+v", p)
				}
				for _, part := range test.err {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("error %q lacks %q", err, part)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.Debian != test.debian || p.Install != test.install || p.Builder != test.builder || !slices.Equal(p.Targets, test.targets) {
				t.Errorf("plan %+v, want Debian %s, install %t, builder %s, targets %v", p, test.debian, test.install, test.builder, test.targets)
			}
			if !strings.Contains(p.String(), test.why) {
				t.Errorf("reasons %q lack %q", p, test.why)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	for s, want := range map[string][2]int{
		"v0.24.0":        {0, 24},
		"20.10.24+dfsg1": {20, 10},
		"23.0.0-rc1":     {23, 0},
		"29":             {29, 0},
		"":               {0, 0},
		"dev":            {0, 0},
	} {
		if major, minor := version(s); [2]int{major, minor} != want {
			t.Errorf("version(%q) is %d.%d, want %v", s, major, minor, want)
		}
	}
}

func TestSuiteOf(t *testing.T) {
	for image, want := range map[string]string{
		"debian:trixie-slim":                      "trixie",
		"registry.example.com/team/debian:trixie": "trixie",
		"debian":            "",
		"ubuntu:noble":      "",
		"debian:sha@1":      "",
		"debian:13@sha256:": "",
	} {
		suite, err := suiteOf(image)
		if suite != want || (err == nil) != (want != "") {
			t.Errorf("suiteOf(%q) is %q, %v; want %q", image, suite, err, want)
		}
	}
}

func TestCureFor(t *testing.T) {
	for said, want := range map[string]string{
		"write /x: no space left on device":                              "disk is full",
		"Cannot connect to the Docker daemon at unix:///x":               "start the engine",
		"permission denied while trying to connect to the Docker daemon": "group docker",
		"tls: x509: certificate signed by unknown authority":             "CA_BUNDLE",
	} {
		if cure := cureFor(errors.New(said)); !strings.Contains(cure, want) {
			t.Errorf("the cure for %q is %q, want one with %q", said, cure, want)
		}
		// Where a program said it and the error only names the program.
		if cure := cureFor(&commandError{name: "buildx bake", err: errors.New("exit status 1"), said: said}); !strings.Contains(cure, want) {
			t.Errorf("the cure for a program's %q is %q, want one with %q", said, cure, want)
		}
	}
	if cure := cureFor(errors.New("something else")); cure != "" {
		t.Errorf("a cure for anything: %q", cure)
	}
}
