package experiment

import (
	"os"
	"path/filepath"
	"testing"
)

// Whoever has made a file for it reads there which runs were opened; without one, or with one that is gone, runs open all the same.
func TestOpenedRunsAreTold(t *testing.T) {
	root, list := t.TempDir(), filepath.Join(t.TempDir(), "opened")
	open := func(name string) {
		t.Helper()
		r, err := Open(root, name, settings{LR: 1}, clock)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	t.Setenv(openedVariable, "")
	open("a")
	t.Setenv(openedVariable, list)
	open("a") // there is no such file
	if err := os.WriteFile(list, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open("a")
	open("b/一 c")
	if _, err := Open(root, "a", settings{LR: 2}, clock); err == nil {
		t.Fatal("opened with other settings")
	}
	told, err := os.ReadFile(list)
	if want := filepath.Join(root, "a") + "\n" + filepath.Join(root, "b", "一 c") + "\n"; err != nil || string(told) != want {
		t.Errorf("told %q, %v; want %q", told, err, want)
	}
}
