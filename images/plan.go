package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// Oldest versions that build docker-bake.hcl as it is.
const (
	// Named contexts came with BuildKit 0.10, which is in Engine 23.
	minEngineMajor = 23
	// Validation of variables and --allow, both in 0.20.
	minBuildxMajor, minBuildxMinor = 0, 20
)

// Facts is what the decision is made of.
type Facts struct {
	Engine string // version of the Docker engine, such as 20.10.24
	Buildx string // version of docker's buildx plugin, such as v0.24.0; "" without one

	DebianImage string // name of the image that everything is built from
	HaveDebian  bool   // the engine holds it
	// Registry is nil when the image can be had from its registry, else why
	// not. It is asked only when the engine does not hold the image.
	Registry error

	Root       bool   // this program runs as uid 0
	Runc       string // path of runc, "" without one
	Mmdebstrap string // path of mmdebstrap, "" without one
	AptGet     string // path of apt-get, "" without one

	Images []Image // those asked for, bases first
}

// Image is one image that was asked for.
type Image struct {
	Target string // its target in docker-bake.hcl
	Name   string // its tag
	Want   string // hash of its inputs as they are now
	Have   string // hash of the inputs it was built from, "" when there is no such image
	ID     string // the engine's id for it, "" when there is no such image
}

// Plan says what will be done, in order: Debian, then Builder, then Targets.
type Plan struct {
	Debian  Source   // where the Debian image comes from
	Install bool     // mmdebstrap has to be installed first
	Builder Builder  // who builds; "" when there is nothing to build
	Targets []string // targets to build; none when all is up to date
	Why     []string // the reasons, one a line
}

// Source is where the Debian image comes from.
type Source string

// The sources of the Debian image.
const (
	Held       Source = "held"       // the engine holds it
	Pulled     Source = "pulled"     // docker pull
	Mmdebstrap Source = "mmdebstrap" // made here from Debian's packages
)

// Builder is who builds.
type Builder string

// The builders.
const (
	Plugin Builder = "plugin" // docker buildx bake on the engine's own BuildKit
	Own    Builder = "own"    // buildx and buildkitd of this project
)

// plan decides. All that is missing is reported at once.
func plan(f Facts) (Plan, error) {
	var p Plan
	why := func(format string, args ...any) { p.Why = append(p.Why, fmt.Sprintf(format, args...)) }

	for _, image := range f.Images {
		switch {
		case image.Have == "":
			why("%s is not there", image.Name)
		case image.Have != image.Want:
			why("%s was built from other sources", image.Name)
		default:
			why("%s is up to date", image.Name)
			continue
		}
		p.Targets = append(p.Targets, image.Target)
	}
	if len(p.Targets) == 0 {
		p.Debian = Held
		return p, nil
	}

	var missing *multierror.Error
	lack := func(format string, args ...any) { missing = multierror.Append(missing, fmt.Errorf(format, args...)) }

	switch {
	case f.HaveDebian:
		p.Debian = Held
		why("%s: the engine holds it", f.DebianImage)
	case f.Registry == nil:
		p.Debian = Pulled
		why("%s: pulled from its registry", f.DebianImage)
	default:
		p.Debian = Mmdebstrap
		why("%s: made by mmdebstrap, for its registry can't be reached: %v", f.DebianImage, f.Registry)
		if f.Mmdebstrap == "" {
			if f.Root && f.AptGet != "" {
				p.Install = true
				why("mmdebstrap: installed by apt-get")
			} else {
				lack("cannot make %s without mmdebstrap: install it, or run this as root on Debian or Ubuntu", f.DebianImage)
			}
		}
	}

	if reason := whyNotPlugin(f); reason == "" {
		p.Builder = Plugin
		why("builder: docker buildx %s on Docker Engine %s", f.Buildx, f.Engine)
	} else {
		p.Builder = Own
		why("builder: buildx and buildkitd built from Go modules, for %s", reason)
		if !f.Root {
			lack("cannot run a builder of our own without root: run this with sudo, or install docker's buildx plugin %d.%d or later on Docker Engine %d or later",
				minBuildxMajor, minBuildxMinor, minEngineMajor)
		}
		if f.Runc == "" {
			lack("cannot run a builder of our own without runc: install it (Debian: apt-get install runc)")
		}
	}
	return p, oneLine(missing)
}

// whyNotPlugin is why docker's own buildx won't do, or "".
func whyNotPlugin(f Facts) string {
	if f.Buildx == "" {
		return "docker has no buildx plugin"
	}
	if major, minor := version(f.Buildx); major < minBuildxMajor || major == minBuildxMajor && minor < minBuildxMinor {
		return fmt.Sprintf("docker's buildx %s is older than %d.%d", f.Buildx, minBuildxMajor, minBuildxMinor)
	}
	if major, _ := version(f.Engine); major < minEngineMajor {
		return fmt.Sprintf("Docker Engine %s is older than %d", f.Engine, minEngineMajor)
	}
	return ""
}

// version takes major and minor off a version such as v0.24.0, 20.10.24+dfsg1
// or 23.0.0-rc1. What can't be read counts as 0, which is too old.
func version(s string) (major, minor int) {
	parts := strings.SplitN(strings.TrimPrefix(s, "v"), ".", 3)
	major, _ = strconv.Atoi(parts[0])
	if len(parts) > 1 {
		minor, _ = strconv.Atoi(parts[1])
	}
	return major, minor
}

// oneLine is the problems as one error that reads well after "images: ".
func oneLine(problems *multierror.Error) error {
	if problems == nil {
		return nil
	}
	problems.ErrorFormat = func(all []error) string {
		return errors.Join(all...).Error()
	}
	return problems.ErrorOrNil()
}

// String is the plan for a reader: the reasons, one a line.
func (p Plan) String() string {
	return strings.Join(p.Why, "\n")
}
