package supervisor

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// exitCodes reads the rows of one table of docs/exit-codes.md.
func exitCodes(t *testing.T, heading string) map[string]int {
	t.Helper()
	doc, err := os.ReadFile("../docs/exit-codes.md")
	must(t, err)
	_, part, ok := strings.Cut(string(doc), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no heading %q", heading)
	}
	part, _, _ = strings.Cut(part, "\n## ")
	rows := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^\| (.+?) \| (\d+) \|$`).FindAllStringSubmatch(part, -1) {
		rows[m[1]], err = strconv.Atoi(m[2])
		must(t, err)
	}
	return rows
}

func TestDocumentedExitCodes(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	must(t, os.WriteFile(script, []byte("#!/does/not/exist\n"), 0o755))
	never := Restart{Policy: Never}
	storm := Restart{Storm: Storm{Failures: 3}}
	once := func(steps ...string) []Spec {
		return []Spec{{Name: "it", Command: self(steps...), Critical: true, Restart: never}}
	}
	program := func(command ...string) []Spec { return []Spec{{Name: "it", Command: command}} }
	type scenario struct {
		specs []Spec
		terms int // SIGTERMs, once a process has said "up"
	}
	scenarios := map[string]scenario{
		"a critical process ended with code 0":                    {specs: once("exit 0")},
		"a critical process ended with code 3":                    {specs: once("exit 3")},
		"a critical process was killed by SIGKILL":                {specs: once("die 9")},
		"a program does not exist":                                {specs: program("/does/not/exist")},
		"the interpreter of a script does not exist":              {specs: program(script)},
		"a program cannot be executed":                            {specs: program("/etc/passwd")},
		"the working directory does not exist":                    {specs: []Spec{{Name: "it", Command: self("exit 0"), Dir: dir + "/none"}}},
		"a user does not exist":                                   {specs: []Spec{{Name: "it", Command: self("exit 0"), Limits: Limits{User: "mr-x"}}}},
		"a process failed too often, the last time with code 6":   {specs: []Spec{{Name: "it", Command: self("exit 6"), Restart: storm}}},
		"a process failed too often, the last time by SIGHUP":     {specs: []Spec{{Name: "it", Command: self("die 1"), Restart: storm}}},
		"a process was never ready":                               {specs: []Spec{{Name: "it", Command: self("on 15 0", "sleep"), Ready: blocked, ReadyTimeout: 200 * time.Millisecond, Restart: Restart{Storm: Storm{Failures: 1}}}}},
		"nothing is left to run, and all ended with success":      {specs: []Spec{{Name: "it", Command: self("exit 0"), Restart: never}}},
		"nothing is left to run, and a process ended with code 5": {specs: []Spec{{Name: "it", Command: self("exit 5"), Restart: never}}},
		"SIGTERM, and all processes obeyed":                       {specs: once("say up", "sleep"), terms: 1},
		"SIGTERM, and the critical process ended with code 4":     {specs: once("on 15 4", "say up", "sleep"), terms: 1},
		"SIGTERM, and a process had to be killed":                 {specs: []Spec{{Name: "it", Command: self("ignore 15", "say up", "sleep"), Stop: Stop{Grace: 50 * time.Millisecond}}}, terms: 1},
		"SIGTERM twice": {specs: once("ignore 15", "say up", "sleep"), terms: 2},
	}
	table := exitCodes(t, "`nullcard run`, once processes run")
	for what := range scenarios {
		if _, ok := table[what]; !ok {
			t.Errorf("the table does not tell of %q", what)
		}
	}
	for what, code := range table {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, ok := scenarios[what]
			if !ok {
				t.Fatal("nothing tests this row")
			}
			r := begin(t, Options{}, s.specs...)
			if s.terms > 0 {
				r.said("up")
			}
			for range s.terms {
				r.signals <- syscall.SIGTERM
			}
			r.expect(code)
			if (code == 0) != (r.err == nil) {
				t.Errorf("exit code %d with error %v", code, r.err)
			}
		})
	}
}
