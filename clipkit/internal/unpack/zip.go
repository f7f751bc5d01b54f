package unpack

import (
	"archive/zip"
	"io"
	"os"
	"strings"
	"syscall"

	"clipnb/clipkit/internal/machine"
)

// zip looks at the whole directory before it writes the first file.
func (w *writer) zip(f *os.File, size int64) error {
	short := &short{r: f, left: maxTogether}
	z, err := zip.NewReader(short, size)
	if err != nil {
		return refused("a zip archive that is damaged or cut: %w", err)
	}
	short.left = -1
	total, err := w.look(z, size)
	if err != nil {
		return err
	}
	for _, entry := range z.File {
		clean, err := w.enter(entry.Name)
		if err != nil {
			return err
		}
		if strings.HasSuffix(entry.Name, "/") {
			if err := w.folderAt(clean); err != nil {
				return err
			}
			continue
		}
		r, err := entry.Open()
		if err != nil {
			return refused("entry %.100q: %w", entry.Name, err)
		}
		err = w.file(clean, int64(entry.UncompressedSize64), w.told(r, total))
		r.Close()
		if err != nil {
			return damaged(err)
		}
	}
	return nil
}

// look checks what the directory says, and that the disk has room for it.
func (w *writer) look(z *zip.Reader, size int64) (total int64, err error) {
	if len(z.File) > w.o.MaxFiles {
		return 0, refused("%d entries, more than %d", len(z.File), w.o.MaxFiles)
	}
	var packed uint64
	for _, entry := range z.File {
		mode := entry.Mode()
		switch {
		case !mode.IsRegular() && !mode.IsDir(), mode.IsDir() != strings.HasSuffix(entry.Name, "/"):
			return 0, refused("entry %.100q is neither a file nor a folder (%s)", entry.Name, mode)
		case entry.Flags&1 != 0:
			return 0, refused("entry %.100q is encrypted", entry.Name)
		case entry.CompressedSize64 > uint64(size) || packed+entry.CompressedSize64 > uint64(size):
			return 0, refused("entry %.100q: the entries claim more bytes than the archive has", entry.Name)
		case entry.UncompressedSize64 > uint64(w.left-total):
			return 0, refused("entry %.100q: it unpacks to more than %d times its size, or than %d bytes", entry.Name, maxRatio, w.o.MaxBytes)
		}
		packed += entry.CompressedSize64
		total += int64(entry.UncompressedSize64)
	}
	free := w.o.Free
	if free == nil {
		free = machine.FreeSpace
	}
	if n, err := free(w.folder); err == nil && n < total {
		return 0, noRoom(total, n)
	}
	return total, nil
}

func noRoom(need, free int64) error {
	return &os.PathError{Op: "it unpacks to", Path: gigabytes(need) + ", " + gigabytes(free) + " are free", Err: syscall.ENOSPC}
}

// told reports what is written.
func (w *writer) told(r io.Reader, total int64) io.Reader {
	if w.o.Progress == nil {
		return r
	}
	return readerFunc(func(b []byte) (int, error) {
		n, err := r.Read(b)
		w.o.Progress(min(w.done+int64(n), total), total)
		return n, err
	})
}

type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// short reads no more than a directory may have, so that one of millions of entries takes no memory; below 0 all may be read.
type short struct {
	r    io.ReaderAt
	left int64
}

func (s *short) ReadAt(b []byte, at int64) (int, error) {
	if s.left >= 0 {
		if s.left -= int64(len(b)); s.left < 0 {
			return 0, refused("its directory has more than %d MiB", maxTogether>>20)
		}
	}
	return s.r.ReadAt(b, at)
}
