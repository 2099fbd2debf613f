//go:build !pjsua

package caller

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The table in docs/caller.md is what scripts rely on.
func TestJobExitCodes(t *testing.T) {
	doc, err := os.ReadFile("../docs/caller.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| ([\d, ]+) \| [^|]+ \| (\d+) \|$`).FindAllStringSubmatch(string(doc), -1)
	if len(rows) != 8 {
		t.Fatalf("%d rows in docs/caller.md, want 8", len(rows))
	}
	for _, row := range rows {
		for status := range strings.SplitSeq(row[1], ", ") {
			c := Call{State: Disconnected, Code: number(status)}
			if got, want := c.ExitCode(), number(row[2]); got != want {
				t.Errorf("SIP %s ends with %d, in docs/caller.md with %d", status, got, want)
			}
		}
	}
	if got := (Call{State: Confirmed, Code: 200}).ExitCode(); got != ExitUnavailable {
		t.Errorf("a call that was lost ends with %d, want %d", got, ExitUnavailable)
	}
}
