package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/internal/notebook"
)

func TestMain(m *testing.M) { limit.Main(m) }

// The deployment notebook runs headless on the small model: exported, compared, timed, loaded back and searched with.
func TestDeployNotebookRuns(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "deploy")
	nb, page := notebook.Execute(t, "deploy", "folder="+folder, "rounds=2")
	nb.Executed(t)
	nb.EveryForm(t)
	for _, want := range []string{"fp32", "fp16", "95%", "samples/s", "cpu (onnx)", "文搜图"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, name := range []string{"emoji.img.fp32.onnx", "emoji.txt.fp16.onnx", "deploy.json", "vocab.txt", "PARITY.md"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
