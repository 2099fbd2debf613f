package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

type entry struct{ name, content, link string }

func archive(t *testing.T, entries ...entry) *bytes.Buffer {
	t.Helper()
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.content)), Typeflag: tar.TypeReg}
		if e.link != "" {
			header.Typeflag, header.Linkname = tar.TypeSymlink, e.link
		}
		if err := writer.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return &buffer
}

func TestWriteLayout(t *testing.T) {
	dir := t.TempDir()
	err := writeLayout(archive(t,
		entry{name: "a/layer.tar", content: "first layer"},
		entry{name: "b/layer.tar", link: "../a/layer.tar"},
		entry{name: "c/layer.tar", content: "\x1f\x8b\x08\x00 compressed"},
		entry{name: "config.json", content: `{"os":"linux"}`},
		entry{name: "manifest.json", content: `[{"Config":"config.json","RepoTags":["debian:trixie-slim"],"Layers":["a/layer.tar","b/layer.tar","c/layer.tar"]}]`},
		entry{name: "repositories", content: "{}"},
	), dir)
	if err != nil {
		t.Fatal(err)
	}

	var index ocispec.Index
	read(t, filepath.Join(dir, "index.json"), &index)
	var layout ocispec.ImageLayout
	read(t, filepath.Join(dir, "oci-layout"), &layout)
	if layout.Version != "1.0.0" || len(index.Manifests) != 1 || index.Manifests[0].Annotations[ocispec.AnnotationRefName] != layoutTag {
		t.Fatalf("layout %+v, index %+v", layout, index)
	}
	var manifest ocispec.Manifest
	blob(t, dir, index.Manifests[0], &manifest)
	var config struct{ OS string }
	blob(t, dir, manifest.Config, &config)
	if config.OS != "linux" {
		t.Errorf("config %+v", config)
	}
	var types []string
	for _, layer := range manifest.Layers {
		blob(t, dir, layer, nil)
		types = append(types, strings.TrimPrefix(layer.MediaType, "application/vnd.oci.image.layer.v1."))
	}
	if got := strings.Join(types, " "); got != "tar tar tar+gzip" {
		t.Errorf("layers %s", got)
	}
	if manifest.Layers[0].Digest != manifest.Layers[1].Digest {
		t.Error("a layer that repeats as a link became another layer")
	}
}

func TestWriteLayoutRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		content *bytes.Buffer
		want    string
	}{
		"no image":      {archive(t, entry{name: "repositories", content: "{}"}), "0 images"},
		"two images":    {archive(t, entry{name: "manifest.json", content: "[{},{}]"}), "2 images"},
		"a lost config": {archive(t, entry{name: "manifest.json", content: `[{"Config":"c.json"}]`}), "lacks c.json"},
		"a lost layer": {archive(t, entry{name: "c.json", content: "{}"},
			entry{name: "manifest.json", content: `[{"Config":"c.json","Layers":["x/layer.tar"]}]`}), "lacks x/layer.tar"},
		"no archive":   {bytes.NewBufferString(strings.Repeat("no tar ", 200)), "cannot read the archive"},
		"cut in half":  {bytes.NewBuffer(archive(t, entry{name: "a", content: strings.Repeat("x", 4096)}).Bytes()[:1024]), "unexpected EOF"},
		"bad manifest": {archive(t, entry{name: "manifest.json", content: "{"}), "cannot read the archive's manifest"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := writeLayout(test.content, t.TempDir()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func read(t *testing.T, path string, value any) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, value); err != nil {
		t.Fatal(err)
	}
}

// blob checks a blob against its descriptor and decodes it to value, if there is one.
func blob(t *testing.T, dir string, d ocispec.Descriptor, value any) {
	t.Helper()
	path := filepath.Join(dir, "blobs", "sha256", d.Digest.Encoded())
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if digest.FromBytes(content) != d.Digest || int64(len(content)) != d.Size {
		t.Errorf("blob %s has other content", d.Digest)
	}
	if value != nil {
		read(t, path, value)
	}
}
