package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// spread is what is told of a set of samples.
type spread struct{ median, min, max time.Duration }

func spreadOf(samples []time.Duration) spread {
	s := slices.Sorted(slices.Values(samples))
	if len(s) == 0 {
		return spread{}
	}
	middle := s[len(s)/2]
	if len(s)%2 == 0 {
		middle = (s[len(s)/2-1] + middle) / 2
	}
	return spread{middle, s[0], s[len(s)-1]}
}

func (s spread) String() string {
	if s.max == 0 {
		return "–"
	}
	return fmt.Sprintf("%s (%s–%s)", ms(s.median), ms(s.min), ms(s.max))
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }

func devicesOf(starts []start) (all []time.Duration) {
	for _, s := range starts {
		if s.Devices != 0 {
			all = append(all, s.Devices)
		}
	}
	return all
}

func appsOf(starts []start) (all []time.Duration) {
	for _, s := range starts {
		all = append(all, s.App)
	}
	return all
}

// table is the result as text: medians and ranges in ms, and the figures that
// nullcard is held to.
func table(samples map[string][]start, runs int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ms from the container's first instruction: median (range) of %d runs in turns\n\n", runs)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tdevices stand\tapp started\t")
	for _, sub := range subjects {
		fmt.Fprintf(w, "%s\t%v\t%v\t%s\n", sub.name, spreadOf(devicesOf(samples[sub.name])), spreadOf(appsOf(samples[sub.name])), sub.about)
	}
	_ = w.Flush() // a strings.Builder takes all
	ours, bare := spreadOf(devicesOf(samples["nullcard"])).median, spreadOf(devicesOf(samples["bare"])).median
	app := spreadOf(appsOf(samples["nullcard"])).median
	if ours > 0 && bare > 0 {
		ratio := float64(ours) / float64(bare)
		fmt.Fprintf(&b, "\ndevices stand, nullcard : bare   %.2f   (target ≤ 1.30: %s)\n", ratio, met(ratio <= 1.3))
		fmt.Fprintf(&b, "nullcard, devices → app started  %s ms (target ≤ 150 ms: %s)\n", ms(app-ours), met(app-ours <= 150*time.Millisecond))
	}
	return b.String()
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "missed"
}

// keep writes all samples to a file, if one is named.
func keep(file string, samples any) error {
	if file == "" {
		return nil
	}
	b, err := json.MarshalIndent(samples, "", "\t")
	if err == nil {
		err = os.WriteFile(file, append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot write the samples: %w", err)
	}
	return nil
}

// load is the machine's load average over the last minute, "?" if unknown.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if one, _, ok := strings.Cut(string(b), " "); err == nil && ok {
		return one
	}
	return "?"
}
