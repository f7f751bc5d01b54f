package mapping

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/edsrzf/mmap-go"
)

// fault 21, 19.3
func TestGuard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	size := 4 * os.Getpagesize()
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mapped, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer mapped.Unmap()
	room := make([]byte, size)
	read := func() error {
		return Guard(func() error {
			copy(room, mapped)
			return nil
		})
	}
	if err := errors.Join(read(), Check(f, int64(size))); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(10); err != nil {
		if runtime.GOOS == "windows" {
			t.Skip("a mapped file cannot be cut here")
		}
		t.Fatal(err)
	}
	if err := read(); !errors.Is(err, ErrCut) {
		t.Errorf("error %v, want ErrCut", err)
	}
	if err := Check(f, int64(size)); !errors.Is(err, ErrCut) {
		t.Errorf("error %v, want ErrCut", err)
	}
	mine := errors.New("mine")
	if err := Guard(func() error { return mine }); err != mine {
		t.Errorf("error %v", err)
	}
	for name, work := range map[string]func() error{
		"a panic of one's own": func() error { panic("mine") },
		"a nil pointer":        func() error { var p *int; *p = 1; return nil },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s was taken for a file that was cut short", name)
				}
			}()
			_ = Guard(work)
		}()
	}
}
