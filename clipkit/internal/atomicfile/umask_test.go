//go:build unix

package atomicfile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Files and folders keep the user's umask.
// fault 19.12
func TestUmask(t *testing.T) {
	had := syscall.Umask(0)
	defer syscall.Umask(had)
	for _, mask := range []int{0o077, 0o027, 0o022, 0o002} {
		syscall.Umask(mask)
		dir, err := MkdirTemp(t.TempDir(), ".saving-*")
		if err != nil {
			t.Fatal(err)
		}
		file, below := filepath.Join(dir, "a"), filepath.Join(dir, "b", "c")
		for range 2 { // the second replaces
			if err := WriteBytes(file, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if err := MkdirAll(below); err != nil {
			t.Fatal(err)
		}
		for path, all := range map[string]os.FileMode{dir: 0o777, file: 0o666, below: 0o777} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != all&^os.FileMode(mask) {
				t.Errorf("umask %03o: %s has %v, %v", mask, path, info.Mode().Perm(), err)
			}
		}
	}
}
