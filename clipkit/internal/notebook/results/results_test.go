package results_test

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

// Without weights and data the results table is made of the embedded set, and says so; a toy size.
func TestResultsNotebookRunsHeadless(t *testing.T) {
	t.Parallel()
	name, run := notebook.Run(t, "results")
	run += "-emoji-finetune"
	t.Cleanup(func() { os.RemoveAll(run) })
	nb, page := notebook.Execute(t, "results", "steps=6", "name="+name, "recipes=emoji/finetune,flickr30k/vit-h-14/full-8p")
	nb.Executed(t)
	nb.EveryForm(t)
	for _, file := range []string{"chinese_clip_bs128_1p_acc.log", "chinese_clip_bs128_1p_acc_perf_report.log", "eval/result.json"} {
		if _, err := os.Stat(filepath.Join(run, file)); err != nil {
			t.Error(err)
		}
	}
	for _, part := range []string{
		"Which rows this machine can run", "flickr30k/vit-h-14/full-8p（3 epochs, 8p × 32）: needs: weights ViT-H-14", "8 devices", "GB of memory", // 1
		"The table as printed", "put right, and what was measured here", "2512.40", "multiples", // 3, 4
		"emoji/finetune: measured here on emoji (embedded set, not Flickr30k-CN), after 6 steps only", ">published<", // 4
		"ActualFPS = ", "E2ETrainingTime = ", "Final Performance images/sec : ", // 5
		"Published retrieval results", "MUGE", "COCO-CN", "emoji finetuned（已发表 published）", "79.1", "83.5", "92.1", // 6
		"Published zero-shot classification", "CIFAR100", "26.2", // 7
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %q", part)
		}
	}
	visit := browser.Open(t, page)
	if n := strings.Count(visit.DOM, "<svg"); len(visit.Requests) > 0 || n < 9 { // throughput, and two of each of four sets
		t.Errorf("%d live charts, requests %v", n, visit.Requests)
	}
}
