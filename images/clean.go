package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// testLabel marks the containers that the project's tests start.
const testLabel = "org.nullcard.test"

func runClean(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("images clean", flag.ContinueOnError)
	withCache := flags.Bool("cache", false, "remove the builder, its cache and the Debian image's copy, too")
	if err := parseFlags(flags, args); err != nil {
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
	d, err := findDocker()
	if err != nil {
		return err
	}
	errs := errors.Join(removeContainers(ctx, d, out), removeImages(ctx, d, out))
	if *withCache {
		if err := os.RemoveAll(cache); err != nil {
			return errors.Join(errs, fmt.Errorf("cannot remove the cache: %w", err))
		}
		fmt.Fprintf(out, "removed %s\n", cache)
	}
	return errs
}

func removeContainers(ctx context.Context, d docker, out io.Writer) error {
	ids, err := d.output(ctx, "ps", "-aq", "--filter", "label="+testLabel)
	if err != nil || ids == "" {
		return err
	}
	containers := strings.Fields(ids)
	if _, err := d.output(ctx, append([]string{"rm", "-f", "-v"}, containers...)...); err != nil {
		return fmt.Errorf("cannot remove the test containers: %w", err)
	}
	fmt.Fprintf(out, "removed %d test containers\n", len(containers))
	return nil
}

// removeImages removes dependents before their bases.
func removeImages(ctx context.Context, d docker, out io.Writer) error {
	var errs error
	for i := len(chain) - 1; i >= 0; i-- {
		name := imageName(chain[i].name)
		id, _, err := d.image(ctx, name, inputsLabel)
		if err == nil && id != "" {
			if _, err = d.output(ctx, "image", "rm", name); err == nil {
				fmt.Fprintf(out, "removed %s\n", name)
			}
		}
		errs = errors.Join(errs, err)
	}
	return errs
}

// removeReplaced removes what the images were before this build, lest each
// build leave a set behind: dependents before their bases. What has another
// tag, a container or a dependent stays, and so does what can't be removed.
func removeReplaced(ctx context.Context, d docker, before []Image) {
	for i := len(before) - 1; i >= 0; i-- {
		id := before[i].ID
		if id == "" {
			continue
		}
		tags, err := d.output(ctx, "image", "inspect", "--format", "{{len .RepoTags}}", id)
		if err == nil && tags == "0" {
			_, _ = d.output(ctx, "image", "rm", id)
		}
	}
}
