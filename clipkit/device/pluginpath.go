package device

import (
	"fmt"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/gomlx/go-xla/pjrt"
	"golang.org/x/sys/unix"
)

// processorPath is a path of XLA's plugin for the processor that go-xla takes for one: it takes a plugin for a GPU's where "cuda" or "nvidia" is anywhere in
// its path, as in a home folder /home/nvidia.
func processorPath(lib string) (string, error) {
	if !pjrt.IsCUDAName(lib) || runtime.GOOS != "linux" {
		return lib, nil
	}
	folder, err := openFolder(filepath.Dir(lib))
	if err != nil {
		return "", fmt.Errorf("opening %s: %w", filepath.Dir(lib), err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder, filepath.Base(lib)), nil
}

var folders struct {
	sync.Mutex
	open map[string]int
}

// openFolder keeps a folder open as long as the process lives.
func openFolder(dir string) (fd int, err error) {
	folders.Lock()
	defer folders.Unlock()
	if fd, ok := folders.open[dir]; ok {
		return fd, nil
	}
	if fd, err = unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return 0, err
	}
	if folders.open == nil {
		folders.open = map[string]int{}
	}
	folders.open[dir] = fd
	return fd, nil
}
