package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A write that fails at its n-th operation, for all n, leaves the old file or, once it is renamed, the new one, and nothing beside it.
// fault 26
func TestWriteFailsAtEachOperation(t *testing.T) {
	for n := 1; ; n++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		if err := WriteBytes(path, []byte("old")); err != nil {
			t.Fatal(err)
		}
		at := 0
		end := Inject(func(op, path string) error {
			if at++; at == n {
				return syscall.ENOSPC
			}
			return nil
		})
		err := Write(path, func(w io.Writer) error {
			for range 3 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return err
				}
			}
			return nil
		})
		end()
		if (err != nil) != (at >= n) || err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("operation %d: error %v", n, err)
		}
		b, err := os.ReadFile(path)
		if err != nil || string(b) != "old" && len(b) != 3<<20 {
			t.Errorf("operation %d: %d bytes, %v", n, len(b), err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Errorf("operation %d leaves %v", n, left)
		}
		if at < n {
			break
		}
	}
}

func TestExchange(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, p := range []string{a, b} {
		if err := MkdirAll(p); err != nil {
			t.Fatal(err)
		}
		if err := WriteBytes(filepath.Join(p, filepath.Base(p)), nil); err != nil {
			t.Fatal(err)
		}
	}
	err := Exchange(a, b)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this system exchanges no names")
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(a, "b")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(b, "a")); err != nil {
		t.Error(err)
	}
	if err := Exchange(a, filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if err := errors.Join(RemoveAll(a), RemoveAll(a), RemoveAll(filepath.Join(b, "a")), RemoveAll(b)); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}
