package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nullcard/nullcard/config"
	"golang.org/x/sys/unix"
)

// runtimeDir is the directory of sockets and generated files, for commands
// that talk to a nullcard that runs.
func runtimeDir() string {
	if dir := os.Getenv("NULLCARD_RUNTIME_DIR"); dir != "" {
		return dir
	}
	return config.DefaultRuntimeDir
}

func controlSocket(dir string) string { return filepath.Join(dir, "control.sock") }

// lockRuntimeDir makes the runtime directory and keeps a second nullcard out
// of it for as long as the returned file is open.
func lockRuntimeDir(dir string) (*os.File, error) {
	const cure = "mount a tmpfs there (docker run --tmpfs " + config.DefaultRuntimeDir + "), or set NULLCARD_RUNTIME_DIR to a directory that can be written"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, exitError{exitCantCreate, fmt.Errorf("cannot make the runtime directory as uid %d: %w; %s", os.Getuid(), err, cure)}
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, exitError{exitCantCreate, fmt.Errorf("cannot write to the runtime directory as uid %d: %w; %s", os.Getuid(), err, cure)}
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		lock.Close()
		return nil, exitError{exitCantCreate, fmt.Errorf("another nullcard uses %s; stop it, or set NULLCARD_RUNTIME_DIR to another directory", dir)}
	}
	if err != nil {
		lock.Close()
		return nil, exitError{exitCantCreate, fmt.Errorf("cannot lock the runtime directory: %w", err)}
	}
	return lock, nil
}
