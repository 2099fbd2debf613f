package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layoutTag names the one image of a layout that saveLayout made.
const layoutTag = "latest"

// saveLayout writes an image that the engine holds as an OCI image layout,
// which a builder other than the engine's can be given, and returns its
// directory. It is kept in the cache by the image's id.
func saveLayout(ctx context.Context, d docker, image, id, cache string) (string, error) {
	parent := filepath.Join(cache, "layout")
	dir := filepath.Join(parent, digest.Digest(id).Encoded())
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	// Layouts of earlier images are of no more use.
	if err := os.RemoveAll(parent); err != nil {
		return "", fmt.Errorf("cannot clean the cache: %w", err)
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("cannot write to the cache: %w", err)
	}
	partial, err := os.MkdirTemp(parent, "partial-")
	if err != nil {
		return "", fmt.Errorf("cannot write to the cache: %w", err)
	}
	defer os.RemoveAll(partial)

	cmd := exec.CommandContext(ctx, d.path, "save", image)
	archive, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("cannot run docker save: %w", err)
	}
	err = writeLayout(archive, partial)
	if err == nil {
		// What follows the last entry must be read, or docker ends by SIGPIPE.
		_, err = io.Copy(io.Discard, archive)
	}
	archive.Close()
	if waitErr := cmd.Wait(); waitErr != nil && err == nil {
		err = waitErr
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("cannot take %s from the engine: %w", image, err)
	}
	if err := os.Rename(partial, dir); err != nil {
		return "", fmt.Errorf("cannot write to the cache: %w", err)
	}
	return dir, nil
}

// writeLayout turns an archive of `docker save` with one image into an OCI
// image layout in dir. Configuration and layers are taken over as they are;
// only the manifest differs between the formats.
func writeLayout(archive io.Reader, dir string) error {
	blobs := filepath.Join(dir, ocispec.ImageBlobsDir, digest.SHA256.String())
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return err
	}
	saved := map[string]ocispec.Descriptor{} // by name in the archive
	links := map[string]string{}             // older engines save a layer that repeats as a link
	var index []struct {
		Config string
		Layers []string
	}
	reader := tar.NewReader(archive)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("cannot read the archive: %w", err)
		}
		switch {
		case header.Name == "manifest.json":
			if err := json.NewDecoder(reader).Decode(&index); err != nil {
				return fmt.Errorf("cannot read the archive's manifest: %w", err)
			}
		case header.Typeflag == tar.TypeSymlink:
			links[header.Name] = path.Join(path.Dir(header.Name), header.Linkname)
		case header.Typeflag == tar.TypeReg:
			blob, err := writeBlob(blobs, reader)
			if err != nil {
				return err
			}
			saved[header.Name] = blob
		}
	}
	if len(index) != 1 {
		return fmt.Errorf("the archive holds %d images, not one", len(index))
	}

	find := func(name, mediaType string) (ocispec.Descriptor, error) {
		if target, ok := links[name]; ok {
			name = target
		}
		blob, ok := saved[name]
		if !ok {
			return blob, fmt.Errorf("the archive lacks %s", name)
		}
		blob.MediaType = mediaType
		return blob, nil
	}
	config, err := find(index[0].Config, ocispec.MediaTypeImageConfig)
	if err != nil {
		return err
	}
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    config,
	}
	for _, name := range index[0].Layers {
		layer, err := find(name, ocispec.MediaTypeImageLayer)
		if err != nil {
			return err
		}
		if layer.MediaType, err = layerType(filepath.Join(blobs, layer.Digest.Encoded())); err != nil {
			return err
		}
		manifest.Layers = append(manifest.Layers, layer)
	}
	return writeIndex(dir, blobs, manifest)
}

// layerType tells a compressed layer, as engines with containerd's store save
// them, from a plain one.
func layerType(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	var magic [4]byte
	if _, err := io.ReadFull(file, magic[:]); err != nil {
		return "", fmt.Errorf("cannot read a layer: %w", err)
	}
	switch {
	case magic[0] == 0x1f && magic[1] == 0x8b:
		return ocispec.MediaTypeImageLayerGzip, nil
	case magic == [4]byte{0x28, 0xb5, 0x2f, 0xfd}:
		return ocispec.MediaTypeImageLayerZstd, nil
	}
	return ocispec.MediaTypeImageLayer, nil
}

// writeIndex completes a layout whose blobs stand with its manifest and index.
func writeIndex(dir, blobs string, manifest ocispec.Manifest) error {
	encoded, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	blob, err := writeBlob(blobs, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	blob.MediaType = ocispec.MediaTypeImageManifest
	blob.Annotations = map[string]string{ocispec.AnnotationRefName: layoutTag}
	for name, value := range map[string]any{
		ocispec.ImageIndexFile: ocispec.Index{
			Versioned: specs.Versioned{SchemaVersion: 2},
			MediaType: ocispec.MediaTypeImageIndex,
			Manifests: []ocispec.Descriptor{blob},
		},
		ocispec.ImageLayoutFile: ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion},
	} {
		content, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeBlob stores content under its digest.
func writeBlob(blobs string, content io.Reader) (ocispec.Descriptor, error) {
	file, err := os.CreateTemp(blobs, "partial-")
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer os.Remove(file.Name())
	digester := digest.SHA256.Digester()
	size, err := io.Copy(io.MultiWriter(file, digester.Hash()), content)
	if err = errors.Join(err, file.Close()); err != nil {
		return ocispec.Descriptor{}, err
	}
	sum := digester.Digest()
	if err := os.Rename(file.Name(), filepath.Join(blobs, sum.Encoded())); err != nil {
		return ocispec.Descriptor{}, err
	}
	return ocispec.Descriptor{Digest: sum, Size: size}, nil
}
