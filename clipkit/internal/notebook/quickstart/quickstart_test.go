package quickstart_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/internal/notebook"
)

func TestMain(m *testing.M) { limit.Main(m) }

// The quickstart runs headless at a toy size, as the README says, and its page shows charts and pictures without a request to any host.
func TestQuickstartRunsHeadless(t *testing.T) {
	t.Parallel()
	name, run := notebook.Run(t, "quickstart")
	nb, page := notebook.Execute(t, "quickstart", "steps=3", "name="+name)
	for _, file := range []string{"metrics.jsonl", "config.json", "eval/before.json", "eval/after.json", "checkpoints/step-00000003/manifest.json"} {
		if _, err := os.Stat(filepath.Join(run, file)); err != nil {
			t.Error(err)
		}
	}
	nb.Executed(t)
	nb.Quiet(t)
	visit := browser.Open(t, page)
	if len(visit.Requests) > 0 {
		t.Errorf("the page asks for %v", visit.Requests)
	}
	// Loss, learning rate, two of throughput and recall are drawn by ECharts; 12 + 5×6 + 3×6 pictures are embedded.
	if n := strings.Count(visit.DOM, "<svg"); n < 4 {
		t.Errorf("%d live charts", n)
	}
	if n := strings.Count(visit.DOM, `src="data:image/png`); n < 60 {
		t.Errorf("%d pictures", n)
	}
	onAPhone(t, page)
	withoutScripts(t, nb)
}
