package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/regular"
)

// ErrRefused is wrapped when something may not be read: no regular file, or a link out of the folder to something else than a picture.
var ErrRefused = errors.New("not read")

// Open opens a regular file of root, which lies at dir, or the one that a link leads to.
func Open(root *os.Root, dir, name string) (*os.File, error) {
	f, err := regular.OpenIn(root, filepath.FromSlash(name))
	if err == nil || errors.Is(err, regular.ErrSpecial) {
		return f, refused(err)
	}
	if info, noInfo := root.Lstat(filepath.FromSlash(name)); noInfo != nil || info.Mode()&fs.ModeSymlink == 0 {
		return nil, err
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	if f, err = regular.Open(path); err != nil {
		return nil, refused(err)
	}
	if err := mayBeRead(f, path); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: it is a link that leads out of %s: %w", ErrRefused, dir, err)
	}
	return f, nil
}

// mayBeRead looks at a file that a link at path leads to.
func mayBeRead(f *os.File, path string) error {
	if strings.EqualFold(filepath.Ext(path), ".txt") {
		target, err := filepath.EvalSymlinks(path)
		if err == nil && !strings.EqualFold(filepath.Ext(target), ".txt") {
			err = fmt.Errorf("%s is no .txt; copy it here if it holds captions", target)
		}
		return err
	}
	head := make([]byte, 4096)
	n, err := f.ReadAt(head, 0)
	if n == 0 && err != io.EOF {
		return err
	}
	if _, err := imaging.DecodeConfig(head[:n]); n > 0 && errors.Is(err, imaging.ErrFormat) {
		return err
	}
	return nil
}

// refused makes a special file an ErrRefused.
func refused(err error) error {
	if errors.Is(err, regular.ErrSpecial) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// Stat describes what Open would open.
func Stat(root *os.Root, dir, name string) (fs.FileInfo, error) {
	if info, err := root.Stat(filepath.FromSlash(name)); err == nil {
		return info, nil
	}
	f, err := Open(root, dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}
