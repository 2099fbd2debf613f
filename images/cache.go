package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// minFree is the free space below which a build is not begun, in bytes. A
// first build takes 3 GB in the cache and in the engine's directory together.
const minFree = 2 << 30

// cacheDir is where the builder, its state and the Debian image are kept
// between runs and checkouts: XDG_CACHE_HOME or ~/.cache, directory nullcard.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cannot tell where to cache: %w: set HOME or XDG_CACHE_HOME", err)
	}
	dir := filepath.Join(base, "nullcard")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("cannot make the cache directory: %w: set XDG_CACHE_HOME to one that can be written", err)
	}
	return dir, nil
}

// lockCache makes this run the only one that builds with dir, waiting for
// another to end. The returned function gives the lock back.
func lockCache(ctx context.Context, dir string, out io.Writer) (func(), error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the cache: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		fmt.Fprintln(out, "waiting for another build on this machine to end")
		err = flockWait(ctx, file)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot lock the cache: %w", err)
	}
	return func() { file.Close() }, nil
}

// flockWait blocks until the lock is ours or ctx ends. Closing the file does
// not wake flock, so an abandoned waiter gives the lock back when it gets it;
// the program is about to end then.
func flockWait(ctx context.Context, file *os.File) error {
	locked := make(chan error, 1)
	go func() {
		for {
			err := unix.Flock(int(file.Fd()), unix.LOCK_EX)
			if !errors.Is(err, syscall.EINTR) {
				locked <- err
				return
			}
		}
	}()
	select {
	case err := <-locked:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// checkSpace fails when the file system of dir has less than minFree left.
func checkSpace(dir string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		// The engine's directory may be on another machine.
		return nil
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < minFree {
		return fmt.Errorf("%s has %d MB left and a build takes %d MB: %w", dir, free>>20, uint64(minFree)>>20, syscall.ENOSPC)
	}
	return nil
}
