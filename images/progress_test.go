package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func at(seconds float64) string {
	return time.Date(2000, 1, 1, 0, 0, 0, int(seconds*1e9), time.UTC).Format(time.RFC3339Nano)
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := newProgress(&out)
		lines := []string{
			fmt.Sprintf(`{"vertexes":[{"digest":"a","name":"[base 1/3] RUN --mount=type=cache,id=x   apt-get update","started":%q}]}`, at(0)),
			fmt.Sprintf(`{"vertexes":[{"digest":"b","name":"[base 2/3] COPY a b","started":%q,"completed":%q,"cached":true}]}`, at(0), at(1)),
			fmt.Sprintf(`{"vertexes":[{"digest":"a","name":"[base 1/3] RUN apt-get","started":%q,"completed":%q}]}`, at(0), at(2.5)),
			fmt.Sprintf(`{"vertexes":[{"digest":"a","name":"[app 1/3] the same again","started":%q,"completed":%q}]}`, at(0), at(2.5)),
			fmt.Sprintf(`{"vertexes":[{"digest":"c","name":"[base 3/3] RUN make","started":%q}]}`, at(3)),
			`{"logs":[{"vertex":"c","data":"Y2M6IGVycm9yCg=="}]}`, // "cc: error"
			fmt.Sprintf(`{"vertexes":[{"digest":"c","name":"[base 3/3] RUN make","started":%q,"completed":%q,"error":"exit code: 2"}]}`, at(3), at(4)),
			`ERROR: failed to build: exit code: 2`,
		}
		text := strings.Join(lines, "\n") + "\n"
		// However the stream is cut.
		for len(text) > 0 {
			n := min(7, len(text))
			if _, err := p.Write([]byte(text[:n])); err != nil {
				t.Fatal(err)
			}
			text = text[n:]
		}
		p.close()
		want := "    2.5s  [base 1/3] RUN apt-get update\n      1s  [base 3/3] RUN make\n"
		if out.String() != want {
			t.Errorf("printed %q, want %q", out.String(), want)
		}
		if failed := p.failed.String(); failed != "  cc: error\nERROR: failed to build: exit code: 2\n" {
			t.Errorf("kept for the failure: %q", failed)
		}
	})
}

func TestProgressReminds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := newProgress(&out)
		fmt.Fprintf(p, `{"vertexes":[{"digest":"a","name":"[app] RUN make","started":%q}]}`+"\n", at(0))
		time.Sleep(quiet + 2*time.Second)
		p.close()
		// synctest's clock starts at 2000-01-01, as at does; the reminder comes with the tick after quiet.
		if got, want := out.String(), "    15s…  [app] RUN make\n"; got != want {
			t.Errorf("printed %q, want %q", got, want)
		}
	})
}

func TestShorten(t *testing.T) {
	long := shorten("RUN " + strings.Repeat("ö", 200))
	if n := len([]rune(long)); n != nameWidth || !strings.HasSuffix(long, "…") {
		t.Errorf("%d characters: %q", n, long)
	}
}

func TestCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		c := &counter{out: &out, start: time.Now(), last: time.Now(), total: 3}
		fmt.Fprint(c, "go: downloading example.com/m v1.0.0\nruntime\ninternal/")
		time.Sleep(11 * time.Second)
		fmt.Fprint(c, "abi\n# example.com/m\nm.go:1:2: undefined: x\n")
		if got, want := out.String(), "  11s: 2 of 3 packages compiled\n"; got != want {
			t.Errorf("printed %q, want %q", got, want)
		}
		if got, want := c.problems.String(), "# example.com/m\nm.go:1:2: undefined: x\n"; got != want {
			t.Errorf("problems %q, want %q", got, want)
		}
	})
}
