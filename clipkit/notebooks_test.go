package clipkit_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/internal/browser"
)

type notebook struct {
	Cells []struct {
		CellType string `json:"cell_type"`
		Source   []string
		Outputs  []json.RawMessage
		Count    *int `json:"execution_count"`
	}
}

func readNotebook(t *testing.T, path string) (nb notebook) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &nb)
	}
	if err != nil {
		t.Fatal(err)
	}
	return nb
}

// Notebooks are stored without outputs, begin with %noautoget and have short cells.
func TestNotebooksAreTidy(t *testing.T) {
	paths, err := filepath.Glob("../notebooks/*.ipynb")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		code := 0
		for i, c := range readNotebook(t, path).Cells {
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

// The quickstart runs headless at a toy size, as the README says, and its page shows charts and pictures without a request to any host.
func TestQuickstartRunsHeadless(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a whole notebook")
	}
	out, name := t.TempDir(), fmt.Sprintf("test-quickstart-%d", os.Getpid())
	run := filepath.Join("..", "experiments", name)
	t.Cleanup(func() { os.RemoveAll(run) })
	cmd := exec.Command("go", "run", "./kernels", "exec", "-out", out, "notebooks/quickstart.ipynb", "steps=3", "name="+name)
	cmd.Dir = ".."
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, file := range []string{"metrics.jsonl", "config.json", "eval/before.json", "eval/after.json", "checkpoints/step-00000003/manifest.json"} {
		if _, err := os.Stat(filepath.Join(run, file)); err != nil {
			t.Error(err)
		}
	}
	nb := readNotebook(t, filepath.Join(out, "quickstart.ipynb"))
	for i, c := range nb.Cells {
		if c.CellType == "code" && c.Count == nil {
			t.Errorf("cell %d was not executed", i+1)
		}
	}
	page, err := os.ReadFile(filepath.Join(out, "quickstart.html"))
	if err != nil {
		t.Fatal(err)
	}
	visit := browser.Open(t, string(page))
	if len(visit.Requests) > 0 {
		t.Errorf("the page asks for %v", visit.Requests)
	}
	// Loss, learning rate, two of throughput and recall are drawn by ECharts; 12 + 4×6 pictures are embedded.
	if n := strings.Count(visit.DOM, "<svg"); n < 4 {
		t.Errorf("%d live charts", n)
	}
	if n := strings.Count(visit.DOM, `src="data:image/png`); n < 36 {
		t.Errorf("%d pictures", n)
	}
}
