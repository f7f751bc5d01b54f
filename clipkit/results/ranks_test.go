package results

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/recipe"
)

// The 8p script's recipe with eight processes, a tiny model and a stand-in of the data set: a step is of all eight, the one log is whole, and the
// script's files are those of RankSize 8.
func TestEightRanksAsTheScript(t *testing.T) {
	const golden = "../internal/golden/testdata/"
	root := t.TempDir()
	t.Setenv("CLIPKIT_ROOT", root)
	t.Setenv("CLIPKIT_DEVICE", "cpu:go")
	ctx := t.Context()
	m, err := clipkit.Load(ctx, golden+"e2e/init.pt", clipkit.As(golden+"tiny-vit.json", golden+"tiny-text-e2e.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	weights := filepath.Join(root, "tiny.safetensors")
	if err := m.Save(weights, false); err != nil {
		t.Fatal(err)
	}
	small, err := dataset.Open(golden + "e2e")
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	data := filepath.Join(root, "datasets", "Flickr30k-CN")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	for split, s := range map[string]dataset.Source{"train": small.Train, "valid": small.Valid, "test": small.Valid} {
		if err := dataset.WriteTSV(s, filepath.Join(data, split+"_imgs.tsv"), filepath.Join(data, split+"_texts.jsonl")); err != nil {
			t.Fatal(err)
		}
	}
	p, err := recipe.Find("flickr30k/vit-b-16/full-8p")
	if err != nil {
		t.Fatal(err)
	}
	p.Weights, p.Config.BatchSize, p.Config.Name = weights, 2, "eight"
	if err := measure(ctx, p, 8, clipkit.Processes(8)); err != nil {
		t.Fatal(err)
	}
	r, err := readResult(p)
	if err != nil || r.Name != "8p-cpu (go)" || r.BatchSize != 2 || r.Steps != 3 || r.Data != "a set in the folder Flickr30k-CN" ||
		r.Status != "measured here on 6 pictures with 6 captions of the folder Flickr30k-CN, which is not the published Flickr30k-CN: its test split has 6 pictures, the published one 1000" {
		t.Errorf("%+v, %v", r, err)
	}
	dir := filepath.Join(root, "experiments", "eight")
	rows, err := experiment.ReadRows(dir)
	if times := batchTimes(rows); err != nil || len(times) != 3 || r.FPS != FPS(16, times) || r.TrainingTime != TrainingTime(times) {
		t.Errorf("FPS %v, TrainingTime %v of %v, %v", r.FPS, r.TrainingTime, times, err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "out_*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	text, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	for step := 1; step <= 3; step++ { // 15 pairs are filled up to 16 for the eight
		if line := fmt.Sprintf("| INFO | Rank 0 | Global Steps: %d/3 | Train Epoch: %d [16/16 (100%%)] | Loss: ", step, step); strings.Count(string(text), line) != 1 {
			t.Errorf("not one line with %q:\n%s", line, text)
		}
	}
	if n := strings.Count(string(text), "| Global Batch Size: 16\n"); n != 3 {
		t.Errorf("%d lines of 16 pairs:\n%s", n, text)
	}
	for file, has := range map[string][]string{
		"chinese_clip_bs2_8p_acc.log":             {"Network = chinese_clip\nRankSize = 8\nBatchSize = 2\nDeviceType = ", "\nCaseName = chinese_clip_bs2_8p_acc\ntext_to_image_acc_r5 = "},
		"chinese_clip_bs2_8p_acc_perf_report.log": {fmt.Sprintf("ActualFPS = %.2f\nTrainingTime = %.3f\nE2ETrainingTime = ", r.FPS, r.TrainingTime)},
	} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		for _, part := range has {
			if err != nil || !strings.Contains(string(b), part) {
				t.Errorf("%s, %v: no %q in %s", file, err, part, b)
			}
		}
	}
}
