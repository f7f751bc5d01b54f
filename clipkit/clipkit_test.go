package clipkit_test

import (
	"context"
	"errors"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/arch"
	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/train"
	"clipnb/clipkit/train/adamw"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/hub"
	"clipnb/clipkit/zeroshot"
)

var ctx = context.Background()

// inFreshRoot keeps a test's runs out of the repository.
func inFreshRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	t.Setenv("CLIPKIT_ROOT", root)
	return root
}

func load(t *testing.T, name string) *clipkit.Model {
	t.Helper()
	m, err := clipkit.Load(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func emoji(t *testing.T) *dataset.Dataset {
	t.Helper()
	data, err := clipkit.OpenDataset(ctx, "emoji")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The embedded model finds pictures of a style that it has not seen far better than chance (1 % at R@5 of the test split's 500).
func TestEmbeddedModelSearches(t *testing.T) {
	inFreshRoot(t)
	m, data := load(t, "emoji"), emoji(t)
	rep, err := clipkit.EvaluateRetrieval(ctx, m, data.Test)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("text→image %+v, image→text %+v", rep.TextToImage, rep.ImageToText)
	if rep.Images != 500 || rep.Texts != 2500 || rep.TextToImage.R5 < 10 || rep.ImageToText.R5 < 8 {
		t.Errorf("%+v", rep)
	}
	ix, err := clipkit.BuildIndex(ctx, m, data.Train)
	if err != nil {
		t.Fatal(err)
	}
	hits, err := ix.SearchText(ctx, "爱心", 20)
	if err != nil || len(hits) != 20 {
		t.Fatal(len(hits), err)
	}
	hearts := 0
	for _, h := range hits {
		if strings.Contains(strings.Join(h.Captions, " "), "心") {
			hearts++
		}
	}
	if hearts < 5 {
		t.Errorf("of 20 pictures found for 爱心 only %d are hearts", hearts)
	}
	// A picture finds itself.
	p, err := imaging.Decode(hits[0].Encoded)
	if err != nil {
		t.Fatal(err)
	}
	self, err := ix.SearchImage(ctx, p.Image(), 1)
	if err != nil || self[0].ImageID != hits[0].ImageID || self[0].Score < 0.999 {
		t.Errorf("%+v, %v", self, err)
	}
}

// Finetune trains, keeps a run, continues or refuses; Load takes the run.
func TestFinetuneKeepsARun(t *testing.T) {
	root := inFreshRoot(t)
	data := emoji(t)
	r, err := clipkit.Recipe("emoji/finetune")
	if err != nil {
		t.Fatal(err)
	}
	cfg := r.Config
	cfg.Name, cfg.MaxSteps, cfg.BatchSize = "a", 2, 16
	m := load(t, "emoji")
	run, err := clipkit.Finetune(ctx, m, data, cfg)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, r := range run.Rows {
		kinds[r.Kind]++
	}
	last := run.Rows[len(run.Rows)-1]
	if kinds["train"] != 2 || kinds["valid"] != 1 || last.TextToImage == nil || math.IsNaN(last.Loss) || last.Loss <= 0 {
		t.Errorf("rows %+v", run.Rows)
	}

	again := load(t, "emoji")
	if _, err := clipkit.Finetune(ctx, again, data, cfg); err != nil {
		t.Fatal(err)
	}
	fromRun := load(t, "a")
	x, err := fromRun.EncodeTexts(ctx, []string{"狗"})
	if err != nil {
		t.Fatal(err)
	}
	for i, other := range []*clipkit.Model{m, again} {
		y, err := other.EncodeTexts(ctx, []string{"狗"})
		if err != nil {
			t.Fatal(err)
		}
		for k := range y[0] {
			if x[0][k] != y[0][k] {
				t.Fatalf("model %d differs from the saved run", i)
			}
		}
	}

	// The same as a .pt with which the reference's training goes on.
	path := filepath.Join(root, "a.pt")
	if err := run.Export(path); err != nil {
		t.Fatal(err)
	}
	y, err := load(t, path).EncodeTexts(ctx, []string{"狗"})
	if err != nil || !slices.Equal(x[0], y[0]) {
		t.Errorf("the exported .pt encodes otherwise (%v)", err)
	}
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ck, params := f.Checkpoint, len(adamw.Parameters(m.Towers.Config))
	if ck.Step != 2 || ck.Epoch != 1 || ck.Name != "a" || len(ck.Optimizer.State) != params || ck.Optimizer.State[0].Step != 2 {
		t.Errorf("exported %+v", ck)
	}
	if g := ck.Optimizer.Groups; len(g) != 2 || g[0].WeightDecay != 0 || g[1].WeightDecay != cfg.WeightDecay || g[0].Params+g[1].Params != params {
		t.Errorf("exported groups %+v", g)
	}

	cfg.LR *= 2
	if _, err := clipkit.Finetune(ctx, load(t, "emoji"), data, cfg); !errors.Is(err, experiment.ErrOtherSettings) || !strings.Contains(err.Error(), "choose another name") {
		t.Errorf("other settings: %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, "experiments", "a", "metrics.jsonl")); err != nil {
		t.Error(err)
	}
}

// A teacher, a limit of memory, the best checkpoint and the reference's lines in the log.
func TestFinetuneWithATeacher(t *testing.T) {
	root := inFreshRoot(t)
	data := emoji(t)
	r, err := clipkit.Recipe("emoji/finetune")
	if err != nil {
		t.Fatal(err)
	}
	cfg := r.Config
	cfg.Name, cfg.MaxSteps, cfg.BatchSize = "a", 2, 16
	m, teacher := load(t, "emoji"), load(t, "emoji")
	if _, err := clipkit.Finetune(ctx, m, data, cfg, clipkit.Teacher(teacher)); !errors.Is(err, train.ErrConfig) {
		t.Errorf("a teacher without a weight: %v", err)
	}
	if _, err := clipkit.Finetune(ctx, m, data, cfg, clipkit.MemoryLimit(1e6)); !errors.Is(err, train.ErrMemory) {
		t.Errorf("a megabyte was enough: %v", err)
	}
	cfg.KDLossWeight, cfg.BestMetric = 0.5, "mean_recall" // the refused run has left its name free
	if _, err := clipkit.Finetune(ctx, m, data, cfg); !errors.Is(err, train.ErrConfig) || !strings.Contains(err.Error(), "clipkit.Teacher") {
		t.Errorf("a weight without a teacher: %v", err)
	}
	run, err := clipkit.Finetune(ctx, m, data, cfg, clipkit.Teacher(teacher))
	if err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(run.Dir, "out_*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	text, err := os.ReadFile(logs[len(logs)-1])
	if err != nil || !strings.Contains(string(text), "| train data set contains 1202 images and 6010 pairs.\n") || !strings.Contains(string(text), "| val data set contains 150 images and 750 pairs.\n") {
		t.Errorf("%s, %v", text, err)
	}
	other, err := clipkit.New(ctx, "emoji", 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	if _, err := clipkit.Finetune(ctx, load(t, "emoji"), data, cfg, clipkit.Teacher(other)); !errors.Is(err, experiment.ErrOtherSettings) {
		t.Errorf("another teacher: %v", err)
	}

	// Both by name and by path; after two steps the best is the newest.
	for _, name := range []string{"a/best", filepath.Join(root, "experiments", "a", "best")} {
		best := load(t, name)
		if !strings.Contains(best.String(), filepath.Join("checkpoints", "best", "step-00000002")) {
			t.Errorf("%s was loaded from %s", name, best.String())
		}
		for _, tensor := range []string{"text_projection", "visual.conv1.weight"} {
			_, want, err := m.Towers.Get(tensor)
			if err != nil {
				t.Fatal(err)
			}
			if _, got, err := best.Towers.Get(tensor); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s has another %s (%v)", name, tensor, err)
			}
		}
	}
	if err := os.RemoveAll(filepath.Join(run.Dir, "checkpoints", "best")); err != nil {
		t.Fatal(err)
	}
	if _, err := clipkit.Load(ctx, "a/best"); !errors.Is(err, checkpoint.ErrNone) || !strings.Contains(err.Error(), "best_metric") {
		t.Errorf("the best of a run that keeps none: %v", err)
	}
	if _, err := clipkit.Load(ctx, "no-such-run/best"); !errors.Is(err, clipkit.ErrNoModel) {
		t.Error(err)
	}
}

func TestSavedWeightsLoadAgain(t *testing.T) {
	m := load(t, "emoji")
	a, err := m.EncodeTexts(ctx, []string{"生日蛋糕", "一只猫"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"half.safetensors", "half.pt"} {
		path := filepath.Join(t.TempDir(), name)
		if err := m.Save(path, true); err != nil {
			t.Fatal(err)
		}
		b, err := load(t, path).EncodeTexts(ctx, []string{"生日蛋糕", "一只猫"})
		if err != nil || !slices.Equal(a[0], b[0]) { // the embedded weights are half precision already
			t.Errorf("%s encodes otherwise (%v)", name, err)
		}
	}
	if err := m.Save(filepath.Join(t.TempDir(), "folder"), false); !errors.Is(err, weights.ErrNoHF) {
		t.Errorf("transformers has no ResNet: %v", err)
	}
	white := image.NewRGBA(image.Rect(0, 0, 9, 5))
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	white.Set(2, 2, color.Black)
	pics, err := m.EncodeImages(ctx, []image.Image{white})
	if err != nil {
		t.Fatal(err)
	}
	logits, err := m.Similarity(pics, a)
	if err != nil || len(logits) != 1 || len(logits[0]) != 2 {
		t.Fatal(logits, err)
	}
	p := zeroshot.Softmax(logits[0])
	if s := p[0] + p[1]; math.Abs(float64(s)-1) > 1e-6 {
		t.Errorf("probabilities %v", p)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	inFreshRoot(t)
	if _, err := clipkit.Load(ctx, "no-such-thing"); !errors.Is(err, clipkit.ErrNoModel) || !strings.Contains(err.Error(), "emoji") {
		t.Error(err)
	}
	if _, err := clipkit.Load(ctx, "emojy"); err == nil || !strings.Contains(err.Error(), `did you mean "emoji"?`) {
		t.Error(err)
	}
	if _, err := clipkit.OpenDataset(ctx, "Fliker30k-CN"); err == nil || !strings.Contains(err.Error(), `did you mean "Flickr30k-CN"?`) {
		t.Error(err)
	}
	if _, err := clipkit.Recipe("emoji/fintune"); err == nil || !strings.Contains(err.Error(), "the nearest: emoji/finetune") {
		t.Error(err)
	}
	t.Setenv("CLIPKIT_OFFLINE", "1")
	if _, err := clipkit.Load(ctx, "ViT-B-16"); !errors.Is(err, hub.ErrOffline) || !strings.Contains(err.Error(), "clip_cn_vit-b-16.pt") {
		t.Error(err)
	}
	if _, err := clipkit.Load(ctx, "emoji", clipkit.In("int4")); err == nil || !strings.Contains(err.Error(), "bf16") {
		t.Error(err)
	}
	if _, err := clipkit.New(ctx, "ViT-Z", 1); !errors.Is(err, arch.ErrUnknown) {
		t.Error(err)
	}
	if _, err := clipkit.Recipe("nothing"); err == nil || !strings.Contains(err.Error(), "emoji/finetune") {
		t.Error(err)
	}
	if _, err := clipkit.OpenRun("nothing"); err == nil {
		t.Error("a run that does not exist was opened")
	}
	if _, err := clipkit.Finetune(ctx, nil, &dataset.Dataset{Name: "x"}, train.Config{}); err == nil || !strings.Contains(err.Error(), "train split") {
		t.Error(err)
	}
}

func TestParam(t *testing.T) {
	t.Setenv("CLIPKIT_PARAM_STEPS", "7")
	t.Setenv("CLIPKIT_PARAM_LR", "0.5")
	if clipkit.Param("steps", 1) != 7 || clipkit.Param("lr", 1.0) != 0.5 || clipkit.Param("name", "x") != "x" || clipkit.Param("fast", true) != true {
		t.Error("parameters were not read")
	}
}
