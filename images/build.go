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
	"slices"
	"strings"
	"sync"
	"time"
)

func runBuild(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("images build", flag.ContinueOnError)
	group := flags.String("group", "default", "the `group` of images: default (base, app, pjsua2), demo (base, app, testtools) or test (all)")
	dryRun := flags.Bool("n", false, "say what would be done and why, and do nothing")
	force := flags.Bool("force", false, "build images that are up to date, too (unchanged steps still come from the cache)")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	targets, ok := groups[*group]
	if !ok || flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "images build: -group is default, demo or test, and there are no arguments\n")
		return errUsage
	}

	start := time.Now()
	d, err := findDocker()
	if err != nil {
		return err
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	if !*dryRun {
		unlock, err := lockCache(ctx, cache, out)
		if err != nil {
			return err
		}
		defer unlock()
	}

	facts, err := observe(ctx, d, targets, *force)
	if err != nil {
		return err
	}
	p, err := plan(facts)
	fmt.Fprintln(out, p)
	if err != nil {
		return err
	}
	if *dryRun || len(p.Targets) == 0 {
		return nil
	}
	for _, dir := range []string{cache, d.rootDir(ctx)} {
		if err := checkSpace(dir); err != nil {
			return err
		}
	}
	if err := carryOut(ctx, d, facts, p, cache, out); err != nil {
		return err
	}
	removeReplaced(ctx, d, facts.Images)
	fmt.Fprintf(out, "built %s in %s\n", strings.Join(p.Targets, ", "), since(start))
	return nil
}

// observe gathers what the plan is made from.
func observe(ctx context.Context, d docker, targets []string, force bool) (Facts, error) {
	f := Facts{DebianImage: debianImage(), Root: os.Geteuid() == 0}
	var err error
	if f.Engine, err = d.engineVersion(ctx); err != nil {
		return f, err
	}
	f.Buildx = d.buildxVersion(ctx)
	debianID, _, err := d.image(ctx, f.DebianImage, inputsLabel)
	if err != nil {
		return f, err
	}
	f.HaveDebian = debianID != ""
	hashes, err := inputs(".", debianID, settings())
	if err != nil {
		return f, err
	}
	for _, name := range targets {
		image := Image{Target: name, Name: imageName(name), Want: hashes[name]}
		image.ID, image.Have, err = d.image(ctx, image.Name, inputsLabel)
		if err != nil {
			return f, err
		}
		if force {
			image.Have = ""
		}
		f.Images = append(f.Images, image)
	}
	upToDate := !slices.ContainsFunc(f.Images, func(i Image) bool { return i.Have != i.Want })
	if !f.HaveDebian && !upToDate {
		f.Registry = d.reachable(ctx, f.DebianImage)
	}
	f.Runc, _ = exec.LookPath("runc")
	f.Mmdebstrap, _ = exec.LookPath("mmdebstrap")
	f.AptGet, _ = exec.LookPath("apt-get")
	return f, ctx.Err()
}

// carryOut does what the plan says.
func carryOut(ctx context.Context, d docker, f Facts, p Plan, cache string, out io.Writer) error {
	tools, err := prepare(ctx, d, f, p, cache, out)
	if err != nil {
		return err
	}
	debianID, _, err := d.image(ctx, f.DebianImage, inputsLabel)
	if err != nil {
		return err
	}
	// The hashes are taken before the build: what is edited meanwhile makes
	// the images out of date and not wrongly up to date.
	hashes, err := inputs(".", debianID, settings())
	if err != nil {
		return err
	}
	b := bake{targets: p.Targets, hashes: hashes, goproxy: changedGoproxy(ctx)}
	if b.certificates, err = caBundle(); err != nil {
		return err
	}

	if p.Builder == Plugin {
		name, err := d.output(ctx, "context", "show")
		if err != nil {
			return fmt.Errorf("cannot tell which builder is the engine's: %w", err)
		}
		b.builder = name // the engine's own builder has the name of the context
		return runBake(ctx, command(ctx, d.path, append([]string{"buildx"}, b.args()...)...), b, out)
	}

	if b.layout, err = saveLayout(ctx, d, f.DebianImage, debianID, cache); err != nil {
		return err
	}
	b.debian = f.DebianImage
	b.builder = "nullcard"
	daemon, err := startBuildkitd(ctx, tools, f.Runc, cache)
	if err != nil {
		return fmt.Errorf("cannot start the builder: %w", err)
	}
	return errors.Join(bakeOn(ctx, daemon, tools, cache, b, out), daemon.stop())
}

// prepare gets the Debian image and, where the plan wants it, a builder of our
// own, whose directory it returns. The one waits for the network and the other
// for the processor, so they go side by side; the first failure ends both.
func prepare(ctx context.Context, d docker, f Facts, p Plan, cache string, out io.Writer) (tools string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var building sync.WaitGroup
	if p.Builder == Own {
		building.Go(func() {
			var err error
			if tools, err = buildTools(ctx, ".", cache, out); err != nil {
				cancel(err)
			}
		})
	}
	if err := getDebian(ctx, d, f, p, cache, out); err != nil {
		cancel(err)
	}
	building.Wait()
	return tools, context.Cause(ctx)
}

// getDebian makes sure that the engine holds the Debian image.
func getDebian(ctx context.Context, d docker, f Facts, p Plan, cache string, out io.Writer) error {
	switch p.Debian {
	case Pulled:
		if err := runShown(ctx, command(ctx, d.path, "pull", f.DebianImage), out); err != nil {
			return fmt.Errorf("cannot pull %s: %w", f.DebianImage, err)
		}
	case Mmdebstrap:
		if p.Install {
			if err := installMmdebstrap(ctx, out); err != nil {
				return err
			}
		}
		return makeDebian(ctx, d, f.DebianImage, cache, out)
	}
	return nil
}

// bakeOn bakes on a builder of our own.
func bakeOn(ctx context.Context, daemon *buildkitd, tools, cache string, b bake, out io.Writer) error {
	buildx := filepath.Join(tools, "buildx")
	// buildx knows our builder in a configuration of our own: the user's stays as it is.
	config := filepath.Join(cache, "buildx")
	if err := os.RemoveAll(config); err != nil {
		return fmt.Errorf("cannot clean the cache: %w", err)
	}
	env := append(os.Environ(), "BUILDX_CONFIG="+config)
	create := command(ctx, buildx, "create", "--name", b.builder, "--driver", "remote", daemon.address)
	create.Env = env
	if said, err := create.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("cannot use the builder: %w: %s", err, strings.TrimSpace(string(said)))
	}
	cmd := command(ctx, buildx, b.args()...)
	cmd.Env = env
	return runBake(ctx, cmd, b, out)
}

func runBake(ctx context.Context, cmd *exec.Cmd, b bake, out io.Writer) error {
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	// Attestations would make the images something that older engines can't load.
	cmd.Env = append(cmd.Env, "BUILDX_NO_DEFAULT_ATTESTATIONS=1")
	cmd.Env = append(cmd.Env, b.env()...)
	shown := newProgress(out)
	err := runShown(ctx, cmd, shown)
	shown.close()
	if err != nil {
		if ctx.Err() == nil {
			fmt.Fprint(out, shown.failed.String())
		}
		return fmt.Errorf("cannot build %s: %w", strings.Join(b.targets, ", "), err)
	}
	return nil
}
