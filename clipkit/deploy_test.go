package clipkit_test

import (
	"errors"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/deploy"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/index"
	"clipnb/clipkit/model"
	"clipnb/clipkit/onnx"
	"clipnb/clipkit/zeroshot"
)

// A model that is exported, compared, loaded again, evaluated, indexed and searched; vectors of two precisions do not mix.
func TestExportedModel(t *testing.T) {
	root := inFreshRoot(t)
	m, data := load(t, "emoji"), emoji(t)
	dir := filepath.Join(root, "deploy")
	table, err := m.Export(ctx, dir, nil, deploy.Options{Precisions: []onnx.Precision{onnx.F32, onnx.F16, onnx.Int8}})
	if err != nil {
		t.Fatal(err)
	}
	for i, least := range []float64{0.99999, 0.999, 0.99} {
		r := table.Rows[i]
		if r.Images.Least < least || r.Texts.Least < least || r.Recall == nil {
			t.Errorf("%s: %+v %+v", r.Precision, r.Images, r.Texts)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, deploy.ParityName))
	if err != nil || string(text) != table.Markdown() {
		t.Errorf("%s, %v", text, err)
	}
	t.Logf("%s", text)

	exact, half := loadAs(t, dir), loadAs(t, dir, clipkit.In("fp16"))
	var sums []string
	for i, x := range []*clipkit.Model{m, exact, half} {
		is, err := x.Identity()
		if err != nil || is.Name != []string{"emoji", "emoji fp32", "emoji fp16"}[i] || slices.Contains(sums, is.Fingerprint) {
			t.Errorf("%+v, %v", is, err)
		}
		sums = append(sums, is.Fingerprint)
	}
	before, err := clipkit.EvaluateRetrieval(ctx, m, data.Test)
	if err != nil {
		t.Fatal(err)
	}
	after, err := clipkit.EvaluateRetrieval(ctx, half, data.Test, clipkit.Keep("small"))
	if err != nil || after.Images != before.Images || before.TextToImage.Mean-after.TextToImage.Mean > 1 {
		t.Errorf("%+v, before %+v, %v", after, before, err)
	}
	ix, err := clipkit.BuildIndex(ctx, half, data.Test, clipkit.Keep("small"))
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	mine, err := clipkit.BuildIndex(ctx, m, data.Test)
	if err != nil {
		t.Fatal(err)
	}
	hits, err := ix.SearchText(ctx, "红色的心", 3)
	want, _ := mine.SearchText(ctx, "红色的心", 3)
	if err != nil || len(hits) != 3 || hits[0].ImageID != want[0].ImageID {
		t.Errorf("%v, the model finds %v (%v)", hits, want, err)
	}

	// Another precision neither opens that index nor shows it.
	side, err := ix.Side(ctx, "half")
	if err != nil {
		t.Fatal(err)
	}
	if got := side.Images.Model(); got != sums[2] {
		t.Errorf("the index is of %s", got)
	}
	if _, err := index.Create(filepath.Join(root, "x"), sums[1], 256); err != nil {
		t.Fatal(err)
	}
	if _, err := index.Create(filepath.Join(root, "x"), sums[2], 256); err == nil {
		t.Error("one index takes vectors of two precisions")
	}
	if _, err := clipkit.Explore(ctx, ix, exact); err == nil || !strings.Contains(err.Error(), "build one with this model") {
		t.Errorf("explore with another precision: %v", err)
	}

	// What only weights can do.
	r, err := clipkit.Recipe("emoji/finetune")
	if err != nil {
		t.Fatal(err)
	}
	r.Config.Name = "none"
	if _, err := clipkit.Finetune(ctx, exact, data, r.Config); err == nil || !strings.Contains(err.Error(), "exported files do not train") {
		t.Errorf("finetuning: %v", err)
	}
	if err := exact.Save(filepath.Join(root, "x.safetensors"), false); !errors.Is(err, model.ErrTensor) {
		t.Errorf("saving: %v", err)
	}
	if _, err := clipkit.Load(ctx, dir, clipkit.In("int3")); !errors.Is(err, deploy.ErrAbsent) {
		t.Errorf("int3: %v", err)
	}
	if _, err := clipkit.Load(ctx, dir, clipkit.As("ViT-B-16")); err == nil || !strings.Contains(err.Error(), "says itself what model it is") {
		t.Errorf("As: %v", err)
	}
}

// The worked example of the reference's README: four names and one picture with the published ViT-B-16. It needs the weights and a clone of the reference:
// CLIPKIT_REFERENCE names its folder.
func TestWorkedExample(t *testing.T) {
	reference := os.Getenv("CLIPKIT_REFERENCE")
	if reference == "" {
		t.Skip("CLIPKIT_REFERENCE names no clone of OFA-Sys/Chinese-CLIP, whose examples/pokemon.jpeg this compares")
	}
	encoded, err := os.ReadFile(filepath.Join(reference, "examples", "pokemon.jpeg"))
	if err != nil {
		t.Fatal(err)
	}
	picture, err := imaging.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	m := load(t, "ViT-B-16")
	check := func(what string, m *clipkit.Model, tolerance float64, want ...float64) {
		t.Helper()
		j, err := m.Together(ctx, []image.Image{picture.Image()}, []string{"杰尼龟", "妙蛙种子", "小火龙", "皮卡丘"})
		if err != nil {
			t.Fatal(err)
		}
		got := zeroshot.Softmax(j.LogitsPerImage[0])
		for i, p := range got {
			if math.Abs(float64(p)-want[i]) > tolerance*want[i] {
				t.Errorf("%s: %v, want %v", what, got, want)
				break
			}
		}
	}
	check("PyTorch's", m, 0.01, 1.268734e-03, 5.436878e-02, 6.795761e-04, 9.436829e-01) // in float16, on a GPU
	dir := filepath.Join(t.TempDir(), "deploy")
	if _, err := m.Export(ctx, dir, nil, deploy.Options{Precisions: []onnx.Precision{onnx.F16}}); err != nil {
		t.Fatal(err)
	}
	check("ONNX's", loadAs(t, dir), 0.05, 1.2252e-03, 5.2874e-02, 6.7116e-04, 9.4523e-01)
}
