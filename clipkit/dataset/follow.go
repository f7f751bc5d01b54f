package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"clipnb/clipkit/imaging"
)

// Links among the pictures of a folder are followed, since people share pictures between sets so, but only to regular files: not to folders, which may
// hold the link again, and not to devices and pipes, which may never end. A link that leads out of the folder is followed to pictures alone, by
// their first bytes, or from a .txt to another: an archive from the internet may hold links to private files, and what is read here is shown.

// openBelow opens a regular file of root, which lies at dir, or the one that a link leads to.
func openBelow(root *os.Root, dir, name string) (*os.File, error) {
	f, err := root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe without a writer would hold us
	if err == nil {
		return regular(f)
	}
	if info, noInfo := root.Lstat(filepath.FromSlash(name)); noInfo != nil || info.Mode()&fs.ModeSymlink == 0 {
		return nil, err
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	info, err := os.Stat(path) // before it is opened: to open a device may do something
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, notRegular(info)
	}
	if f, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		return nil, err
	}
	if f, err = regular(f); err != nil {
		return nil, err
	}
	if err := mayBeRead(f, path); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: it is a link that leads out of %s: %w", ErrFormat, dir, err)
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

func regular(f *os.File) (*os.File, error) {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func notRegular(info fs.FileInfo) error {
	return fmt.Errorf("%w: it is no regular file (%v)", ErrFormat, info.Mode())
}

// statBelow describes what openBelow would open.
func statBelow(root *os.Root, dir, name string) (fs.FileInfo, error) {
	if info, err := root.Stat(filepath.FromSlash(name)); err == nil {
		return info, nil
	}
	f, err := openBelow(root, dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}
