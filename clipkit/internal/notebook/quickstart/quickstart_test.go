package quickstart_test

import (
	"os"
	"path/filepath"
	"regexp"
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
	nb, page, said := notebook.ExecuteAloud(t, "quickstart", "steps=3", "name="+name)
	for _, file := range []string{"metrics.jsonl", "config.json", "eval/before.json", "eval/after.json", "checkpoints/step-00000003/manifest.json"} {
		if _, err := os.Stat(filepath.Join(run, file)); err != nil {
			t.Error(err)
		}
	}
	nb.Executed(t)
	nb.Quiet(t)
	tells(t, said, run)
	// What the cell after training has encoded, the one that searches reads.
	if kept, err := filepath.Glob(filepath.Join(run, "eval", "emoji-test-*.features.safetensors")); err != nil || len(kept) != 1 {
		t.Errorf("features of the finetuned model: %v, %v", kept, err)
	}
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

var (
	recallHeader = regexp.MustCompile(`(?m)^ +R@1 +R@5 +R@10 +R@1 +R@5 +R@10$`)
	summary      = regexp.MustCompile(`(?s)\nmade  (\S+)\n      recall, %     text→image R@1   R@5  R@10     image→text R@1   R@5  R@10\n` +
		`      before ( +\d+\.\d){6}\n      after ( +\d+\.\d){6}\nwrote \S+\.ipynb\nwrote \S+\.html\n$`)
)

// tells looks at what exec says in a log: figures as text, and at the end what was made with the figures that matter, before the files are named.
func tells(t *testing.T, said, run string) {
	t.Helper()
	if n := len(recallHeader.FindAllString(said, -1)); n < 3 { // two tables and the bars
		t.Errorf("%d tables of recall in what exec says", n)
	}
	for _, part := range []string{"训练损失 · Training loss\n", "搜索 · Search: 蛋糕\n", "学习率 · Learning rate\n"} {
		if !strings.Contains(said, part) {
			t.Errorf("exec does not say %q", part)
		}
	}
	for _, stand := range []string{"\n(table)\n", "\n(chart)\n", "\n(picture)\n"} {
		if strings.Contains(said, stand) {
			t.Errorf("exec says %q in place of a figure", stand)
		}
	}
	if m := summary.FindStringSubmatch(said); m == nil || m[1] != filepath.Join(run, "checkpoints", "step-00000003") {
		t.Errorf("exec does not end with what was made in %s:\n%s", run, said[max(0, len(said)-2000):])
	}
}
