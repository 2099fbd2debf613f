package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestField(t *testing.T) {
	file := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(file, []byte("Name:\tnullcard\nVmRSS:\t    9164 kB\nvoluntary_ctxt_switches:\t133\nnonvoluntary_ctxt_switches:\t7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"VmRSS": 9164, "voluntary_ctxt_switches": 133, "nonvoluntary_ctxt_switches": 7} {
		if got, err := field(file, name); got != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", name, got, err, want)
		}
	}
	for _, name := range []string{"Name", "VmSwap"} {
		if _, err := field(file, name); err == nil {
			t.Errorf("no error for %s", name)
		}
	}
}

func TestOrphansAreReaped(t *testing.T) {
	// The test's parent is not PID 1's concern: only that all are accounted for.
	r, err := orphans(3)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.Zombie) + r.Late; n != 3 {
		t.Errorf("%d of 3 orphans accounted for", n)
	}
}
