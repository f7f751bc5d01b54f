package pip

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fake puts a python3 first on PATH that notes its arguments and installs a file, or fails as pip does.
func fake(t *testing.T, install string) (notes string) {
	dir := t.TempDir()
	notes = filepath.Join(dir, "notes")
	script := `#!/bin/sh
[ "$1" = -V ] && { echo "Python 3.11.7"; exit; }
echo "$@" >> ` + notes + `
while [ "$1" != --target ]; do shift; done
` + install
	if err := os.WriteFile(filepath.Join(dir, "python3"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CLIPKIT_ROOT", "")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return notes
}

// Many callers at once make one installation, which later ones find.
func TestInstall(t *testing.T) {
	notes := fake(t, `sleep 0.1; mkdir "$2"; echo ok > "$2/module"`)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			dir, err := Install("thing", "thing==1 --hash=sha256:00\n", func(string) {}, "--platform", "x")
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(filepath.Join(dir, "module")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	said, err := os.ReadFile(notes)
	if err != nil || strings.Count(string(said), "\n") != 1 || !strings.Contains(string(said), "--require-hashes --platform x -r") {
		t.Errorf("pip was called so: %s (%v)", said, err)
	}
	other, err := Install("thing", "thing==2 --hash=sha256:00\n", func(string) {})
	if err != nil || strings.Contains(other, ".part") {
		t.Error(other, err)
	}
}

// What fails leaves nothing that a later call would take for the package.
func TestInstallFails(t *testing.T) {
	fake(t, `mkdir "$2"; echo half > "$2/module"; echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" >&2; exit 1`)
	for range 2 {
		dir, err := Install("thing", "thing==1\n", func(string) {})
		if !errors.Is(err, ErrPip) || dir != "" || !strings.Contains(err.Error(), "DO NOT MATCH") {
			t.Error(dir, err)
		}
	}
}

func TestNoPython(t *testing.T) {
	t.Setenv("CLIPKIT_ROOT", "")
	t.Setenv("PATH", t.TempDir())
	if _, err := Python(); !errors.Is(err, ErrPip) || !strings.Contains(err.Error(), "apt-get install") {
		t.Error(err)
	}
}
