package regular

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Each call here would hang or read without end if the file were opened as os.Open does.
// fault 19.11
func TestSpecialFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for link, to := range map[string]string{"to-pipe": "pipe", "to-zero": "/dev/zero", "to-folder": "."} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, path := range []string{at("pipe"), at("socket"), at("to-pipe"), at("to-zero"), at("to-folder"), dir, "/dev/zero", "/dev/tty"} {
		_, err := Open(path)
		_, errRead := ReadFile(path, 10)
		_, errAppend := OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		for _, err := range []error{err, errRead, errAppend} {
			if !errors.Is(err, ErrSpecial) || !strings.Contains(err.Error(), path+": no regular file: it is a ") {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	for _, name := range []string{"pipe", "socket", "to-pipe"} {
		if _, err := OpenIn(root, name); !errors.Is(err, ErrSpecial) {
			t.Errorf("%s below a folder: %v", name, err)
		}
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	if _, err := ReadFile(path, 3); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "open ") {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("four"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path, 3); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	if b, err := ReadFile(path, 4); string(b) != "four" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}
