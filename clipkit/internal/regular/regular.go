// Package regular opens files that should be regular ones: pictures, captions, manifests, weights, settings.
//
//	f, err := regular.Open("photos/1.jpg")
//	b, err := regular.ReadFile("state.json", 1<<20)
//
// A pipe without a writer holds for ever whoever opens it, a device may never end or do something when it is opened, and both may lie where
// somebody else could write: so what a path leads to is looked at before it is opened and again afterwards, and opening never waits.
// All of clipkit that opens files by name does it with this package; a test sees to that.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrSpecial is wrapped when there is a pipe, socket, device or folder in the place of a file.
var ErrSpecial = errors.New("no regular file")

// ErrTooLong is wrapped when a file has more bytes than it may have.
var ErrTooLong = errors.New("file too long")

// Open opens a file, or the one that a link leads to, for reading.
func Open(path string) (*os.File, error) { return OpenFile(path, os.O_RDONLY, 0) }

// OpenFile is os.OpenFile for regular files.
func OpenFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return open(path, flag, perm, os.Stat, os.OpenFile)
}

// OpenIn opens a file below root for reading.
func OpenIn(root *os.Root, name string) (*os.File, error) {
	return open(name, os.O_RDONLY, 0, root.Stat, root.OpenFile)
}

func open(path string, flag int, perm fs.FileMode, stat func(string) (fs.FileInfo, error), open func(string, int, fs.FileMode) (*os.File, error)) (*os.File, error) {
	if info, err := stat(path); err == nil { // else the error is that of opening, as everywhere
		if err := check(path, info); err != nil {
			return nil, err
		}
	}
	f, err := open(path, flag|syscall.O_NONBLOCK, perm)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat() // another file may have come into its place
	if err == nil {
		err = check(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func check(path string, info fs.FileInfo) error {
	what := ""
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		what = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	default:
		what = mode.String()
	}
	return fmt.Errorf("opening %s: %w: it is %s (%v); put a file there, or name another", path, ErrSpecial, what, info.Mode())
}

// ReadFile reads a whole file of at most limit bytes.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("reading %s: %w: more than %d bytes", path, ErrTooLong, limit)
	}
	return b, nil
}
