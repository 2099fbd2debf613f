package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// tree writes a project's files and returns its root.
func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		"docker-bake.hcl":          "bake",
		"Dockerfile.base":          "FROM debian",
		"Dockerfile.app":           "FROM base",
		"integration/Dockerfile":   "FROM app",
		"integration/suite.go":     "package integration",
		".dockerignore":            "*\n!go.mod\n!entrypoint\n!images/rootfs\n**/*_test.go\n",
		"go.mod":                   "module m",
		"entrypoint/main.go":       "package main",
		"entrypoint/main_test.go":  "package main",
		"entrypoint/deep/deep.go":  "package deep",
		"images/main.go":           "package main",
		"images/rootfs/etc/x.conf": "x",
		"README.md":                "read",
	} {
		write(t, root, name, content)
	}
	return root
}

func write(t *testing.T, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestContextFiles(t *testing.T) {
	files, err := contextFiles(tree(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"entrypoint/deep/deep.go", "entrypoint/main.go", "go.mod", "images/rootfs/etc/x.conf"}
	if !slices.Equal(files, want) {
		t.Errorf("context %v, want %v", files, want)
	}
}

func TestInputs(t *testing.T) {
	all := []string{"app", "base", "pjsua2", "testtools"}
	tests := []struct {
		name    string
		change  func(t *testing.T, root string)
		debian  string
		setting []string
		changed []string
	}{
		{name: "nothing"},
		{name: "a source", change: func(t *testing.T, root string) { write(t, root, "entrypoint/main.go", "package main // new") }, changed: all},
		{name: "a new source", change: func(t *testing.T, root string) { write(t, root, "entrypoint/new.go", "package main") }, changed: all},
		{name: "a file in the image", change: func(t *testing.T, root string) { write(t, root, "images/rootfs/etc/x.conf", "y") }, changed: all},
		{name: "a test", change: func(t *testing.T, root string) { write(t, root, "entrypoint/main_test.go", "package main // new") }},
		{name: "the toolkit", change: func(t *testing.T, root string) { write(t, root, "images/main.go", "package main // new") }},
		{name: "the bake file", change: func(t *testing.T, root string) { write(t, root, "docker-bake.hcl", "new") }, changed: all},
		{name: "Dockerfile.base", change: func(t *testing.T, root string) { write(t, root, "Dockerfile.base", "FROM x") }, changed: all},
		{name: "Dockerfile.app", change: func(t *testing.T, root string) { write(t, root, "Dockerfile.app", "FROM x") }, changed: []string{"app", "pjsua2", "testtools"}},
		{name: "the test tools", change: func(t *testing.T, root string) { write(t, root, "integration/Dockerfile", "FROM x") }, changed: []string{"testtools"}},
		{name: "a mode", change: func(t *testing.T, root string) {
			if err := os.Chmod(filepath.Join(root, "images/rootfs/etc/x.conf"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, changed: all},
		{name: "content moved from file to file", change: func(t *testing.T, root string) {
			write(t, root, "entrypoint/main.go", "package main\n")
			write(t, root, "go.mod", "module ")
		}, changed: all},
		{name: "the Debian image", debian: "sha256:2", changed: all},
		{name: "a setting", setting: []string{"VERSION=2"}, changed: all},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := tree(t)
			before, err := inputs(root, "sha256:1", nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.change != nil {
				test.change(t, root)
			}
			if test.debian == "" {
				test.debian = "sha256:1"
			}
			after, err := inputs(root, test.debian, test.setting)
			if err != nil {
				t.Fatal(err)
			}
			var changed []string
			for _, name := range slices.Sorted(maps.Keys(after)) {
				if before[name] != after[name] {
					changed = append(changed, name)
				}
			}
			if !slices.Equal(changed, test.changed) {
				t.Errorf("changed %v, want %v", changed, test.changed)
			}
		})
	}
}

func TestInputsOfThisProject(t *testing.T) {
	root, err := projectRoot()
	if err != nil {
		t.Fatal(err)
	}
	files, err := contextFiles(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"go.mod", "entrypoint/main.go", "supervisor/spec.go", "images/closure.sh"} {
		if !slices.Contains(files, want) {
			t.Errorf("the build context lacks %s", want)
		}
	}
	for _, file := range files {
		if filepath.Ext(file) == ".md" || file == "images/main.go" {
			t.Errorf("the build context has %s, so a change of it would build the images again", file)
		}
	}
	if _, err := inputs(root, "", nil); err != nil {
		t.Error(err)
	}
}
