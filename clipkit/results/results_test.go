package results

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/train"
)

func TestMain(m *testing.M) { limit.Main(m) }

// The arithmetic of the ModelZoo's scripts.
func TestFPSIsTheScripts(t *testing.T) {
	repeat := func(times []float64, n int, v float64) []float64 {
		for range n {
			times = append(times, v)
		}
		return times
	}
	for _, c := range []struct {
		what  string
		pairs int
		times []float64
		want  float64
	}{
		{"vit-b on 8 NPUs", 1024, repeat(nil, 438, 0.449), 2280.62},
		{"vit-h on 8 NPUs, cut and not rounded: 316.049", 256, repeat(nil, 100, 0.810), 316.04},
		{"the sample of the documents", 1024, []float64{3.625}, 282.48},
		{"a slow beginning is not among the last 100", 128, repeat([]float64{90, 30}, 100, 0.5), 256},
		{"of 101 the first is left out", 100, append([]float64{101}, repeat(nil, 100, 1)...), 100},
		{"all of fewer than 100", 100, []float64{1, 3}, 50},
		{"the mean is rounded to milliseconds first", 1000, []float64{0.333, 0.333, 0.334}, 3003},
		{"exact in decimal: 0.29 · 100 is not in binary", 29, []float64{100}, 0.29},
		{"no steps", 128, nil, 0},
		{"no time", 128, []float64{0, 0}, 0},
	} {
		if got := FPS(c.pairs, c.times); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
	rows := []experiment.Row{{Kind: "train", BatchTime: 0.10049}, {Kind: "valid", BatchTime: 9}, {Kind: "train", BatchTime: 0.2006}, {Kind: "note"}}
	if times := batchTimes(rows); len(times) != 2 || times[0] != 0.1 || times[1] != 0.201 || TrainingTime(times) != 0.301 {
		t.Error(times, TrainingTime(times))
	}
}

// The two accuracy columns stand as printed in the one table and put right in the other.
func TestModelZooTables(t *testing.T) {
	page := AsPrinted().HTML()
	if strings.Index(page, "94.76") > strings.Index(page, "98.7<") || !strings.Contains(page, "2280.00") {
		t.Errorf("not as printed: %s", page)
	}
	page = Figure(ModelZoo()...).HTML()
	if strings.Index(page, "94.76") < strings.Index(page, "98.70") || strings.Count(page, ">published<") != 4 {
		t.Errorf("not put right: %s", page)
	}
}

// A chart of published results shows the rows of its set that were measured here, and no other's.
func TestPublishedChart(t *testing.T) {
	if _, err := PublishedTable("ImageNet"); err == nil || !strings.Contains(err.Error(), "Flickr30k-CN") {
		t.Error(err)
	}
	recall := func(r1, r5, r10 float64) experiment.Recall { return experiment.Recall{R1: r1, R5: r5, R10: r10} }
	here := Row{Model: "ViT-B-16", Data: "flickr30k-cn", TextToImage: recall(12.5, 25, 50), ImageToText: recall(1, 2, 3), Status: measuredHere}
	other := Row{Model: "emoji", Data: "emoji", TextToImage: recall(61, 62, 63), ImageToText: recall(64, 65, 66), Status: measuredHere}
	c, err := PublishedChart("Flickr30k-CN", true, here, other)
	if err != nil {
		t.Fatal(err)
	}
	html := c.HTML()
	for text, want := range map[string]bool{"12.5": true, "79.1": true, "A ViT-B-16 finetuned（": true, "62.7": false, "Wukong": false, "emoji": false} {
		if strings.Contains(html, text) != want {
			t.Errorf("%q in the chart: %v", text, !want)
		}
	}
}

// Files that are put in place turn a row from what it needs into one that can run; nothing else changes.
func TestRowsSayWhatTheyNeed(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	for name, value := range map[string]string{"CLIPKIT_ROOT": dir, "CLIPKIT_WEIGHTS": "", "HOME": dir} { // an empty machine
		t.Setenv(name, value)
	}
	rows, err := Table{}.Rows(ctx)
	if err != nil || len(rows) != 9 || rows[8].Recipe != "emoji/finetune" || rows[8].Status != "not measured yet" {
		t.Fatalf("%v, %+v", err, rows)
	}
	for _, r := range rows[:8] {
		for _, part := range []string{"needs: weights " + r.Model, "(clip_cn_" + strings.ToLower(r.Model) + ".pt)", "data set Flickr30k-CN", "GB of memory"} {
			if !strings.Contains(r.Status, part) {
				t.Errorf("%s: no %q in %s", r.Recipe, part, r.Status)
			}
		}
		if eight := strings.HasSuffix(r.Recipe, "-8p"); strings.Contains(r.Status, "8 devices") != eight || strings.HasPrefix(r.Name, "8p") != eight {
			t.Errorf("%s %s: %s", r.Recipe, r.Name, r.Status)
		}
	}

	emoji, err := clipkit.OpenDataset(ctx, "emoji")
	if err != nil {
		t.Fatal(err)
	}
	defer emoji.Close()
	data := filepath.Join(dir, "elsewhere", "Flickr30k-CN")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	for split, s := range map[string]dataset.Source{"train": emoji.Valid, "test": emoji.Test} {
		if err := dataset.WriteTSV(s, filepath.Join(data, split+"_imgs.tsv"), filepath.Join(data, split+"_texts.jsonl")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "pretrained_weights"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pretrained_weights", "clip_cn_vit-b-16.pt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, turns := range []bool{false, true} {
		rows, err := Table{Data: data, Turns: turns}.Rows(ctx)
		if err != nil || len(rows) != 8 {
			t.Fatalf("%v, %+v", err, rows)
		}
		for _, r := range rows {
			can := r.Model == "ViT-B-16" && (turns || !strings.HasSuffix(r.Recipe, "-8p"))
			if can != (r.Status == "not measured yet") || strings.Contains(r.Status, "data set") {
				t.Errorf("turns %v, %s: %s", turns, r.Recipe, r.Status)
			}
		}
	}
	if _, err := (Table{Recipes: "emoji/finetune, nothing"}).Rows(ctx); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Error(err)
	}
}

// A row that was interrupted continues, its time counts with the sessions before, and once it is done Measure leaves it alone. The scripts' files
// have their fields.
func TestMeasureContinuesAndLeavesTheScriptsFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CLIPKIT_ROOT", dir)
	ctx, interrupt := context.WithCancel(t.Context())
	go func() {
		for { // until the first step is recorded
			if rows, _ := experiment.ReadRows(filepath.Join(dir, "experiments", "r-emoji-finetune")); len(rows) > 0 || ctx.Err() != nil {
				interrupt()
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	table := Table{Name: "r", Recipes: "emoji/finetune", Steps: 3}
	if err := table.Measure(ctx); !errors.Is(err, train.ErrInterrupted) {
		t.Fatal(err)
	}
	var rows [3]Row
	for i := range rows {
		if i > 0 {
			if err := table.Measure(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		all, err := table.Rows(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		rows[i] = all[0]
	}
	if rows[0].Measured() || rows[0].E2ETrainingTime <= 0 || rows[0].E2ETrainingTime >= rows[1].E2ETrainingTime || rows[1] != rows[2] {
		t.Errorf("interrupted %+v\nmeasured %+v\nagain %+v", rows[0], rows[1], rows[2])
	}
	r := rows[1]
	if r.Status != "measured here on emoji (embedded set, not Flickr30k-CN), after 3 steps only" || r.BatchSize != 128 || r.Steps != 3 ||
		r.TextToImage.R5 < 10 || r.TrainingTime <= 0 || r.E2ETrainingTime < r.TrainingTime || !strings.HasPrefix(r.Name, "1p-cpu (") {
		t.Errorf("%+v", r)
	}
	metrics, err := experiment.ReadRows(filepath.Join(dir, "experiments", r.Run))
	if times := batchTimes(metrics); err != nil || len(times) != 3 || math.Abs(r.FPS-3*128/TrainingTime(times)) > 0.01*r.FPS {
		t.Errorf("%v, FPS %v of %v", err, r.FPS, times)
	}
	for file, fields := range map[string]string{
		"chinese_clip_bs128_1p_acc.log":             "Network RankSize BatchSize DeviceType CaseName text_to_image_acc_r5 image_to_text_acc_r5",
		"chinese_clip_bs128_1p_acc_perf_report.log": "ActualFPS TrainingTime E2ETrainingTime",
	} {
		b, err := os.ReadFile(filepath.Join(dir, "experiments", r.Run, file))
		var got []string
		for line := range strings.Lines(string(b)) {
			key, value, found := strings.Cut(strings.TrimSpace(line), " = ")
			if got = append(got, key); !found || value == "" {
				t.Errorf("%s: %q", file, line)
			}
		}
		if err != nil || strings.Join(got, " ") != fields {
			t.Errorf("%s: %v, %v", file, got, err)
		}
	}
	broken := filepath.Join(dir, "experiments", r.Run, "eval", "result.json")
	if err := os.WriteFile(broken, []byte(`{"fps": `), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := table.Rows(t.Context()); err == nil || !strings.Contains(err.Error(), broken) {
		t.Error(err)
	}
}
