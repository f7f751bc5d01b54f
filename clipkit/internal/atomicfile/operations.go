package atomicfile

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

var injected atomic.Pointer[func(op, path string) error]

// Inject, which is for tests, has every operation of this package that changes the disk ask f first: an error of f becomes the operation's, and
// nothing happens, but that a write leaves half of its bytes, as on a disk that fills up meanwhile. It lasts until end is called.
func Inject(f func(op, path string) error) (end func()) {
	injected.Store(&f)
	return func() { injected.Store(nil) }
}

func ask(op, path string) error {
	f := injected.Load()
	if f == nil {
		return nil
	}
	if err := (*f)(op, path); err != nil {
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}

// writer is a file.
type writer struct{ f *os.File }

func (w writer) Write(b []byte) (int, error) {
	if err := ask("write", w.f.Name()); err != nil {
		n, _ := w.f.Write(b[:len(b)/2])
		return n, err
	}
	return w.f.Write(b)
}

func createTemp(dir, pattern string) (*os.File, error) {
	if err := ask("create", filepath.Join(dir, pattern)); err != nil {
		return nil, err
	}
	return newName(dir, pattern, func(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666) })
}

// newName makes something under a name that is not there: os.CreateTemp and os.MkdirTemp leave everybody but the user out, whatever the umask is.
func newName[T any](dir, pattern string, create func(path string) (T, error)) (T, error) {
	before, after, _ := strings.Cut(pattern, "*")
	for tries := 0; ; tries++ {
		made, err := create(filepath.Join(dir, before+rand.Text()[:12]+after))
		if err == nil || !errors.Is(err, fs.ErrExist) || tries == 100 {
			return made, err
		}
	}
}

func remove(path string) error {
	if err := ask("remove", path); err != nil {
		return err
	}
	return os.Remove(path)
}

// SyncDir writes the names in dir to the disk, so that a renamed file is found under its new name after a crash.
func SyncDir(dir string) error {
	if err := ask("syncdir", dir); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// MkdirAll is os.MkdirAll.
func MkdirAll(dir string) error {
	if err := ask("mkdir", dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o777)
}

// MkdirTemp makes a folder of a new name in dir.
func MkdirTemp(dir, pattern string) (path string, err error) {
	if err := ask("mkdir", filepath.Join(dir, pattern)); err != nil {
		return "", err
	}
	return newName(dir, pattern, func(path string) (string, error) {
		if err := os.Mkdir(path, 0o777); err != nil {
			return "", err
		}
		return path, nil
	})
}

// Rename is os.Rename.
func Rename(from, to string) error {
	if err := ask("rename", to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// Exchange gives two files or folders each other's name in one step. Where the system cannot, the error is errors.ErrUnsupported.
func Exchange(a, b string) error {
	if err := ask("exchange", b); err != nil {
		return err
	}
	return exchange(a, b)
}

// RemoveAll removes a folder of files, one after the other, or a file. What does not exist is no error.
func RemoveAll(path string) error {
	entries, _ := os.ReadDir(path) // of a file, or where nothing is, os.RemoveAll knows what to do
	for _, e := range entries {
		inside := filepath.Join(path, e.Name())
		if err := ask("remove", inside); err != nil {
			return err
		}
		if err := os.RemoveAll(inside); err != nil {
			return err
		}
	}
	if err := ask("remove", path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}
