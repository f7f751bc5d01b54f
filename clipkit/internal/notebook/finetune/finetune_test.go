package finetune_test

import (
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/internal/notebook"
)

func TestMain(m *testing.M) { limit.Main(m) }

// Somebody's own folder: pictures of coloured squares with a CSV of captions, trained with the recipe for it.
func TestFinetuneNotebookOnAFolderOfPictures(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	notebook.Squares(t, folder)
	name, run := notebook.Run(t, "finetune")
	nb, page := notebook.Execute(t, "finetune", "recipe=own/emoji", "data="+folder, "name="+name, "steps=4", "batch=32")
	for _, file := range []string{"metrics.jsonl", "eval/before.json", "eval/after.json", name + ".pt", "checkpoints/best/step-*/manifest.json"} {
		if found, err := filepath.Glob(filepath.Join(run, file)); err != nil || len(found) != 1 {
			t.Errorf("%s: %v, %v", file, found, err)
		}
	}
	for _, part := range []string{"own/emoji", "4 steps of 64 pairs, lr 0.0002", "GB", "valid 10 pictures"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %q", part)
		}
	}
	// The cell that trains leaves one place with both curves, the last state and no drawing before it.
	charts := 0
	for _, c := range nb.Cells {
		if !strings.Contains(strings.Join(c.Source, ""), "clipkit.Finetune") {
			continue
		}
		for _, o := range c.Outputs {
			if text := string(o); !strings.Contains(text, "globalThis.echarts)return") && strings.Contains(text, "data-clipkit-chart=") {
				charts++
				if !strings.Contains(text, "Training loss. train: ") || !strings.Contains(text, "(4); validation: ") || !strings.Contains(text, "In-batch accuracy") {
					t.Errorf("the curves of the run: %.3000s", text)
				}
			}
		}
	}
	if charts != 1 {
		t.Errorf("training left %d outputs with charts", charts)
	}
	visit := browser.Open(t, page)
	if n := strings.Count(visit.DOM, "<svg"); len(visit.Requests) > 0 || n < 5 { // loss, accuracy, learning rate, throughput, recall
		t.Errorf("%d live charts, requests %v", n, visit.Requests)
	}
}

// With no parameters but its length the notebook runs the emoji recipe.
func TestFinetuneNotebookOnTheEmbeddedSet(t *testing.T) {
	t.Parallel()
	name, _ := notebook.Run(t, "finetune-emoji")
	_, page := notebook.Execute(t, "finetune", "steps=2", "name="+name)
	for _, part := range []string{"emoji/finetune", "2 steps of 128 pairs, lr 0.0004", "57.2"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %q", part)
		}
	}
}
