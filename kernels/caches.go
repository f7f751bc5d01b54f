package main

import (
	"errors"
	"fmt"
	"go/build"
	"os"
	"path/filepath"
)

// cache is a folder outside the repository that setting up and running write in.
type cache struct {
	what      string
	variable  string // names another one
	otherwise func() (string, error)
}

// caches are all there are.
var caches = []cache{
	{"what Go compiles", "GOCACHE", func() (string, error) {
		dir, err := os.UserCacheDir()
		return filepath.Join(dir, "go-build"), err
	}},
	{"Go's modules", "GOMODCACHE", func() (string, error) { return filepath.Join(build.Default.GOPATH, "pkg", "mod"), nil }},
	{"the engines, and pip", "XDG_CACHE_HOME", os.UserCacheDir},
}

// errCache is wrapped where a cache cannot be written.
var errCache = errors.New("no cache folder")

// folder is where the cache is; it, or the nearest folder above it that is there, can be written.
func (c cache) folder() (string, error) {
	dir, err := os.Getenv(c.variable), error(nil)
	if dir == "" {
		dir, err = c.otherwise()
	}
	if err != nil {
		return "", fmt.Errorf("%w for %s: %w; set HOME, or %s, to a folder that can be written", errCache, c.what, err, c.variable)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err != nil && at != filepath.Dir(at) {
			continue
		}
		if err := writable(at); err != nil {
			return "", fmt.Errorf("%w for %s: %w; set %s to a folder that can be written", errCache, c.what, err, c.variable)
		}
		return dir, nil
	}
}

// writable tries to make a file in dir, which leaves nothing.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".clipkit-")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}
