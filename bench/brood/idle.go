package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type usage struct {
	RSS     int           `json:"rss_kib"`
	CPU     time.Duration `json:"cpu_ns"`   // over the time watched
	Wakeups int           `json:"wake_ups"` // over the time watched
	Seconds int           `json:"seconds"`
}

// others are not the supervisor's own.
var others = []string{"sleep", "brood", "pjsua", "pulseaudio"}

// idle watches all processes that supervise for some seconds.
func idle(seconds int) (usage, error) {
	before, err := use()
	if err != nil {
		return usage{}, err
	}
	time.Sleep(time.Duration(seconds) * time.Second)
	after, err := use()
	return usage{after.RSS, after.CPU - before.CPU, after.Wakeups - before.Wakeups, seconds}, err
}

func use() (usage, error) {
	var u usage
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return u, err
	}
	for _, p := range processes {
		name, err := os.ReadFile(p + "/comm")
		if err != nil || slices.Contains(others, string(bytes.TrimSpace(name))) {
			continue
		}
		rss, err := field(p+"/status", "VmRSS")
		if err != nil {
			continue // it has ended
		}
		u.RSS += rss
		threads, _ := filepath.Glob(p + "/task/*")
		for _, t := range threads {
			woken, err := field(t+"/status", "voluntary_ctxt_switches")
			if err != nil {
				continue
			}
			b, err := os.ReadFile(t + "/schedstat")
			if err != nil {
				return u, fmt.Errorf("cannot tell the processor time: %w", err)
			}
			ns, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
			if err != nil {
				return u, err
			}
			u.Wakeups += woken
			u.CPU += time.Duration(ns)
		}
	}
	return u, nil
}

// field is a number in a file of "name: number" lines.
func field(file, name string) (int, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`(?m)^` + name + `:\s+(\d+)`).FindSubmatch(b)
	if m == nil {
		return 0, fmt.Errorf("%s has no %s", file, name)
	}
	return strconv.Atoi(string(m[1]))
}
