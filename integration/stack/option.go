package stack

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/ory/dockertest/v3/docker"
)

// Option says how a container is made.
type Option func(*spec)

type spec struct {
	name   string
	config docker.Config
	host   docker.HostConfig
	files  []file
}

type file struct {
	path    string
	content string
	mode    int64
	uid     int
}

func newSpec(name, image string) *spec {
	return &spec{
		name:   name,
		config: docker.Config{Image: image, Volumes: map[string]struct{}{}},
		host:   docker.HostConfig{Tmpfs: map[string]string{}},
	}
}

// Name is the container's name on the stack's network and in messages;
// without it containers are c1, c2, ….
func Name(name string) Option { return func(s *spec) { s.name = name } }

// Env sets an environment variable.
func Env(key, value string) Option {
	return func(s *spec) { s.config.Env = append(s.config.Env, key+"="+value) }
}

// Entrypoint replaces the image's entrypoint, and its command with it.
func Entrypoint(command ...string) Option {
	return func(s *spec) { s.config.Entrypoint = command }
}

// Args are the arguments after the entrypoint, as after the image's name in
// `docker run`.
func Args(args ...string) Option { return func(s *spec) { s.config.Cmd = args } }

// User runs as a uid, uid:gid or name instead of the image's user.
func User(user string) Option { return func(s *spec) { s.config.User = user } }

// ReadOnly makes the root file system read-only.
func ReadOnly() Option { return func(s *spec) { s.host.ReadonlyRootfs = true } }

// Tmpfs mounts a tmpfs, as `docker run --tmpfs PATH` does, with options if any
// ("size=16m").
func Tmpfs(path string, options ...string) Option {
	return func(s *spec) { s.host.Tmpfs[path] = strings.Join(options, ",") }
}

// CapDrop takes capabilities away ("ALL").
func CapDrop(caps ...string) Option {
	return func(s *spec) { s.host.CapDrop = append(s.host.CapDrop, caps...) }
}

// CapAdd gives capabilities ("SYS_PTRACE").
func CapAdd(caps ...string) Option {
	return func(s *spec) { s.host.CapAdd = append(s.host.CapAdd, caps...) }
}

// NoNewPrivileges is --security-opt no-new-privileges.
func NoNewPrivileges() Option {
	return func(s *spec) { s.host.SecurityOpt = append(s.host.SecurityOpt, "no-new-privileges") }
}

// Hardened is how nullcard says it can be run: read-only root file system, a
// tmpfs for /run/nullcard, no capabilities, no new privileges.
func Hardened() Option {
	return func(s *spec) {
		for _, o := range []Option{ReadOnly(), Tmpfs("/run/nullcard"), CapDrop("ALL"), NoNewPrivileges()} {
			o(s)
		}
	}
}

// Init is --init: Docker's own PID 1 in front of the entrypoint.
func Init() Option { return func(s *spec) { s.host.Init = true } }

// StdinOpen is -i without anybody attached: standard input is open and silent.
func StdinOpen() Option { return func(s *spec) { s.config.OpenStdin = true } }

// Network joins another network than the stack's: "none", "host", or
// "container:ID".
func Network(mode string) Option { return func(s *spec) { s.host.NetworkMode = mode } }

// PIDsOf shares the process list of another container.
func PIDsOf(c *Container) Option {
	return func(s *spec) { s.host.PidMode = "container:" + c.ID }
}

// CPUs limits the processor time to a number of cores.
func CPUs(n float64) Option {
	return func(s *spec) { s.host.CPUPeriod, s.host.CPUQuota = 100_000, int64(n*100_000) }
}

// Host changes Docker's host configuration, for what has no option here.
func Host(change func(*docker.HostConfig)) Option { return func(s *spec) { change(&s.host) } }

// Config changes Docker's container configuration, for what has no option here.
func Config(change func(*docker.Config)) Option { return func(s *spec) { change(&s.config) } }

// File puts a file into the container before it starts, readable by all.
// With ReadOnly its directory becomes a volume, since that is the only way in
// that needs no bind mount; what the image has there stays.
func File(path, content string) Option {
	return func(s *spec) { s.files = append(s.files, file{path, content, 0o444, 0}) }
}

// Secret is File for one uid's eyes only (mode 0400).
func Secret(path, content string, uid int) Option {
	return func(s *spec) { s.files = append(s.files, file{path, content, 0o400, uid}) }
}

// Program is File with mode 0755.
func Program(path, content string) Option {
	return func(s *spec) { s.files = append(s.files, file{path, content, 0o755, 0}) }
}

// resolveFiles adds the volumes that files in a read-only container need.
func (s *spec) resolveFiles() {
	if !s.host.ReadonlyRootfs {
		return
	}
	for _, f := range s.files {
		volumes := slices.Collect(maps.Keys(s.config.Volumes))
		if !slices.ContainsFunc(volumes, func(v string) bool { return strings.HasPrefix(f.path, v+"/") }) {
			s.config.Volumes[path.Dir(f.path)] = struct{}{}
		}
	}
}
