package repo

import (
	"os"
	"path/filepath"
	"testing"
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
