package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// callTarget is the longest delay of a call that nullcard is held to, as the
// median.
const callTarget = 150 * time.Millisecond

// callTable is the result as text.
func callTable(variants []variant, samples map[string][]way, runs int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ms from the feed to the far end's speaker: median (range) of all half seconds of %d calls both ways, in turns\n\n", runs)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tdelay\tmedians of the directions\tdropouts\tlost\txruns after 1 s\tcorrelation\t")
	for _, v := range variants {
		var delays, medians []time.Duration
		var total way
		var correlation float64
		for _, one := range samples[v.name] {
			delays = append(delays, one.Delays...)
			medians = append(medians, spreadOf(one.Delays).median)
			total.Dropouts += one.Dropouts
			total.Lost += one.Lost
			total.Xruns += one.Xruns
			correlation += one.Correlation / float64(len(samples[v.name]))
		}
		m := spreadOf(medians)
		fmt.Fprintf(w, "%s\t%v\t%s–%s\t%d\t%d\t%d\t%.2f\t%s\n", v.name, spreadOf(delays), ms(m.min), ms(m.max),
			total.Dropouts, total.Lost, total.Xruns, correlation, strings.Join(slices.Concat(v.env, v.args), " "))
	}
	_ = w.Flush() // a strings.Builder takes all
	if ours := samples["nullcard"]; len(ours) > 0 {
		var delays []time.Duration
		xruns := 0
		for _, one := range ours {
			delays = append(delays, one.Delays...)
			xruns += one.Xruns
		}
		d := spreadOf(delays).median
		fmt.Fprintf(&b, "\nnullcard, feed → far speaker   %s ms (target ≤ %s ms: %s), %d underflows after the first second (target 0: %s)\n",
			ms(d), ms(callTarget), met(d <= callTarget), xruns, met(xruns == 0))
	}
	return b.String()
}
