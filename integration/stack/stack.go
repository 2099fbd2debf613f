package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ory/dockertest/v3"
	"github.com/ory/dockertest/v3/docker"
)

// TB is the part of testing.TB that a stack needs; Main provides one to
// programs.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(func())
	Context() context.Context
}

const (
	// cleanupTimeout bounds the removal of what a stack made.
	cleanupTimeout = 30 * time.Second
	// waitTimeout bounds waits whose context has no deadline.
	waitTimeout = 30 * time.Second
)

// Stack is a set of containers and their private network, gone when the test
// ends. Its methods are called from the test's goroutine only.
type Stack struct {
	t      TB
	client *docker.Client
	run    string
	count  int

	network    *docker.Network // made for the first container that needs it
	containers []*Container
}

// New connects to Docker (DOCKER_HOST, or the default socket), removes what
// earlier runs left behind, and sees to the removal of all that this one makes.
func New(t TB) *Stack {
	t.Helper()
	pool, err := dockertest.NewPool("")
	if err != nil {
		t.Fatalf("cannot set up a client for Docker: %v; check DOCKER_HOST", err)
	}
	if err := pool.Client.Ping(); err != nil {
		t.Fatalf("cannot reach Docker: %v; start the engine, or point DOCKER_HOST at one", err)
	}
	id := time.Now().UTC().Format("20060102-150405-") + strings.ToLower(rand.Text()[:6])
	s := &Stack{t: t, client: pool.Client, run: id}
	if err := s.sweepOrphans(t.Context()); err != nil {
		t.Logf("cannot remove what an earlier run left behind: %v", err)
	}
	t.Cleanup(s.close)
	return s
}

// close removes everything that carries this run's label, also what a start
// that failed half-way left.
func (s *Stack) close() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), cleanupTimeout)
	defer cancel()
	if s.t.Failed() {
		for _, c := range s.containers {
			s.t.Logf("%s", c.tail(ctx))
		}
	}
	if err := s.remove(ctx, func(labels map[string]string) bool { return labels[runLabel] == s.run }); err != nil {
		s.t.Logf("cannot remove the containers of this run: %v; `docker ps -a --filter label=%s=%s` lists them", err, runLabel, s.run)
	}
}

// Network returns the name of the stack's private network, on which containers
// find each other by name and nothing else.
func (s *Stack) Network(ctx context.Context) string {
	s.t.Helper()
	if s.network == nil {
		n, err := s.client.CreateNetwork(docker.CreateNetworkOptions{
			Name:     "nullcard-test-" + s.run,
			Driver:   "bridge",
			Internal: true,
			Labels:   s.labels(),
			Context:  ctx,
		})
		if err != nil {
			s.t.Fatalf("cannot make a private network: %v", err)
		}
		s.network = n
	}
	return s.network.Name
}

// Run makes a container from an image that is there already, puts the files of
// its options into it, and starts it.
func (s *Stack) Run(ctx context.Context, image string, options ...Option) *Container {
	s.t.Helper()
	c := s.Create(ctx, image, options...)
	c.Start(ctx)
	return c
}

// Create is Run without the start.
func (s *Stack) Create(ctx context.Context, image string, options ...Option) *Container {
	s.t.Helper()
	c, err := s.create(ctx, image, options)
	if err != nil {
		s.t.Fatalf("%v", err)
	}
	return c
}

func (s *Stack) create(ctx context.Context, image string, options []Option) (*Container, error) {
	if _, err := s.client.InspectImage(image); errors.Is(err, docker.ErrNoSuchImage) {
		return nil, fmt.Errorf("cannot run %s: there is no such image; `make images` builds ours, others have to be loaded or pulled", image)
	} else if err != nil {
		return nil, fmt.Errorf("cannot look up the image %s: %w", image, err)
	}
	s.count++
	spec := newSpec(fmt.Sprintf("c%d", s.count), image)
	for _, o := range options {
		o(spec)
	}
	spec.config.Labels = s.labels()
	spec.resolveFiles()
	endpoints := map[string]*docker.EndpointConfig{}
	if spec.host.NetworkMode == "" {
		name := s.Network(ctx)
		spec.host.NetworkMode = name
		endpoints[name] = &docker.EndpointConfig{Aliases: []string{spec.name}}
	}
	made, err := s.client.CreateContainer(docker.CreateContainerOptions{
		Name:             "nullcard-test-" + s.run + "-" + spec.name,
		Config:           &spec.config,
		HostConfig:       &spec.host,
		NetworkingConfig: &docker.NetworkingConfig{EndpointsConfig: endpoints},
		Context:          ctx,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot create container %s from %s: %w", spec.name, image, err)
	}
	c := &Container{
		ID: made.ID, Name: spec.name, stack: s, image: image,
		volumes: slices.Collect(maps.Keys(spec.config.Volumes)),
	}
	s.containers = append(s.containers, c)
	for _, f := range spec.files {
		if err := c.upload(ctx, f); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Output runs a container to its end and returns what it wrote and its exit
// code: `docker run --rm`, binary-safe.
func (s *Stack) Output(ctx context.Context, image string, options ...Option) Result {
	s.t.Helper()
	c := s.Create(ctx, image, options...)
	r, err := c.attached(ctx)
	if err != nil {
		s.t.Fatalf("cannot run %s to its end: %v", c.Name, err)
	}
	c.Remove(ctx)
	return r
}

// HasImage tells whether an image is there.
func (s *Stack) HasImage(image string) bool {
	_, err := s.client.InspectImage(image)
	return err == nil
}

// Client is dockertest's client, for what the stack has no word for. What is
// made through it must carry Labels, to be removed in the end.
func (s *Stack) Client() *docker.Client { return s.client }

// Labels marks a container, network or volume as belonging to this run.
func (s *Stack) Labels() map[string]string { return s.labels() }
