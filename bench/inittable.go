package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// What nullcard is held to.
const (
	deliveryTarget = 5 * time.Millisecond // 99 of 100
	zombieTarget   = time.Second
	rssTarget      = 15 << 10 // KiB, with one caller
	cpuTarget      = 0.2      // % of a core
)

// percentile is the smallest sample that p of 100 do not exceed.
func percentile(samples []time.Duration, p int) time.Duration {
	s := slices.Sorted(slices.Values(samples))
	if len(s) == 0 {
		return 0
	}
	return s[(len(s)*p+99)/100-1]
}

func (u idleUse) cpu() float64 {
	return 100 * u.CPU.Seconds() / float64(max(u.Seconds, 1))
}

func (u idleUse) String() string {
	return fmt.Sprintf("%.1f MiB\t%.3f %%\t%.1f", float64(u.RSS)/1024, u.cpu(), float64(u.Wakeups)/float64(max(u.Seconds, 1)))
}

func initTable(o initOptions, results map[string]*initResult, d delivery, caller idleUse) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ms, median (range) of %d; zombies: p50, p99, longest of %d orphans' ages; idle for %d s\n\n", o.runs, o.children, o.idle)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tstart → child\tkill → respawn\tzombies\tRSS\tCPU\twake-ups/s\t")
	for _, p := range peers {
		r := results[p.name]
		zombies := "–"
		if len(r.Zombie) > 0 {
			zombies = fmt.Sprintf("%s, %s, %s", ms(percentile(r.Zombie, 50)), ms(percentile(r.Zombie, 99)), ms(percentile(r.Zombie, 100)))
		}
		if r.Late > 0 {
			zombies += fmt.Sprintf(", %d never", r.Late)
		}
		fmt.Fprintf(w, "%s\t%v\t%v\t%s\t%v\t\n", p.name, spreadOf(r.Start), spreadOf(r.Respawn), zombies, r.Idle)
	}
	fmt.Fprintf(w, "nullcard run, PulseAudio and a caller\t\t\t\t%v\t\n", caller)
	_ = w.Flush() // a strings.Builder takes all

	p99 := percentile(d.Delivery, 99)
	fmt.Fprintf(&b, "\nnullcard's supervisor, %d children that leave %d orphans: %d statuses lost or wrong (target 0: %s)\n",
		len(d.Delivery)+d.Wrong, d.Orphans, d.Wrong, met(d.Wrong == 0))
	fmt.Fprintf(&b, "a child's end (by its pidfd) → its owner has the status: p50 %s, p99 %s ms (target ≤ %s ms: %s); → its group is seen to be empty: p50 %s, p99 %s ms\n",
		ms(percentile(d.Delivery, 50)), ms(p99), ms(deliveryTarget), met(p99 <= deliveryTarget), ms(percentile(d.Final, 50)), ms(percentile(d.Final, 99)))
	fmt.Fprintf(&b, "oldest zombie: %s ms (target ≤ %s ms: %s)\n", ms(d.Oldest), ms(zombieTarget), met(d.Oldest <= zombieTarget))
	fmt.Fprintf(&b, "memory with one caller: %.1f MiB (target ≤ %d MiB: %s); CPU %.3f %% (target ≤ %.1f %%: %s)\n",
		float64(caller.RSS)/1024, rssTarget/1024, met(caller.RSS <= rssTarget), caller.cpu(), cpuTarget, met(caller.cpu() <= cpuTarget))
	return b.String()
}
