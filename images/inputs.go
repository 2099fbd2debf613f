package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// inputsLabel is the label that holds the hash of what an image was built from.
const inputsLabel = "org.nullcard.inputs"

// target is an image that docker-bake.hcl can build.
type target struct {
	name       string
	dockerfile string
	context    bool // it copies nullcard's sources, not only what its base or Debian has
}

// chain is every target; each is built from one of those before it, and its hash
// covers them all.
var chain = []target{
	{name: "base", dockerfile: "Dockerfile.base", context: true},
	{name: "app", dockerfile: "Dockerfile.app"},
	{name: "pjsua2", dockerfile: "Dockerfile.app"},
	{name: "testtools", dockerfile: "integration/Dockerfile"},
}

// groups are docker-bake.hcl's groups.
var groups = map[string][]string{
	"default": {"base", "app", "pjsua2"},
	"demo":    {"base", "app", "testtools"},
	"test":    {"base", "app", "pjsua2", "testtools"},
}

// inputs hashes, for each target, everything that decides what is in its
// image: the bake file, its Dockerfile and those of its bases, the build
// context as the builder sees it, the Debian image and the settings.
// Settings is the variables of docker-bake.hcl that are not at their default.
func inputs(root, debianID string, settings []string) (map[string]string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "nullcard inputs 1\ndebian %s\n", debianID)
	for _, setting := range settings {
		fmt.Fprintf(sum, "set %q\n", setting)
	}
	if err := hashFile(sum, root, "docker-bake.hcl"); err != nil {
		return nil, err
	}
	hashes := map[string]string{}
	for _, target := range chain {
		if err := hashFile(sum, root, target.dockerfile); err != nil {
			return nil, err
		}
		if target.context {
			files, err := contextFiles(root)
			if err != nil {
				return nil, err
			}
			for _, file := range files {
				if err := hashFile(sum, root, file); err != nil {
					return nil, err
				}
			}
		}
		hashes[target.name] = hex.EncodeToString(sum.Sum(nil))[:16]
	}
	return hashes, nil
}

// hashFile adds a file's name, mode and content to sum. Both are preceded by
// their lengths, so that no two sets of files look alike.
func hashFile(sum io.Writer, root, name string) error {
	path := filepath.Join(root, name)
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("cannot read what the images are built from: %w", err)
	}
	var content []byte
	if info.Mode()&fs.ModeSymlink != 0 {
		link, err := os.Readlink(path)
		if err != nil {
			return fmt.Errorf("cannot read what the images are built from: %w", err)
		}
		content = []byte(link)
	} else if content, err = os.ReadFile(path); err != nil {
		return fmt.Errorf("cannot read what the images are built from: %w", err)
	}
	fmt.Fprintf(sum, "file %d %s %s %d\n", len(name), name, info.Mode(), len(content))
	_, err = sum.Write(content)
	return err
}

// contextFiles lists the files of the build context, relative to root and
// sorted: all but those that .dockerignore leaves out.
func contextFiles(root string) ([]string, error) {
	ignore, err := os.Open(filepath.Join(root, ".dockerignore"))
	if err != nil {
		return nil, fmt.Errorf("cannot read what the images are built from: %w", err)
	}
	defer ignore.Close()
	patterns, err := ignorefile.ReadAll(ignore)
	if err != nil {
		return nil, fmt.Errorf("cannot read .dockerignore: %w", err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("cannot read .dockerignore: %w", err)
	}
	kept := keptDirs(patterns)

	var files []string
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a file that an editor has just removed
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || name == "." {
			return err
		}
		ignored, err := matcher.MatchesOrParentMatches(name)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && ignored && !leadsTo(name, kept):
			return fs.SkipDir
		case !entry.IsDir() && !ignored:
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list what the images are built from: %w", err)
	}
	slices.Sort(files)
	return files, nil
}

// keptDirs is the exceptions ("!name") of a .dockerignore.
func keptDirs(patterns []string) []string {
	var kept []string
	for _, pattern := range patterns {
		if name, ok := strings.CutPrefix(pattern, "!"); ok {
			kept = append(kept, name)
		}
	}
	return kept
}

// leadsTo reports whether one of the kept names lies below directory dir.
func leadsTo(dir string, kept []string) bool {
	return slices.ContainsFunc(kept, func(name string) bool {
		return strings.HasPrefix(name, dir+"/")
	})
}
