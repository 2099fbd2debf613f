package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestProcessProblems(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		says []string // none if it is fine
	}{
		"everything": {`
user: nobody
group: audio
groups: [video, "7"]
umask: "027"
nice: -5
rlimits: {nofile: "1024:4096", core: unlimited}
success_exit_codes: [0, 143]
ready: {tcp: "127.0.0.1:80", timeout: 5s}
health: {http: "http://127.0.0.1/healthz", interval: 1s, timeout: 1s, failures: 2, grace: 5s, action: exit}
stop: {signal: INT, grace: 2s}
`, nil},
		"nothing":        {`{}`, nil},
		"line":           {`ready: {line: "^ready"}`, nil},
		"oneshot":        {`oneshot: true`, nil},
		"umask":          {`umask: "999"`, []string{"it.umask"}},
		"nice":           {`nice: 20`, []string{"it.nice"}},
		"rlimits":        {`rlimits: {files: "1", core: many}`, []string{`no limit "files"`, "it.rlimits.core"}},
		"exit codes":     {`success_exit_codes: [256]`, []string{"success_exit_codes: 256"}},
		"env file":       {`env_files: [/does/not/exist]`, []string{"env_files: cannot read it"}},
		"two ways":       {`ready: {tcp: "a:1", line: x}`, []string{"it.ready: give one of"}},
		"bad ways":       {`ready: {exec: [""]}`, []string{"ready.exec"}},
		"bad tcp":        {`health: {tcp: localhost}`, []string{"health.tcp"}},
		"bad http":       {`health: {http: "localhost:80"}`, []string{"health.http"}},
		"bad line":       {`ready: {line: "("}`, []string{"ready.line"}},
		"descriptor":     {`ready: {notify_fd: 2}`, []string{"notify_fd"}},
		"negative":       {`{ready: {timeout: -1s}, health: {interval: -1s, failures: -1}, stop: {grace: -1s}}`, []string{"ready.timeout", "health.interval", "health.failures", "stop.grace"}},
		"action":         {`health: {action: explode}`, []string{"health.action"}},
		"signal":         {`stop: {signal: BOOM}`, []string{"stop.signal"}},
		"oneshot, ready": {`{oneshot: true, ready: {line: x}, health: {tcp: "a:1"}}`, []string{"it.ready", "it.health"}},
	} {
		t.Run(name, func(t *testing.T) {
			var a Process
			d := yaml.NewDecoder(strings.NewReader(c.text))
			d.KnownFields(true)
			if err := d.Decode(&a); err != nil {
				t.Fatal(err)
			}
			var p problems
			a.validate(&p, "it")
			err := p.err()
			if (err == nil) != (c.says == nil) {
				t.Fatalf("problems: %v", err)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("problems %v do not say %q", err, s)
				}
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("# comment\nA=from file\n\nLANG\nEMPTY=\nQUOTED=\"as it stands\" \r\nUNSET\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	inherited := []string{"PATH=/bin", "LANG=C", "A=inherited", "SECRET=x"}
	for name, c := range map[string]struct {
		process Process
		want    []string
	}{
		"inherited": {Process{}, inherited},
		"clean":     {Process{CleanEnv: true}, []string{"PATH=/bin"}},
		"file":      {Process{CleanEnv: true, EnvFiles: []string{file}}, []string{"PATH=/bin", "A=from file", "LANG=C", "EMPTY=", `QUOTED="as it stands" `}},
		"user":      {Process{CleanEnv: true, User: "root"}, []string{"PATH=/bin", "HOME=/root", "USER=root", "LOGNAME=root"}},
		"number":    {Process{CleanEnv: true, User: "12345"}, []string{"PATH=/bin"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.process.Environment(inherited)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
	for _, bad := range []string{"=x", "A B=c", "A=\x00"} {
		if got, err := parseEnvFile([]byte(bad), nil); err == nil {
			t.Errorf("%q was taken as %q", bad, got)
		}
	}
}

func FuzzEnvFile(f *testing.F) {
	f.Add([]byte("A=b\n#c\nD"))
	f.Fuzz(func(t *testing.T, text []byte) {
		env, err := parseEnvFile(text, []string{"D=e"})
		if err != nil {
			return
		}
		for _, kv := range env {
			if key, _, ok := strings.Cut(kv, "="); !ok || key == "" || strings.ContainsAny(kv, "\x00\n") {
				t.Errorf("%q gave %q", text, kv)
			}
		}
	})
}
