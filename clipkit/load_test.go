package clipkit_test

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/tensor"
)

func loadAs(t *testing.T, path string, opts ...clipkit.Option) *clipkit.Model {
	t.Helper()
	m, err := clipkit.Load(ctx, path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// Files that the reference wrote, with the configuration files that it reads, give its features.
func TestLoadsFilesOfTheReference(t *testing.T) {
	for kind, towers := range map[string][2]string{"vit": {"tiny-vit.json", "tiny-text.json"}, "rn": {"tiny-rn.json", "tiny-text-rn.json"}} {
		as := clipkit.As(golden.Path(towers[0]), golden.Path(towers[1]))
		inputs := golden.Open(t, kind+"/forward_eval.safetensors")
		half := golden.Open(t, kind+"/forward_half_checkpoints.safetensors")
		images, ids := golden.Values(t, inputs, "images"), golden.IDs(t, inputs, "texts")
		check := func(what string, m *clipkit.Model, wantImages, wantTexts []float32, tolerance float64) {
			gotImages, err := m.Towers.EncodeImages(ctx, images, 4)
			if err != nil {
				t.Fatal(err)
			}
			gotTexts, err := m.Towers.EncodeTexts(ctx, ids, 4)
			if err != nil {
				t.Fatal(err)
			}
			golden.Close(t, kind+" "+what+": image features", gotImages, unitRows(wantImages, m.Towers.Config.EmbedDim), tolerance)
			golden.Close(t, kind+" "+what+": text features", gotTexts, unitRows(wantTexts, m.Towers.Config.EmbedDim), tolerance)
		}
		full := loadAs(t, golden.Path(kind+"/init.pt"), as)
		check("init.pt", full, golden.Values(t, inputs, "image_features"), golden.Values(t, inputs, "text_features"), 1e-5)
		halfImages, halfTexts := golden.Values(t, half, "init_fp16/image_features_raw"), golden.Values(t, half, "init_fp16/text_features_raw")
		if kind == "rn" {
			check("published_style.pt", loadAs(t, golden.Path("rn/published_style.pt"), as),
				golden.Values(t, half, "published_style/image_features_raw"), golden.Values(t, half, "published_style/text_features_raw"), 1e-5)
			continue
		}
		check("init_fp16.pt", loadAs(t, golden.Path(kind+"/init_fp16.pt"), as), halfImages, halfTexts, 1e-5)
		check("init.pt in f16", loadAs(t, golden.Path(kind+"/init.pt"), as, clipkit.In("f16")), halfImages, halfTexts, 1e-5)

		// bf16 keeps the direction: the issue is speed, not digits.
		bf16 := loadAs(t, golden.Path(kind+"/init.pt"), as, clipkit.In("bf16"))
		a, err := full.Towers.EncodeTexts(ctx, ids, 4)
		if err != nil {
			t.Fatal(err)
		}
		b, err := bf16.Towers.EncodeTexts(ctx, ids, 4)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			var cosine float64
			for k := i * full.Towers.Config.EmbedDim; k < (i+1)*full.Towers.Config.EmbedDim; k++ {
				cosine += float64(a[k]) * float64(b[k])
			}
			if cosine < 0.999 {
				t.Errorf("%s: text %d in bf16 has cosine %.5f with itself in f32", kind, i, cosine)
			}
		}
	}
}

func unitRows(v []float32, width int) []float32 {
	var out []float32
	for at := 0; at < len(v); at += width {
		var sum float64
		for _, x := range v[at : at+width] {
			sum += float64(x) * float64(x)
		}
		for _, x := range v[at : at+width] {
			out = append(out, float32(float64(x)/math.Sqrt(sum)))
		}
	}
	return out
}

// A ViT becomes a folder for transformers and comes back with the same bits; another resolution is asked for by its configuration.
func TestFolderOfTransformersAndResolution(t *testing.T) {
	as := clipkit.As(golden.Path("tiny-vit.json"), golden.Path("tiny-text.json"))
	m := loadAs(t, golden.Path("vit/init.pt"), as)
	folder := filepath.Join(t.TempDir(), "hf")
	if err := m.Save(folder, false); err != nil {
		t.Fatal(err)
	}
	again := loadAs(t, folder)
	for _, x := range m.Towers.Config.Tensors() {
		_, want, err := m.Towers.Get(x.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := again.Towers.Get(x.Name); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%s came back otherwise (%v)", x.Name, err)
		}
	}
	larger := loadAs(t, golden.Path("vit/init.pt"), clipkit.As("testdata/tiny-vit-48.json", golden.Path("tiny-text.json")))
	want := golden.Open(t, "vit/resize_pos_embed.safetensors")
	_, got, err := larger.Towers.Get("visual.positional_embedding")
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "positions of a 4×4 grid resized to 6×6", got, golden.Values(t, want, "to_grid6"), 1e-6)
}

// An OpenAI CLIP gives the vision tower, a BERT the text tower; the projections stay random.
func TestNewFromTwoTowers(t *testing.T) {
	source, err := clipkit.New(ctx, "emoji", 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	parts := source.Towers.Tensors(source.Towers.Config.Tensors()...)
	var vision, text []tensor.Tensor
	for _, p := range parts {
		switch {
		case strings.HasPrefix(p.Name, "visual."), p.Name == "logit_scale":
			vision = append(vision, p)
		case strings.HasPrefix(p.Name, "bert."):
			text = append(text, p)
		}
	}
	dir := t.TempDir()
	openai, bert := filepath.Join(dir, "clip.safetensors"), filepath.Join(dir, "bert.safetensors")
	for path, tensors := range map[string][]tensor.Tensor{openai: vision, bert: text} {
		if err := weights.WriteSafetensors(path, tensors, nil); err != nil {
			t.Fatal(err)
		}
	}
	m, err := clipkit.NewFrom(ctx, "emoji", openai, bert, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	for name, equal := range map[string]bool{"visual.conv1.weight": true, "bert.embeddings.word_embeddings.weight": true, "text_projection": false} {
		_, want, err := source.Towers.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := m.Towers.Get(name); err != nil || slices.Equal(got, want) != equal {
			t.Errorf("%s equals the source's: %v, want %v (%v)", name, !equal, equal, err)
		}
	}
	if _, err := clipkit.NewFrom(ctx, "ViT-B-16", openai, "", 2); err == nil {
		t.Error("a ResNet's tower was taken for a ViT's")
	}
}
