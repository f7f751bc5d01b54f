package repo

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"clipnb/clipkit/internal/nearest"
)

func TestRoot(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(root, "notebooks", "own")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(below)
	t.Setenv("CLIPKIT_ROOT", "")
	if got := Root(); got != below {
		t.Errorf("outside a repository: %s, want the working directory", got)
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module clipnb\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := Root(); got != root {
		t.Errorf("below %s: %s", root, got)
	}
	t.Setenv("CLIPKIT_ROOT", "/elsewhere")
	if got := Root(); got != "/elsewhere" {
		t.Errorf("with CLIPKIT_ROOT: %s", got)
	}
}

func TestRun(t *testing.T) {
	root := t.TempDir()
	t.Setenv("CLIPKIT_ROOT", root)
	t.Chdir(root)
	if _, err := Run("mine"); err == nil || !strings.HasSuffix(err.Error(), "there is none yet") {
		t.Error(err)
	}
	for i := range nearest.Shown + 2 {
		dir := filepath.Join(root, "experiments", "run"+strconv.Itoa(100+i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"run100": filepath.Join(root, "experiments", "run100"), filepath.Join("experiments", "run101"): filepath.Join("experiments", "run101")} {
		if dir, err := Run(name); err != nil || dir != want {
			t.Errorf("%s: %s, %v", name, dir, err)
		}
	}
	for _, name := range []string{"mine", "experiments", "experiments/mine"} {
		if dir, err := Run(name); err == nil || !strings.Contains(err.Error(), "there are run100, run101, ") || !strings.HasSuffix(err.Error(), " and 2 more") {
			t.Errorf("%s: %s, %v", name, dir, err)
		}
	}
}

// A misspelt run is told with the one that was meant, and with those that are there; a folder without a run's settings is none.
func TestMisspeltRun(t *testing.T) {
	root := t.TempDir()
	t.Setenv("CLIPKIT_ROOT", root)
	if _, err := Run("quickstart"); err == nil || !strings.HasSuffix(err.Error(), "in "+filepath.Join(root, "experiments")+"; there is none yet") {
		t.Errorf("without runs: %v", err)
	}
	for _, name := range []string{"quickstart/config.json", "mine/config.json", "retrieval/index"} {
		path := filepath.Join(root, "experiments", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Run("quickstrat"); err == nil || !strings.HasSuffix(err.Error(), `; did you mean "quickstart"? there are mine, quickstart`) {
		t.Errorf("%v", err)
	}
	if dir, err := Run("mine"); err != nil || dir != filepath.Join(root, "experiments", "mine") {
		t.Errorf("%q, %v", dir, err)
	}
}
