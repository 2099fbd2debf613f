package supervisor

import (
	"bytes"
)

// ring keeps the last TailLines lines, fewer when they hold more than
// tailBytes. Of a line that is longer alone, the begin is kept.
type ring struct {
	lines []Line // in order from at on, around the end
	at    int
	size  int
}

func (r *ring) add(l Line) {
	if len(l.Text) > tailBytes/4 {
		l.Text = append(bytes.Clone(l.Text[:tailBytes/4]), "…"...)
	}
	r.size += len(l.Text)
	if len(r.lines) < TailLines {
		r.lines = append(r.lines, l)
	} else {
		r.size -= len(r.lines[r.at].Text)
		r.lines[r.at] = l
		r.at = (r.at + 1) % TailLines
	}
	if r.size > tailBytes {
		keep := r.last(len(r.lines))
		for r.size > tailBytes*3/4 {
			r.size -= len(keep[0].Text)
			keep = keep[1:]
		}
		r.lines, r.at = append([]Line(nil), keep...), 0
	}
}

func (r *ring) last(n int) []Line {
	n = max(0, min(n, len(r.lines)))
	out := make([]Line, 0, n)
	for i := len(r.lines) - n; i < len(r.lines); i++ {
		out = append(out, r.lines[(r.at+i)%len(r.lines)])
	}
	return out
}
