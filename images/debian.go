package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const defaultDebianImage = "debian:trixie-slim"

// slim is dpkg's settings in Debian's own slim images: what is left out, and
// no waiting for the disk after each package.
var slim = []string{
	"force-unsafe-io",
	"path-exclude=/usr/share/doc/*",
	"path-include=/usr/share/doc/*/copyright",
	"path-exclude=/usr/share/groff/*",
	"path-exclude=/usr/share/info/*",
	"path-exclude=/usr/share/linda/*",
	"path-exclude=/usr/share/lintian/*",
	"path-exclude=/usr/share/locale/*",
	"path-exclude=/usr/share/man/*",
}

// suiteOf is the Debian suite of an image's name: trixie for debian:trixie-slim.
func suiteOf(image string) (string, error) {
	name, tag, _ := strings.Cut(image, ":")
	suite := strings.TrimSuffix(tag, "-slim")
	if filepath.Base(name) != "debian" || suite == "" || strings.ContainsAny(suite, "/@:") {
		return "", fmt.Errorf("cannot make %s here: only images by names such as %s can be made", image, defaultDebianImage)
	}
	return suite, nil
}

// makeDebian makes the Debian image by mmdebstrap and gives it to the engine.
// The mirror is mmdebstrap's own choice, and what the image installs from later.
func makeDebian(ctx context.Context, d docker, image, cache string, out io.Writer) error {
	suite, err := suiteOf(image)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(cache, "debian-")
	if err != nil {
		return fmt.Errorf("cannot make a Debian image: %w", err)
	}
	defer os.RemoveAll(dir)

	start := time.Now()
	archive := filepath.Join(dir, "debian.tar")
	args := []string{"--variant=minbase", "--quiet", `--aptopt=Acquire::Languages "none"`}
	for _, option := range slim {
		args = append(args, "--dpkgopt="+option)
	}
	cmd := command(ctx, "mmdebstrap", append(args, suite, archive)...)
	if err := runShown(ctx, cmd, out); err != nil {
		return fmt.Errorf("cannot make %s: %w", image, err)
	}
	if _, err := d.output(ctx, "import",
		"--change", `CMD ["bash"]`,
		"--change", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"--message", "made by mmdebstrap from Debian "+suite,
		archive, image); err != nil {
		return fmt.Errorf("cannot give %s to the engine: %w", image, err)
	}
	fmt.Fprintf(out, "made %s in %s\n", image, since(start))
	return nil
}

// installMmdebstrap installs it by apt-get, which must be there and allowed.
func installMmdebstrap(ctx context.Context, out io.Writer) error {
	aptGet := func(args ...string) error {
		cmd := command(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		return runShown(ctx, cmd, out)
	}
	// One unreachable source among several is an error to update, and none to install.
	updated := aptGet("update", "-q")
	if err := aptGet("install", "-q", "-y", "--no-install-recommends", "mmdebstrap"); err != nil {
		return fmt.Errorf("cannot install mmdebstrap: %w", errors.Join(updated, err))
	}
	return nil
}

func runDebian(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("images debian", flag.ContinueOnError)
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	d, err := findDocker()
	if err != nil {
		return err
	}
	if _, err := d.engineVersion(ctx); err != nil {
		return err
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	unlock, err := lockCache(ctx, cache, out)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
			return errors.New("cannot make a Debian image without mmdebstrap: install it, or run this as root on Debian or Ubuntu")
		}
		if err := installMmdebstrap(ctx, out); err != nil {
			return err
		}
	}
	return makeDebian(ctx, d, debianImage(), cache, out)
}

// debianImage is the image that everything is built from: docker-bake.hcl's variable.
func debianImage() string {
	if image := os.Getenv("DEBIAN_IMAGE"); image != "" {
		return image
	}
	return defaultDebianImage
}

// since is the time since start, to the second or finer, for a reader.
func since(start time.Time) string {
	return time.Since(start).Round(100 * time.Millisecond).String()
}
