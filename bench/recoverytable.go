package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// provenTargets are the longest times to proven devices that nullcard is held
// to, as medians.
var provenTargets = map[string]time.Duration{"server killed": 300 * time.Millisecond, "server hangs": 3 * time.Second}

// againTarget is the longest time to the caller's start after its backoff.
const againTarget = 20 * time.Millisecond

// maxThreads is how far the Go runtime's pool of threads may have grown
// without anything being lost: it never shrinks.
const maxThreads = 8

func recoveryTable(results map[string]recoveries) string {
	var b strings.Builder
	b.WriteString("ms since the fault, in a call: median (range)\n\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\trounds\tdevices proven\tcaller started\tcall up\tfar end hears\t")
	var verdicts []string
	for _, f := range faults {
		r, ok := results[f.name]
		if !ok {
			continue
		}
		column := func(of func(recovery) time.Duration) spread {
			var all []time.Duration
			for _, one := range r.Rounds {
				if d := of(one); d != 0 {
					all = append(all, d)
				}
			}
			return spreadOf(all)
		}
		proven := column(func(r recovery) time.Duration { return r.Proven })
		fmt.Fprintf(w, "%s\t%d\t%v\t%v\t%v\t%.2f\t%s\n", f.name, len(r.Rounds), proven,
			column(func(r recovery) time.Duration { return r.Started }), column(func(r recovery) time.Duration { return r.Call }),
			r.Correlation, f.about)
		if target, ok := provenTargets[f.name]; ok {
			verdicts = append(verdicts, fmt.Sprintf("%s → devices proven  %s ms (target ≤ %s ms: %s)", f.name, ms(proven.median), ms(target), met(proven.median <= target)))
		}
		if f.keepsServer {
			again := column(func(r recovery) time.Duration { return r.Again }).median
			verdicts = append(verdicts, fmt.Sprintf("%s → started again, less its backoff  %s ms (target ≤ %s ms: %s)", f.name, ms(again), ms(againTarget), met(again <= againTarget)))
		}
		verdicts = append(verdicts, fmt.Sprintf("%s: left after %d rounds  %s", f.name, len(r.Rounds), leaked(r.Before, r.After)))
	}
	_ = w.Flush() // a strings.Builder takes all
	b.WriteString("\n" + strings.Join(verdicts, "\n") + "\n")
	return b.String()
}

// leaked tells what there is more of than after the first round.
func leaked(before, after traces) string {
	var more []string
	for _, c := range []struct {
		what          string
		before, after int
		spare         int
	}{
		{"file descriptors", before.FDs, after.FDs, 0}, {"threads", before.Threads, after.Threads, maxThreads},
		{"processes", before.Processes, after.Processes, 0}, {"clients of the server", before.Clients, after.Clients, 0},
		{"sinks", before.Sinks, after.Sinks, 0}, {"sources", before.Sources, after.Sources, 0},
	} {
		if c.after > c.before+c.spare {
			more = append(more, fmt.Sprintf("%d %s, %d before", c.after, c.what, c.before))
		}
	}
	if more == nil {
		return "nothing (target met)"
	}
	return strings.Join(more, "; ") + " (target missed)"
}
