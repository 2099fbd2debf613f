package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// docker is the docker command.
type docker struct {
	path string
}

func findDocker() (docker, error) {
	path, err := exec.LookPath("docker")
	if err != nil {
		return docker{}, errors.New("cannot find the docker command: install Docker (Debian: apt-get install docker.io) and put it on the PATH")
	}
	return docker{path}, nil
}

// output runs docker and returns what it printed. The error holds what docker
// said; interruption is told from failure.
func (d docker) output(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		said := strings.TrimSpace(stderr.String())
		if said == "" {
			said = err.Error()
		}
		return "", fmt.Errorf("docker %s: %s", args[0], said)
	}
	return strings.TrimSpace(stdout.String()), nil
}

// engineVersion is the version of the engine, such as 20.10.24.
func (d docker) engineVersion(ctx context.Context) (string, error) {
	version, err := d.output(ctx, "version", "--format", "{{.Server.Version}}")
	if err != nil {
		return "", fmt.Errorf("cannot reach the Docker engine: %w", err)
	}
	return version, nil
}

// buildxVersion is the version of docker's buildx plugin, such as v0.24.0, or
// "" when docker has none.
func (d docker) buildxVersion(ctx context.Context) string {
	line, err := d.output(ctx, "buildx", "version")
	if err != nil {
		return ""
	}
	// github.com/docker/buildx v0.24.0 d0e5e86
	fields := strings.Fields(line)
	if len(fields) < 2 || !strings.HasSuffix(fields[0], "/buildx") {
		return ""
	}
	return fields[1]
}

// image returns the id of an image that the engine holds and the value of one
// of its labels; both are "" when the engine does not hold it.
func (d docker) image(ctx context.Context, name, label string) (id, value string, err error) {
	line, err := d.output(ctx, "image", "inspect", "--format", `{{.Id}} {{with .Config}}{{with .Labels}}{{index . "`+label+`"}}{{end}}{{end}}`, name)
	if err != nil {
		if ctx.Err() == nil && strings.Contains(strings.ToLower(err.Error()), "no such image") {
			return "", "", nil
		}
		return "", "", fmt.Errorf("cannot look at image %s: %w", name, err)
	}
	id, value, _ = strings.Cut(line, " ")
	return id, value, nil
}

// reachable asks the registry for an image's manifest; nil means that it has it.
func (d docker) reachable(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("no answer in 20 s"))
	defer cancel()
	_, err := d.output(ctx, "manifest", "inspect", name)
	return err
}

// rootDir is the engine's directory for images.
func (d docker) rootDir(ctx context.Context) string {
	dir, _ := d.output(ctx, "info", "--format", "{{.DockerRootDir}}")
	return dir
}
