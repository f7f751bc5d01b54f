package notebook_test

import (
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/internal/notebook"
)

// Notebooks are stored without outputs, begin with %noautoget and have short cells.
func TestNotebooksAreTidy(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(notebook.Root, "notebooks", "*.ipynb"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		code := 0
		for i, c := range notebook.Read(t, path).Cells {
			if c.CellType != "code" {
				continue
			}
			if code++; code == 1 && strings.TrimSpace(c.Source[0]) != "%noautoget" {
				t.Errorf("%s: its first cell begins with %q", path, c.Source[0])
			}
			if len(c.Outputs) > 0 || c.Count != nil {
				t.Errorf("%s: cell %d is stored with outputs", path, i+1)
			}
			if len(c.Source) > 12 {
				t.Errorf("%s: cell %d has %d lines", path, i+1, len(c.Source))
			}
		}
	}
}
