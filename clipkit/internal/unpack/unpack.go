// Package unpack unpacks an archive from outside into a folder: zip, tar, and tar with gzip.
//
//	files, err := unpack.Into(ctx, "MUGE.zip", "MUGE.unpacking", unpack.Options{})
//
// # Limits on outside bytes
//
// Only folders and regular files come out, at paths inside the folder (os.Root sees to it as well), under names that are not there yet. Links, devices,
// encrypted entries, paths that lead out, entries that share bytes, and archives that grow beyond all likelihood are ErrArchive, with the entry's name.
// Where a zip says how much it unpacks to, the disk must have the room. Sizes are counted as bytes are written, whatever the archive claims; a zip's
// checksums are compared. What was unpacked before an error stays in the folder, which the caller removes.
package unpack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"clipnb/clipkit/internal/regular"
)

// ErrArchive is wrapped for an archive that is damaged, is of another kind, or holds what is not unpacked.
var ErrArchive = errors.New("not an archive that can be unpacked")

// Options of Into; all may be left out.
type Options struct {
	MaxFiles int                             // entries, folders included; 0 is 200,000
	MaxBytes int64                           // of all files; 0 is 256 GiB
	Progress func(done, total int64)         // bytes; of a zip those written, of a tar those read
	Free     func(dir string) (int64, error) // what the disk has left; nil asks the system
}

const (
	maxRatio    = 50       // times that an archive may grow,
	alwaysFits  = 16 << 20 // beyond so many bytes
	maxName     = 1024     // bytes of an entry's path
	maxDepth    = 16       // folders in it
	maxTogether = 64 << 20 // bytes of a zip's directory
)

// Into unpacks the archive into a folder that is there and gives the number of files. The archive's first bytes tell its kind, not its name.
func Into(ctx context.Context, archive, folder string, o Options) (files int, err error) {
	f, err := regular.Open(archive)
	if err != nil {
		return 0, fmt.Errorf("unpacking: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("unpacking: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return 0, fmt.Errorf("unpacking %s: %w", archive, err)
	}
	defer root.Close()
	if o.MaxFiles == 0 {
		o.MaxFiles = 200_000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 30
	}
	w := &writer{ctx: ctx, root: root, folder: folder, o: o, left: min(o.MaxBytes, max(alwaysFits, maxRatio*info.Size()))}
	var start [4]byte
	n, err := f.ReadAt(start[:], 0)
	switch s := string(start[:n]); {
	case err != nil && err != io.EOF:
	case strings.HasPrefix(s, "PK"):
		err = w.zip(f, info.Size())
	default:
		err = w.tar(f, info.Size(), strings.HasPrefix(s, "\x1f\x8b"))
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		err = fmt.Errorf("unpacking %s: the disk of %s is full, make room and try again: %w", archive, folder, err)
	case err != nil:
		err = fmt.Errorf("unpacking %s: %w", archive, err)
	}
	return w.files, err
}

// writer makes files and counts what it makes.
type writer struct {
	ctx    context.Context
	root   *os.Root
	folder string
	o      Options
	left   int64 // bytes that may still be written
	done   int64
	items  int
	files  int
}

func refused(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrArchive, fmt.Errorf(format, a...))
}

// enter checks an entry's name and counts it. A folder's ends in a slash.
func (w *writer) enter(name string) (clean string, err error) {
	if w.items++; w.items > w.o.MaxFiles {
		return "", refused("more than %d entries", w.o.MaxFiles)
	}
	clean = path.Clean(name)
	switch {
	case len(name) > maxName, strings.Count(clean, "/") > maxDepth:
		return "", refused("entry %.100q… is longer than %d bytes or deeper than %d folders", name, maxName, maxDepth)
	case strings.ContainsAny(name, "\\\x00") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }):
		return "", refused("entry %.100q: a path with a backslash or a control character", name)
	case !filepath.IsLocal(clean) || path.IsAbs(name):
		return "", refused("entry %.100q leads out of the folder", name)
	}
	return clean, nil
}

func (w *writer) folderAt(clean string) error {
	if err := w.root.MkdirAll(clean, 0o777); err != nil {
		return refused("folder %.100q: %w", clean, err)
	}
	return nil
}

// file writes one file of at most size bytes.
func (w *writer) file(clean string, size int64, from io.Reader) error {
	if size < 0 || size > w.left {
		return refused("entry %.100q has %d bytes, which is more than may come out of this archive (%d so far)", clean, size, w.done)
	}
	if dir := path.Dir(clean); dir != "." {
		if err := w.folderAt(dir); err != nil {
			return err
		}
	}
	if err := w.ctx.Err(); err != nil {
		return context.Cause(w.ctx)
	}
	f, err := w.root.OpenFile(clean, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	switch {
	case errors.Is(err, os.ErrExist):
		return refused("entry %.100q is there twice", clean)
	case err != nil:
		return err
	}
	n, err := io.CopyBuffer(onlyWriter{f, w}, &stoppable{w.ctx, io.LimitReader(from, size+1)}, make([]byte, 1<<18))
	if err == nil && n != size {
		err = refused("it has more or fewer bytes than the %d that it says", size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("entry %.100q: %w", clean, err)
	}
	w.files++
	return nil
}

// onlyWriter counts what is written, and ends what is more than may be.
type onlyWriter struct {
	f *os.File
	w *writer
}

func (o onlyWriter) Write(b []byte) (int, error) {
	if int64(len(b)) > o.w.left {
		return 0, refused("more bytes than may come out of this archive (%d so far)", o.w.done)
	}
	n, err := o.f.Write(b)
	o.w.left -= int64(n)
	o.w.done += int64(n)
	return n, err
}

// stoppable ends reading when the context does.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppable) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(b)
}
