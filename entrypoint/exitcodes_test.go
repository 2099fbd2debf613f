package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// exitCodes reads the rows of one table of docs/exit-codes.md.
func exitCodes(t *testing.T, heading string) map[string]int {
	t.Helper()
	doc, err := os.ReadFile("../docs/exit-codes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, ok := strings.Cut(string(doc), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no heading %q", heading)
	}
	part, _, _ = strings.Cut(part, "\n## ")
	rows := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^\| (.+?) \| (\d+) \|$`).FindAllStringSubmatch(part, -1) {
		if rows[m[1]], err = strconv.Atoi(m[2]); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

// checkRows runs the command line of each row of a table.
func checkRows(t *testing.T, rows map[string]int, commands map[string][]string) {
	for what := range commands {
		if _, ok := rows[what]; !ok {
			t.Errorf("the table does not tell of %q", what)
		}
	}
	for what, code := range rows {
		t.Run(what, func(t *testing.T) {
			args, ok := commands[what]
			if !ok {
				t.Fatal("nothing tests this row")
			}
			if got, _, errout := nullcard(t, args...); got != code {
				t.Errorf("exit code %d, want %d; %s", got, code, errout)
			}
		})
	}
}

func TestDocumentedExitCodesOfCommands(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("nonsense: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NULLCARD_RUNTIME_DIR", file) // no directory can be made there
	checkRows(t, exitCodes(t, "Before processes run, and other commands"), map[string][]string{
		"the command did what it should":       {"version"},
		"the command failed":                   {"status"},
		"a command line that makes no sense":   {"run", "--nonsense"},
		"the runtime directory cannot be used": {"run", "--", "true"},
		"a configuration that makes no sense":  {"run", "--config", file},
	})
}

func TestDocumentedExitCodesOfInit(t *testing.T) {
	checkRows(t, exitCodes(t, "`nullcard init`"), map[string][]string{
		"the command ended with a code or by a signal named with -e": {"init", "-s", "-e", "7", "sh", "-c", "exit 7"},
		"the command cannot be executed":                             {"init", "-s", "/etc/passwd"},
		"the command does not exist":                                 {"init", "-s", "no-such-program"},
		"no command, or flags that make no sense":                    {"init", "-x"},
	})
}
