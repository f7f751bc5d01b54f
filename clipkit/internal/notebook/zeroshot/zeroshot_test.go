package zeroshot_test

import (
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/internal/notebook"
)

func TestMain(m *testing.M) { limit.Main(m) }

// The zero-shot notebook runs headless on its defaults and on a folder of classes.
func TestZeroShotNotebookRuns(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs(filepath.Join(notebook.Root, "clipkit", "zeroshot", "testdata", "zeroshot"))
	if err != nil {
		t.Fatal(err)
	}
	nb, page := notebook.Execute(t, "zeroshot", "folder="+folder, "after=no-such-run")
	nb.EveryForm(t)
	for _, want := range []string{"500 pictures, 500 classes, 20 templates", "zeroshot/test: 15 pictures, 5 classes", "混淆矩阵", "no-such-run"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
