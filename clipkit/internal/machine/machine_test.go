package machine

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestFreeSpace(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("known on Linux")
	}
	free, err := FreeSpace(t.TempDir())
	if err != nil || free < 1<<20 || free > 1<<60 {
		t.Errorf("%d bytes free, %v", free, err)
	}
	if _, err := FreeSpace(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestFreeMemory(t *testing.T) {
	if free := FreeMemory(); runtime.GOOS == "linux" && (free < 1e6 || free > 1e14) {
		t.Errorf("free memory %d", free)
	}
}
