package unpack

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
)

func (w *writer) tar(f *os.File, size int64, packed bool) error {
	read := int64(0)
	var r io.Reader = readerFunc(func(b []byte) (int, error) {
		n, err := f.Read(b)
		if read += int64(n); w.o.Progress != nil {
			w.o.Progress(read, size)
		}
		return n, err
	})
	if packed {
		z, err := gzip.NewReader(r)
		if err != nil {
			return refused("a gzip file that is damaged: %w", err)
		}
		r = z
	}
	zeros := &zeros{r: r}
	t := tar.NewReader(zeros)
	for {
		h, err := t.Next()
		switch {
		case err == io.EOF && w.items == 0:
			return refused("it is neither zip nor tar, or it is empty")
		case err == io.EOF && zeros.n < endOfTar:
			return damaged(io.ErrUnexpectedEOF)
		case err == io.EOF: // the rest is padding, after which gzip has its checksum
			switch _, err := io.CopyN(io.Discard, r, maxPadding); err {
			case io.EOF:
				return nil
			case nil:
				return refused("more than %d bytes follow its end", maxPadding)
			default:
				return damaged(err)
			}
		case err != nil && w.items == 0:
			return refused("it is neither zip nor tar: %w", err)
		case err != nil:
			return damaged(err)
		}
		clean, err := w.enter(h.Name)
		if err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = w.folderAt(clean)
		case tar.TypeReg:
			err = w.file(clean, h.Size, t)
		case tar.TypeXGlobalHeader:
		default:
			err = refused("entry %.100q is neither a file nor a folder (type %q)", h.Name, h.Typeflag)
		}
		if err != nil {
			return damaged(err)
		}
	}
}

const (
	endOfTar   = 1024 // zeros with which a tar ends
	maxPadding = 1 << 20
)

// zeros counts the zeros at the end of what was read: archive/tar takes one that was cut between two files for a whole one.
type zeros struct {
	r io.Reader
	n int
}

func (z *zeros) Read(b []byte) (int, error) {
	n, err := z.r.Read(b)
	if ends := n - len(bytes.TrimRight(b[:n], "\x00")); ends == n {
		z.n += n
	} else {
		z.n = ends
	}
	return n, err
}

// damaged makes what readers of archives say an ErrArchive.
func damaged(err error) error {
	var corrupt flate.CorruptInputError
	for _, known := range []error{zip.ErrChecksum, zip.ErrFormat, zip.ErrAlgorithm, io.ErrUnexpectedEOF, tar.ErrHeader, gzip.ErrChecksum, gzip.ErrHeader} {
		if errors.Is(err, known) {
			return refused("%w: it is damaged or cut", err)
		}
	}
	if errors.As(err, &corrupt) {
		return refused("%w: it is damaged or cut", err)
	}
	return err
}

func gigabytes(n int64) string { return fmt.Sprintf("%.1f GB", float64(n)/1e9) }
