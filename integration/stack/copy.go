package stack

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
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

// upload extracts at the root, where missing directories are made, or in the
// volume that the file belongs to, which is all that a read-only container
// takes. (To extract in the file's own directory would need that to exist; for
// a larger file Docker then hangs up while it is still being sent.)
func (c *Container) upload(ctx context.Context, f file) error {
	root := "/"
	for _, v := range c.volumes {
		if strings.HasPrefix(f.path, v+"/") {
			root = v
		}
	}
	name := f.path
	f.path = strings.TrimPrefix(strings.TrimPrefix(f.path, root), "/")
	archive, err := pack(f)
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", name, err)
	}
	err = c.stack.client.UploadToContainer(c.ID, docker.UploadToContainerOptions{
		InputStream: bytes.NewReader(archive), Path: root, Context: ctx,
	})
	if err != nil {
		return fmt.Errorf("cannot put %s into container %s: %w", name, c.Name, err)
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
