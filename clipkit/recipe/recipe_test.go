package recipe

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/chart"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/train"
)

// The scripts of the reference (run_scripts/, its notebook) and of the ModelZoo (test/), number by number.
func TestRecipesAreTheScripts(t *testing.T) {
	for _, want := range []struct {
		name, model, data         string
		batch, turns, devices     int
		lr, wd                    float64
		warmup, epochs, validStep int
		mask, teacher             float64
		recompute                 bool
		steps                     int // of the recipe on one device; 0 = the size of the data is not known
	}{
		{"emoji/finetune", "emoji", "emoji", 128, 1, 1, 8e-4, 0.05, 20, 4, 0, 0, 0, false, 188},
		{"emoji/pretrain", "", "emoji-styles", 128, 1, 1, 1.5e-3, 0.05, 100, 6, 0, 0, 0, false, 1938},
		{"emoji/pretrain-again", "emoji-pretrain", "emoji-styles", 128, 1, 1, 1e-3, 0.05, 50, 5, 0, 0, 0, false, 1615},
		{"emoji/pretrain-more", "emoji-pretrain-2", "emoji-more", 256, 1, 1, 1.5e-3, 0.05, 100, 2, 250, 0, 0, false, 2362},
		{"emoji/pretrain-words", "emoji-pretrain-3", "emoji-words", 256, 1, 1, 1.5e-3, 0.05, 100, 5, 250, 0, 0, false, 3105},
		{"emoji/pretrain-lines", "emoji-pretrain-4", "emoji-lines", 256, 1, 1, 1.5e-3, 0.05, 100, 3, 250, 0, 0, false, 2835},
		{"emoji/pretrain-hands", "emoji-pretrain-5", "emoji-hands", 256, 1, 1, 1.5e-3, 0.05, 100, 2, 250, 0, 0, false, 2556},
		{"emoji/pretrain-hands-again", "emoji-pretrain-6", "emoji-hands", 512, 1, 1, 1.5e-3, 0.05, 100, 3, 250, 0, 0, false, 1917},
		{"emoji/pretrain-turned", "emoji-pretrain-7", "emoji-turned", 512, 1, 1, 1.5e-3, 0.05, 100, 3, 250, 0, 0, false, 1917},
		{"emoji/pretrain-owned", "emoji-pretrain-mean", "emoji-owned", 512, 1, 1, 1e-3, 0.05, 50, 1, 250, 0, 0, false, 614},

		{"own/emoji", "emoji", "", 64, 1, 1, 2e-4, 0.05, 20, 5, 0, 0, 0, false, 0},
		{"own/vit-b-16", "ViT-B-16", "", 16, 3, 1, 3e-6, 0.001, 100, 3, 0, 0, 0, true, 0},

		{"flickr30k/vit-b-16/full", "ViT-B-16", "Flickr30k-CN", 128, 1, 1, 5e-5, 0.001, 100, 3, 0, 0, 0, false, 3492},
		{"flickr30k/vit-b-16/performance", "ViT-B-16", "Flickr30k-CN", 128, 1, 1, 5e-5, 0.001, 100, 1, 0, 0, 0, false, 1164},
		{"flickr30k/vit-b-16/full-8p", "ViT-B-16", "Flickr30k-CN", 128, 8, 8, 5e-5, 0.001, 100, 3, 0, 0, 0, false, 438},
		{"flickr30k/vit-b-16/performance-8p", "ViT-B-16", "Flickr30k-CN", 128, 8, 8, 5e-5, 0.001, 100, 1, 0, 0, 0, false, 146},
		{"flickr30k/vit-h-14/full", "ViT-H-14", "Flickr30k-CN", 32, 1, 1, 5e-5, 0.001, 100, 3, 0, 0, 0, false, 13962},
		{"flickr30k/vit-h-14/performance", "ViT-H-14", "Flickr30k-CN", 32, 1, 1, 5e-5, 0.001, 100, 1, 0, 0, 0, false, 4654},
		{"flickr30k/vit-h-14/full-8p", "ViT-H-14", "Flickr30k-CN", 32, 8, 8, 5e-5, 0.001, 100, 3, 0, 0, 0, false, 1746},
		{"flickr30k/vit-h-14/performance-8p", "ViT-H-14", "Flickr30k-CN", 32, 8, 8, 5e-5, 0.001, 100, 1, 0, 0, 0, false, 582},

		{"muge/vit-b-16", "ViT-B-16", "MUGE", 128, 8, 8, 5e-5, 0.001, 100, 3, 150, 0, 0, false, 735},
		{"muge/vit-b-16/flip", "ViT-B-16", "MUGE", 128, 8, 8, 5e-5, 0.001, 100, 3, 150, 0.5, 0, false, 735},
		{"muge/vit-b-16/flashattn", "ViT-B-16", "MUGE", 128, 8, 8, 5e-5, 0.001, 100, 3, 150, 0, 0, false, 735},
		{"muge/vit-b-16/distillation", "ViT-B-16", "MUGE", 128, 8, 8, 5e-5, 0.001, 100, 3, 150, 0, 0.5, false, 735},
		{"muge/vit-b-16/notebook", "ViT-B-16", "MUGE", 48, 1, 1, 3e-6, 0.001, 100, 1, 1000, 0, 0, true, 5215},
		{"flickr30k/vit-b-16", "ViT-B-16", "Flickr30k-CN", 128, 8, 8, 5e-5, 0.001, 100, 3, 150, 0, 0, false, 438},
		{"flickr30k/vit-b-16/flip", "ViT-B-16", "Flickr30k-CN", 128, 8, 8, 5e-5, 0.001, 100, 3, 150, 0.5, 0, false, 438},
		{"coco-cn/vit-b-16", "ViT-B-16", "COCO-CN", 1024, 8, 8, 3e-5, 0.001, 6, 20, 0, 0, 0, true, 0},
	} {
		p, err := Find(want.name)
		if err != nil {
			t.Error(err)
			continue
		}
		c, steps := p.Config, 0
		if p.Pairs > 0 {
			steps = train.TotalSteps(p.Pairs, c)
		}
		got := want
		got.model, got.data, got.batch, got.turns, got.devices = p.Weights, p.Data, c.BatchSize, max(1, c.AccumFreq)*max(1, c.WorldSize), p.Devices
		if p.Devices > 1 && (c.WorldSize != p.Devices || c.AccumFreq > 1) {
			t.Errorf("%s: %d ranks with accum_freq %d for %d devices", want.name, c.WorldSize, c.AccumFreq, p.Devices)
		}
		got.lr, got.wd, got.warmup, got.epochs, got.validStep = c.LR, c.WeightDecay, c.Warmup, c.MaxEpochs, c.ValidStepInterval
		got.mask, got.teacher, got.recompute, got.steps = c.MaskRatio, c.KDLossWeight, c.Recompute, steps
		if got != want {
			t.Errorf("is   %+v\nwant %+v", got, want)
		}
		// What all of them share.
		augment := cmp.Or(map[string]string{"emoji/finetune": "drawings", "emoji/pretrain-more": "drawings", "emoji/pretrain-words": "recoloured", "emoji/pretrain-lines": "redrawn", "emoji/pretrain-hands": "redrawn", "emoji/pretrain-hands-again": "redrawn", "emoji/pretrain-turned": "reshaped", "emoji/pretrain-owned": "redrawn"}[want.name], "reference")
		if c.Augment != augment || c.MaxSteps != 0 || c.Seed != 123 || c.ValidEpochInterval != 1 || c.SaveEpochInterval != 1 || c.SaveStepInterval != 0 ||
			c.Beta1 != 0.9 || c.SkipScheduler || c.FreezeVision || c.LoRARank != 0 || c.Resume != "" {
			t.Errorf("%s: %+v", want.name, c)
		}
		if strings.HasPrefix(p.Architecture, "ViT") && (c.ContextLength != 52 || c.CropScale != [2]float64{0.9, 1} || c.Beta2 != 0.98 || c.Epsilon != 1e-6) {
			t.Errorf("%s: %+v", want.name, c)
		}
		valid := map[string]int{"flickr30k/vit-h-14": 32, "flickr30k/vit-b-16": 128, "muge/vit-b-16": 128, "coco-cn/vit-b-16": 128}
		if base := strings.Join(strings.Split(want.name, "/")[:2], "/"); valid[base] > 0 && want.name != "muge/vit-b-16/notebook" {
			if c.ValidBatchSize != valid[base] || c.LogInterval != 1 {
				t.Errorf("%s: valid batch %d, log interval %d", want.name, c.ValidBatchSize, c.LogInterval)
			}
		}
	}
	if n := len(All()); n != 28 {
		t.Errorf("%d recipes, 28 are checked", n)
	}
}

// The recalls that a recipe reaches are those of the reference's Results.md, of its notebook, and of the ModelZoo's table with its columns put right.
func TestRecipesCarryTheirNumbers(t *testing.T) {
	for name, numbers := range map[string][]string{
		"flickr30k/vit-b-16/full-8p": {
			"8 NPUs, 3 epochs, Flickr30K-CN test: text→image R@5 94.76; image→text R@5 98.7 (", "competitor, the same: text→image R@5 94.63; image→text R@5 98.97 (",
			"text→image R@1 79.1, R@5 94.8, R@10 97.4; image→text R@1 93.5, R@5 99, R@10 99.5 (", "text→image R@1 62.7, R@5 86.9, R@10 92.8; image→text R@1 74.6, R@5 93.5, R@10 97.1 (",
			"2280 pairs/s on 8 NPUs", "438 steps of 1024 pairs (8 batches of 128 on as many devices, or on fewer one after another)", "148915 pairs"},
		"flickr30k/vit-h-14/full-8p": {
			"8 NPUs, 3 epochs, Flickr30K-CN test: text→image R@5 95.18; image→text R@5 98.7 (", "competitor, the same: text→image R@5 95.34; image→text R@5 99.4 (",
			"text→image R@1 83.8, R@5 96.9, R@10 98.6; image→text R@1 95.3, R@5 99.7, R@10 100 (", "text→image R@1 71.2, R@5 91.4, R@10 95.5; image→text R@1 81.6, R@5 97.5, R@10 98.8 (",
			"316 pairs/s on 8 NPUs", "1746 steps of 256 pairs"},
		"flickr30k/vit-b-16/full": {"no result is published", "speed    not measured", "3492 steps of 128 pairs, lr 5e-05"},
		"muge/vit-b-16": {
			"text→image R@1 58.4, R@5 83.6, R@10 90, mean 77.4 (", "text→image R@1 52.1, R@5 76.7, R@10 84.4, mean 71.1 ("},
		"muge/vit-b-16/notebook":     {"text→image R@1 56.869, R@5 81.21, R@10 87.919, mean 75.333 (", "133 pairs/s on one V100"},
		"muge/vit-b-16/flashattn":    {"the engine fuses attention by itself"},
		"muge/vit-b-16/distillation": {"a teacher with weight 0.5", "clipkit.Teacher"},
		"coco-cn/vit-b-16": {
			"text→image R@1 77, R@5 97.1, R@10 99; image→text R@1 77.4, R@5 96.2, R@10 98.9 (", "text→image R@1 62.2, R@5 86.6, R@10 94.9; image→text R@1 57, R@5 84.1, R@10 93.6 ("},
		"emoji/finetune": {"R@1 66.7, R@5 89.2, R@10 92.9; image→text R@1 67.5, R@5 79.2, R@10 86.7 (", "R@1 59.6, R@5 84.1, R@10 89; image→text R@1 56.8, R@5 72.6, R@10 80.6 ("},
		"emoji/pretrain": {"text→image R@5 23.2; image→text R@5 9.8 (", "begins at random"},
		"own/vit-b-16":   {"3e-6 at 48", "2e-6 at 96", "ln(pairs of a step)", "reaches  not measured"},
	} {
		p, err := Find(name)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, n := range numbers {
			if !strings.Contains(p.String(), n) {
				t.Errorf("no %q in\n%v", n, p)
			}
		}
	}
}

// A recipe can be seen where no HTML is shown.
func TestStill(t *testing.T) {
	p, err := Find("emoji/finetune")
	if err != nil {
		t.Fatal(err)
	}
	if still := string(p.Still()); !strings.HasPrefix(still, "<svg ") || !strings.Contains(still, ">emoji/finetune<") {
		t.Errorf("%.500s", still)
	}
}

// One is one: "1 epoch", "3 epochs".
func TestNumbersAgree(t *testing.T) {
	for epochs, want := range map[int]string{1: " 1 epoch, ", 3: " 3 epochs, "} {
		p, err := Find("emoji/finetune")
		if err != nil {
			t.Fatal(err)
		}
		p.Config.MaxEpochs = epochs
		if said := p.String(); !strings.Contains(said, want) {
			t.Errorf("of a recipe of %d: no %q in\n%s", epochs, want, said)
		}
	}
}

// Whatever a recipe names can be looked up, and its settings train its model.
func TestRecipesHoldTogether(t *testing.T) {
	seen := map[string]string{}
	for _, p := range All() {
		cfg, err := arch.Lookup(p.Architecture)
		if err != nil {
			t.Error(p.Name, err)
		}
		if err := p.Config.Check(cfg); err != nil {
			t.Error(p.Name, err)
		}
		if p.Memory() < 4*int64(cfg.NumParams()) || p.Source == "" {
			t.Errorf("%s: %d bytes, from %q", p.Name, p.Memory(), p.Source)
		}
		if other, taken := seen[p.Config.Name]; taken {
			t.Errorf("%s and %s both make the run %s", p.Name, other, p.Config.Name)
		}
		seen[p.Config.Name] = p.Name
		if strings.HasPrefix(p.Architecture, "ViT") && p.Data != "" {
			if _, ok := dataset.FindPublished(p.Data); !ok {
				t.Errorf("%s: no data set %q", p.Name, p.Data)
			}
		}
		var figure chart.Figure = p
		if html := figure.HTML(); strings.Count(html, "<tr>") < 5 || !strings.Contains(html, p.Name) {
			t.Errorf("%s as a table: %s", p.Name, html)
		}
	}
	if _, err := Find("flickr30k/vit-b-16/ful"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "flickr30k/vit-b-16/full-8p") {
		t.Error(err)
	}
	own, err := Find("own/emoji")
	if err != nil {
		t.Fatal(err)
	}
	if own.Result() != "own-emoji/best" {
		t.Error(own.Result())
	}
}

// What a run comes to on given pairs is said in one line.
func TestRunInALine(t *testing.T) {
	r, err := Find("emoji/finetune")
	if err != nil {
		t.Fatal(err)
	}
	data, err := dataset.Open("emoji")
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	cfg, err := arch.Lookup(r.Architecture)
	if err != nil {
		t.Fatal(err)
	}
	if said := r.Run(data.Train, cfg); !strings.HasPrefix(said, "emoji, 188 steps of 128 pairs, lr 0.0008, about ") || !strings.HasSuffix(said, " GB of memory") {
		t.Error(said)
	}
}

func TestMicroBatchesKeepTheStep(t *testing.T) {
	for _, c := range []struct{ batch, accum, atMost, wantBatch, wantParts int }{
		{128, 8, 16, 16, 64}, {128, 8, 500, 128, 8}, {48, 0, 20, 16, 3}, {7, 1, 4, 7, 1}, {1024, 8, 1, 1024, 8},
	} {
		was := train.Config{BatchSize: c.batch, AccumFreq: c.accum}
		got := MicroBatches(was, c.atMost)
		computed := cmp.Or(got.MicroBatch, got.BatchSize)
		if computed != c.wantBatch || max(1, got.AccumFreq)*got.BatchSize/computed != c.wantParts {
			t.Errorf("%+v: %d × %d in parts of %d", c, got.BatchSize, got.AccumFreq, got.MicroBatch)
		}
		if got.MicroBatch = 0; got != was {
			t.Errorf("%+v: %+v", was, got)
		}
	}
	// An epoch keeps its steps: 148,915 pairs fill 1,164 batches of 128, and 9,308 of 16, of which 8 make only 1,163 steps.
	for _, name := range []string{"flickr30k/vit-b-16/performance", "flickr30k/vit-b-16/performance-8p"} {
		r, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		want := train.TotalSteps(r.Pairs, r.Config)
		r.Config = MicroBatches(r.Config, 16)
		if got := train.TotalSteps(r.Pairs, r.Config); got != want || r.Config.MicroBatch != 16 || !strings.Contains(r.String(), "in parts of 16") {
			t.Errorf("%d steps, want %d: %s", got, want, r)
		}
	}
}

// The published tables: each row could be one, and is as wide as its head.
func TestPublishedTables(t *testing.T) {
	for _, set := range []string{"MUGE", "flickr30k_cn", "COCO-CN"} {
		rows, err := PublishedOn(set)
		if err != nil || len(rows) < 7 || rows[1].Model != "ViT-B-16" || rows[4].Model != "ViT-H-14" {
			t.Fatal(set, rows, err)
		}
		for _, p := range rows {
			for _, r := range []experiment.Recall{p.ZeroShot.TextToImage, p.ZeroShot.ImageToText, p.Finetuned.TextToImage, p.Finetuned.ImageToText} {
				if r.R1 > r.R5 || r.R5 > r.R10 || r.R10 > 100 || r.Mean != 0 && math.Abs(r.Mean-(r.R1+r.R5+r.R10)/3) > 0.1 {
					t.Errorf("%s %s: %+v", set, p.Model, r)
				}
			}
		}
	}
	for _, row := range ZeroShot {
		if len(row) != 1+len(ZeroShotTasks) {
			t.Error(row)
		}
	}
	if _, err := PublishedOn("ImageNet"); err == nil || !strings.Contains(err.Error(), "Flickr30k-CN") {
		t.Error(err)
	}
}

// What the figures that the ModelZoo printed say about how they came about.
func TestModelZooRowsAndTheirOddities(t *testing.T) {
	multiple := func(v, of float64) bool { return math.Abs(v/of-math.Round(v/of)) < 1e-6 }
	for _, r := range ModelZoo() {
		cut := func(decimals float64) (found bool) { // whether some mean gives this FPS
			pairs := float64(8 * r.Batch)
			for ms := 1.0; ms < 2000; ms++ {
				found = found || math.Floor(pairs*1000*decimals/ms)/decimals == r.FPS
			}
			return found
		}
		if cut(100) || cut(1) != (r.FPS == 2280) {
			t.Errorf("FPS %v: by the script %v, by the old one %v", r.FPS, cut(100), cut(1))
		}
		text, image := r.R5.TextToImage.R5, r.R5.ImageToText.R5
		if odd := text == 94.63; multiple(text, 0.02) == odd || multiple(image, 0.1) == odd || image < text {
			t.Errorf("%s %s: text→image %v of 5000 captions, image→text %v of 1000 pictures", r.Model, r.Device, text, image)
		}
	}
}

// README.md says of the quickstart's training what the recipe says.
func TestQuickstartTime(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if time, _, _ := strings.Cut(QuickstartTime, " on "); !strings.Contains(string(b), "of which training | "+time+" |") {
		t.Errorf("README.md does not say %q", time)
	}
}

// README.md's table of the quickstart has the recipe's figures.
func TestQuickstartFigures(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Find("emoji/finetune")
	if err != nil {
		t.Fatal(err)
	}
	readme := strings.ReplaceAll(string(b), "*", "")
	for i, row := range []string{"| after, mean of three seeds ", "| before |"} {
		_, line, found := strings.Cut(readme, "\n"+row)
		line, _, _ = strings.Cut(line, "\n")
		for _, recall := range []experiment.Recall{r.Reaches[i].TextToImage, r.Reaches[i].ImageToText} {
			if figures := fmt.Sprintf("%.1f / %.1f / %.1f", recall.R1, recall.R5, recall.R10); !found || !strings.Contains(line, figures) {
				t.Errorf("README.md, row %q: no %s in %q", row, figures, line)
			}
		}
	}
}
