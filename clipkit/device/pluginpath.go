package device

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/gomlx/go-xla/pjrt"
)

// processorPath is a path of XLA's plugin for the processor that go-xla takes for one: it takes a plugin for a GPU's where "cuda" or "nvidia" is anywhere in
// its path, as in a home folder /home/nvidia.
func processorPath(lib string) (string, error) {
	if !pjrt.IsCUDAName(lib) || runtime.GOOS != "linux" {
		return lib, nil
	}
	folder, err := openFolder(filepath.Dir(lib))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), filepath.Base(lib)), nil
}

var folders struct {
	sync.Mutex
	open map[string]*os.File
}

// openFolder keeps a folder open as long as the process lives.
func openFolder(dir string) (*os.File, error) {
	folders.Lock()
	defer folders.Unlock()
	if f := folders.open[dir]; f != nil {
		return f, nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if folders.open == nil {
		folders.open = map[string]*os.File{}
	}
	folders.open[dir] = f
	return f, nil
}
