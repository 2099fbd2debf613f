package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/ory/dockertest/v3/docker"

	"github.com/nullcard/nullcard/integration/stack"
)

// preferred runs containers in a control group of their own, for preferAll.
const preferredGroup = "nullcard-bench"

func preferred() stack.Option {
	return stack.Host(func(h *docker.HostConfig) { h.CgroupParent = "/" + preferredGroup })
}

// preferAll gives what runs in that group nearly all of the processors, so that
// other work on the machine does not come into what is measured. (A nice value
// would not do: it only counts within a container.)
func preferAll() error {
	var failed []error
	for file, most := range map[string]string{
		"/sys/fs/cgroup/cpu/" + preferredGroup + "/cpu.shares": "262144", // version 1
		"/sys/fs/cgroup/" + preferredGroup + "/cpu.weight":     "10000",  // version 2
	} {
		err := os.WriteFile(file, []byte(most), 0o644)
		if err == nil {
			return nil
		}
		failed = append(failed, err)
	}
	return fmt.Errorf("cannot prefer the containers: %w; that needs root on Docker's host, and no systemd", errors.Join(failed...))
}
