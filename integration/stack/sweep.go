package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/ory/dockertest/v3/docker"
)

const (
	// runLabel marks everything that tests make; its value names the run.
	runLabel = "org.nullcard.test"
	// ownerLabel says which process made it: host/pid/start time.
	ownerLabel = "org.nullcard.test.owner"
	// orphanAge is when something of a run on another host, whose processes
	// can't be seen from here, counts as left behind.
	orphanAge = 2 * time.Hour
)

func (s *Stack) labels() map[string]string {
	return map[string]string{
		runLabel:   s.run,
		ownerLabel: ownerOf(os.Getpid()),
		madeLabel:  time.Now().UTC().Format(time.RFC3339),
	}
}

const madeLabel = "org.nullcard.test.made"

// ownerOf names a process so that a later one with the same pid is not taken
// for it.
func ownerOf(pid int) string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s/%d/%s", host, pid, startTime(pid))
}

// startTime is field 22 of /proc/PID/stat (proc(5)), in clock ticks since boot.
func startTime(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field is the program's name and may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

// orphaned tells whether the labels are those of a run whose process is gone.
func orphaned(labels map[string]string, now time.Time) bool {
	owner, ok := labels[ownerLabel]
	if !ok {
		return false // not made by this package
	}
	host, rest, _ := strings.Cut(owner, "/")
	pid, started, _ := strings.Cut(rest, "/")
	if here, _ := os.Hostname(); host == here && started != "" {
		var n int
		if _, err := fmt.Sscanf(pid, "%d", &n); err == nil {
			return startTime(n) != started
		}
	}
	made, err := time.Parse(time.RFC3339, labels[madeLabel])
	return err == nil && now.Sub(made) > orphanAge
}

func (s *Stack) sweepOrphans(ctx context.Context) error {
	now := time.Now()
	return s.remove(ctx, func(labels map[string]string) bool { return orphaned(labels, now) })
}

// remove force-removes the containers, networks and images whose labels match.
func (s *Stack) remove(ctx context.Context, match func(labels map[string]string) bool) error {
	var problems *multierror.Error
	containers, err := s.client.ListContainers(docker.ListContainersOptions{
		All: true, Filters: map[string][]string{"label": {runLabel}}, Context: ctx,
	})
	if err != nil {
		return fmt.Errorf("cannot list containers: %w", err)
	}
	for _, c := range containers {
		if !match(c.Labels) {
			continue
		}
		err := s.client.RemoveContainer(docker.RemoveContainerOptions{ID: c.ID, Force: true, RemoveVolumes: true, Context: ctx})
		if err != nil && !gone(err) {
			problems = multierror.Append(problems, fmt.Errorf("cannot remove container %s: %w", strings.Join(c.Names, " "), err))
		}
	}
	networks, err := s.client.FilteredListNetworks(docker.NetworkFilterOpts{"label": {runLabel: true}})
	if err != nil {
		return multierror.Append(problems, fmt.Errorf("cannot list networks: %w", err)).ErrorOrNil()
	}
	for _, n := range networks {
		if !match(n.Labels) {
			continue
		}
		if err := s.client.RemoveNetwork(n.ID); err != nil && !gone(err) {
			problems = multierror.Append(problems, fmt.Errorf("cannot remove network %s: %w", n.Name, err))
		}
	}
	images, err := s.client.ListImages(docker.ListImagesOptions{
		Filters: map[string][]string{"label": {runLabel}}, Context: ctx,
	})
	if err != nil {
		return multierror.Append(problems, fmt.Errorf("cannot list images: %w", err)).ErrorOrNil()
	}
	for _, i := range images {
		if !match(i.Labels) {
			continue
		}
		err := s.client.RemoveImageExtended(i.ID, docker.RemoveImageOptions{Force: true, Context: ctx})
		if err != nil && !gone(err) {
			problems = multierror.Append(problems, fmt.Errorf("cannot remove image %s: %w", i.ID, err))
		}
	}
	return problems.ErrorOrNil()
}

// gone tells whether what was to be removed has been, perhaps by another
// run's sweep at this moment.
func gone(err error) bool {
	var container *docker.NoSuchContainer
	var network *docker.NoSuchNetwork
	var api *docker.Error
	return errors.As(err, &container) || errors.As(err, &network) || errors.Is(err, docker.ErrNoSuchImage) ||
		errors.As(err, &api) && (api.Status == 404 || strings.Contains(api.Message, "already in progress"))
}
