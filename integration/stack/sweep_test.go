package stack

import (
	"os"
	"testing"
	"time"
)

func TestOrphaned(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	made := func(age time.Duration) string { return now.Add(-age).Format(time.RFC3339) }
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	self := ownerOf(os.Getpid())
	tests := []struct {
		name   string
		labels map[string]string
		want   bool
	}{
		{"another tool's", map[string]string{runLabel: "x"}, false},
		{"ours", map[string]string{ownerLabel: self, madeLabel: made(100 * time.Hour)}, false},
		{"a pid used again", map[string]string{ownerLabel: self + "0", madeLabel: made(0)}, true},
		{"a pid that is gone", map[string]string{ownerLabel: host + "/4194399/1", madeLabel: made(0)}, true},
		{"another host, young", map[string]string{ownerLabel: "elsewhere/1/1", madeLabel: made(time.Hour)}, false},
		{"another host, old", map[string]string{ownerLabel: "elsewhere/1/1", madeLabel: made(3 * time.Hour)}, true},
		{"another host, undated", map[string]string{ownerLabel: "elsewhere/1/1"}, false},
	}
	for _, tt := range tests {
		if got := orphaned(tt.labels, now); got != tt.want {
			t.Errorf("%s: orphaned = %v, want %v", tt.name, got, tt.want)
		}
	}
}
