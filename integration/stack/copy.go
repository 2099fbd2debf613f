package stack

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/ory/dockertest/v3/docker"
)

// CopyIn writes a file into the container, readable by all. Docker refuses it
// in a read-only container, and it does not reach a tmpfs: use Exec with Stdin
// there.
func (c *Container) CopyIn(ctx context.Context, path string, content []byte) {
	c.stack.t.Helper()
	if err := c.upload(ctx, file{path, string(content), 0o444, 0}); err != nil {
		c.stack.t.Fatalf("%v", err)
	}
}

// upload makes missing directories, except where the root is read-only and
// the directory is a volume, which exists.
func (c *Container) upload(ctx context.Context, f file) error {
	archive, err := pack(file{path.Base(f.path), f.content, f.mode, f.uid})
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", f.path, err)
	}
	err = c.stack.client.UploadToContainer(c.ID, docker.UploadToContainerOptions{
		InputStream: bytes.NewReader(archive), Path: path.Dir(f.path), Context: ctx,
	})
	if err != nil && gone(err) {
		f.path = strings.TrimPrefix(f.path, "/")
		if archive, err = pack(f); err != nil {
			return fmt.Errorf("cannot pack %s: %w", f.path, err)
		}
		err = c.stack.client.UploadToContainer(c.ID, docker.UploadToContainerOptions{
			InputStream: bytes.NewReader(archive), Path: "/", Context: ctx,
		})
	}
	if err != nil {
		return fmt.Errorf("cannot put %s into container %s: %w", f.path, c.Name, err)
	}
	return nil
}

func pack(f file) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err := w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Uid: f.uid, Gid: f.uid, Size: int64(len(f.content)),
	})
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, f.content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// CopyOut reads a file from the container, also from one that has ended. It
// does not see a tmpfs.
func (c *Container) CopyOut(ctx context.Context, path string) []byte {
	c.stack.t.Helper()
	content, err := c.download(ctx, path)
	if err != nil {
		c.stack.t.Fatalf("cannot copy %s out of container %s: %v", path, c.Name, err)
	}
	return content
}

func (c *Container) download(ctx context.Context, path string) ([]byte, error) {
	var archive bytes.Buffer
	err := c.stack.client.DownloadFromContainer(c.ID, docker.DownloadFromContainerOptions{
		OutputStream: &archive, Path: path, Context: ctx,
	})
	if err != nil {
		return nil, err
	}
	r := tar.NewReader(&archive)
	h, err := r.Next()
	if err != nil {
		return nil, err
	}
	if h.Typeflag != tar.TypeReg {
		return nil, fmt.Errorf("it is not a regular file but of type %q", h.Typeflag)
	}
	return io.ReadAll(r)
}
