//go:build pulse

package audio

import (
	"strings"
	"testing"
)

// TestSetupAndTeardown makes and removes devices on a server that nobody
// watches and on which another has set the defaults, twice each.
func TestSetupAndTeardown(t *testing.T) {
	s, _ := startServer(t, Device{Name: "theirs"})
	s.Close()
	c := dial(t, s)
	a, b := Device{Name: "a"}, Device{Name: "b", Rate: 48000, Channels: 2}
	standing := func() string {
		t.Helper()
		list, err := List(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := Measure(t.Context(), c, list); err != nil {
			t.Fatal(err)
		}
		if err := ProveIdle(t.Context(), c, list); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, d := range list {
			if d.Whole() && d.Proof != nil && d.Speaker.Level != nil && d.Mic.Level != nil {
				names = append(names, d.Name)
			}
		}
		return strings.Join(names, " ")
	}
	for _, tt := range []struct {
		name    string
		do      func() ([]string, error)
		changes int
		left    string
	}{
		{"set up both", func() ([]string, error) { return Setup(t.Context(), c, []Device{a, b}) }, 6, "a b theirs"},
		{"once more", func() ([]string, error) { return Setup(t.Context(), c, []Device{a, b}) }, 0, "a b theirs"},
		{"remove one", func() ([]string, error) { return Teardown(t.Context(), c, "a") }, 3, "b theirs"},
		{"once more", func() ([]string, error) { return Teardown(t.Context(), c, "a") }, 0, "b theirs"},
		{"set up one", func() ([]string, error) { return Setup(t.Context(), c, []Device{a}) }, 3, "a b theirs"},
		{"mute and set up", func() ([]string, error) {
			pactl(t, s, "set-source-mute", "a_mic", "1")
			return Setup(t.Context(), c, []Device{a})
		}, 1, "a b theirs"},
		{"remove all", func() ([]string, error) { return Teardown(t.Context(), c) }, 9, ""},
	} {
		changes, err := tt.do()
		if err != nil || len(changes) != tt.changes {
			t.Errorf("%s: %d changes (%s), %v; want %d", tt.name, len(changes), strings.Join(changes, ", "), err, tt.changes)
		}
		if got := standing(); got != tt.left {
			t.Errorf("%s: %q stand and carry sound, want %q", tt.name, got, tt.left)
		}
		if info := pactl(t, s, "info"); tt.left != "" && !strings.Contains(info, "Default Sink: theirs_speaker") {
			t.Errorf("%s changed the default:\n%s", tt.name, info)
		}
	}
}
