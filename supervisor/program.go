package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit codes of a program that could not be run, as shells have them.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
)

// StartError is a process that could not be started.
type StartError struct {
	Process string
	Err     error
	// Code is the exit code that stands for it: 127 for a missing program,
	// 126 for one that cannot be executed, else 1 or the one of Err.
	Code int
	// Permanent tells that another try would fail in the same way.
	Permanent bool
}

func (e *StartError) Error() string { return fmt.Sprintf("cannot start %s: %v", e.Process, e.Err) }
func (e *StartError) Unwrap() error { return e.Err }

// ExitCode is Code.
func (e *StartError) ExitCode() int { return e.Code }

// Permanent marks err, from Spec.Prepare, as one that no restart will heal: at
// the first start of a process it ends the supervisor with code.
func Permanent(code int, err error) error { return &permanentError{code, err} }

type permanentError struct {
	code int
	err  error
}

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }
func (e *permanentError) ExitCode() int { return e.code }

func startError(process string, err error) *StartError {
	var se *StartError
	if errors.As(err, &se) {
		return se
	}
	e := &StartError{Process: process, Err: err, Code: 1}
	var p *permanentError
	var coded interface{ ExitCode() int }
	switch {
	case errors.As(err, &p):
		e.Code, e.Permanent = p.code, true
	case errors.As(err, &coded) && coded.ExitCode() > 0:
		e.Code = coded.ExitCode()
	}
	return e
}

// findProgram returns the path of a program as execvp would find it with the
// PATH of env, when started in dir.
func findProgram(name string, env []string, dir string) (string, error) {
	if strings.Contains(name, "/") {
		at := name
		if dir != "" && !filepath.IsAbs(name) {
			at = filepath.Join(dir, name)
		}
		if code, err := executable(at); err != nil {
			return "", &permanentError{code, err}
		}
		return name, nil
	}
	path, ok := lookupEnv(env, "PATH")
	if !ok {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	var found error
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			continue // what runs must not depend on where we stand
		}
		at := filepath.Join(d, name)
		code, err := executable(at)
		if err == nil {
			return at, nil
		}
		if code == exitNotExecutable && found == nil {
			found = err
		}
	}
	if found != nil {
		return "", &permanentError{exitNotExecutable, found}
	}
	return "", &permanentError{exitNotFound, fmt.Errorf("there is no program %q in PATH (%s): install it, or give its full path", name, path)}
}

func executable(path string) (code int, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return exitNotFound, fmt.Errorf("there is no program %q: install it, or correct the path", path)
	case err != nil:
		return exitNotExecutable, err
	case info.IsDir():
		return exitNotExecutable, fmt.Errorf("%q is a directory: name a program in it", path)
	case info.Mode()&0o111 == 0:
		return exitNotExecutable, fmt.Errorf("%q is not executable: chmod +x it, or name its interpreter", path)
	}
	return 0, nil
}

// execError explains why the kernel refused to run path.
func execError(path string, err error) error {
	switch err {
	case syscall.ENOENT:
		return &permanentError{exitNotFound, fmt.Errorf("the interpreter or the loader that %q asks for is missing (its #! line, or another C library): %w", path, err)}
	case syscall.EACCES, syscall.EPERM:
		return &permanentError{exitNotExecutable, fmt.Errorf("may not execute %q: check its mode, its directories and the noexec option of its file system: %w", path, err)}
	case syscall.ENOEXEC:
		return &permanentError{exitNotExecutable, fmt.Errorf("%q is neither a program for this kind of machine nor a script with a #! line: %w", path, err)}
	case syscall.E2BIG, syscall.ELIBBAD, syscall.ETXTBSY:
		return &StartError{Err: fmt.Errorf("cannot execute %q: %w", path, err), Code: exitNotExecutable}
	}
	return fmt.Errorf("cannot execute %q: %w", path, err)
}

func checkDir(dir string) error {
	if dir == "" {
		return nil
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return &permanentError{exitNotExecutable, fmt.Errorf("cannot use the working directory: %w: make it, or name another", err)}
	case !info.IsDir():
		return &permanentError{exitNotExecutable, fmt.Errorf("the working directory %q is not a directory", dir)}
	case unix.Access(dir, unix.X_OK) != nil:
		return &permanentError{exitNotExecutable, fmt.Errorf("may not enter the working directory %q: check its mode and owner", dir)}
	}
	return nil
}

// lastOnly drops all but the last value of each variable: programs differ in
// which one they take.
func lastOnly(env []string) []string {
	out := make([]string, 0, len(env))
	at := make(map[string]int, len(env))
	for _, kv := range env {
		key, _, _ := strings.Cut(kv, "=")
		if i, ok := at[key]; ok {
			out[i] = kv
			continue
		}
		at[key] = len(out)
		out = append(out, kv)
	}
	return out
}

func lookupEnv(env []string, key string) (value string, ok bool) {
	for _, kv := range env {
		if k, v, found := strings.Cut(kv, "="); found && k == key {
			value, ok = v, true // the last one counts
		}
	}
	return value, ok
}
