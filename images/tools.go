package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// toolPackages are built from the module in tools/, which pins their versions.
// buildkitd has replace and exclude directives, so `go install` of it alone
// does not work; from a module that requires it, it does.
var toolPackages = []string{
	"github.com/docker/buildx/cmd/buildx",
	"github.com/moby/buildkit/cmd/buildkitd",
}

// buildTools makes sure that buildx and buildkitd are in the cache, in the
// versions of tools/go.mod, and returns their directory.
func buildTools(ctx context.Context, root, cache string, out io.Writer) (string, error) {
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(root, "tools", name))
		if err != nil {
			return "", fmt.Errorf("cannot tell which builder to use: %w", err)
		}
		sum.Write(content)
	}
	parent := filepath.Join(cache, "bin")
	dir := filepath.Join(parent, hex.EncodeToString(sum.Sum(nil))[:16])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("cannot write to the cache: %w", err)
	}
	partial, err := os.MkdirTemp(parent, "partial-")
	if err != nil {
		return "", fmt.Errorf("cannot write to the cache: %w", err)
	}
	defer os.RemoveAll(partial)

	start := time.Now()
	fmt.Fprintln(out, "building buildx and buildkitd, once for this machine (2 to 4 minutes on two cores)")
	progress := &counter{out: out, start: start, last: start}
	progress.total = countPackages(ctx, root, progress)
	args := append([]string{"build", "-v", "-trimpath", "-ldflags", "-s -w", "-o", partial + string(filepath.Separator)}, toolPackages...)
	cmd := command(ctx, "go", args...)
	cmd.Dir = filepath.Join(root, "tools")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if err := runShown(ctx, cmd, progress); err != nil {
		if ctx.Err() == nil {
			fmt.Fprint(out, progress.problems.String())
		}
		return "", fmt.Errorf("cannot build buildx and buildkitd: %w", err)
	}
	for _, pkg := range toolPackages {
		if _, err := os.Stat(filepath.Join(partial, filepath.Base(pkg))); err != nil {
			return "", fmt.Errorf("cannot build %s: %w", pkg, err)
		}
	}
	if err := os.Rename(partial, dir); err != nil {
		return "", fmt.Errorf("cannot write to the cache: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", fmt.Errorf("cannot write to the cache: %w", err)
	}
	fmt.Fprintf(out, "built buildx and buildkitd in %s\n", since(start))
	return dir, nil
}

// countPackages is how many packages the tools are made of, 0 when that can't
// be told. It fetches the modules, which progress sees.
func countPackages(ctx context.Context, root string, progress io.Writer) int {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-deps"}, toolPackages...)...)
	cmd.Dir = filepath.Join(root, "tools")
	cmd.Stderr = progress
	list, err := cmd.Output()
	if err != nil {
		return 0
	}
	return bytes.Count(list, []byte("\n"))
}

// counter turns what `go build -v` prints, a line for each package, into a
// line of progress every ten seconds.
type counter struct {
	out         io.Writer
	start, last time.Time
	total       int
	compiled    int
	fetched     int
	partial     []byte
	problems    tail // lines that are neither packages nor downloads
}

func (c *counter) Write(p []byte) (int, error) {
	c.partial = append(c.partial, p...)
	for {
		line, rest, ok := bytes.Cut(c.partial, []byte("\n"))
		if !ok {
			break
		}
		c.partial = rest
		switch text := string(line); {
		case strings.HasPrefix(text, "go: downloading "):
			c.fetched++
		case strings.HasPrefix(text, "#") || strings.ContainsAny(text, " \t"):
			c.problems.Write(append(line, '\n'))
		default:
			c.compiled++
		}
	}
	if time.Since(c.last) >= 10*time.Second {
		c.last = time.Now()
		if c.total == 0 {
			fmt.Fprintf(c.out, "  %s: %d modules fetched\n", since(c.start), c.fetched)
		} else {
			fmt.Fprintf(c.out, "  %s: %d of %d packages compiled\n", since(c.start), c.compiled, max(c.total, c.compiled))
		}
	}
	return len(p), nil
}
