package step

import (
	"math"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/model/pixels"
	"clipnb/clipkit/train/compiled"
)

// firstBatch is eight pairs of the fixtures, with captions of different lengths.
func firstBatch(t *testing.T) (images []float32, ids []int32) {
	t.Helper()
	f := golden.Open(t, "vit/train_batches.safetensors")
	return golden.Values(t, f, "images")[:8*3*32*32], golden.IDs(t, f, "texts")[:8*52]
}

// Leaving out padding changes neither the loss nor any gradient, beyond rounding.
func TestTrimmedTextGivesTheSameGradients(t *testing.T) {
	m := modeltest.Tiny(t, "cpu:go", "vit")
	images, ids := firstBatch(t)
	for i := range 20 { // the longest caption; the others are shorter
		ids[i] = int32(101 + i)
	}
	r := record(t, "vit", "train")
	whole := stepper(t, m, r, nil)
	want, wantGrads := gradientsOf(t, whole, images, ids, 8)
	whole.Close()
	s := stepper(t, m, r, func(c *Config) { c.TrimText = true })
	if got := trim(ids, 8, longestOf(ids, 8)); len(got) != 8*32 {
		t.Fatalf("texts of up to 20 tokens are trimmed to %d, want 32", len(got)/8)
	}
	got, gotGrads := gradientsOf(t, s, images, ids, 8)
	if math.Abs(got.Loss-want.Loss) > 1e-6 {
		t.Errorf("loss %v, want %v", got.Loss, want.Loss)
	}
	sameGradients(t, gotGrads, wantGrads, 1e-5)
}

// sameGradients compares all gradients but those of the attention's key biases, which are rounding noise.
func sameGradients(t *testing.T, got, want map[string][]float32, limit float64) {
	t.Helper()
	if len(got) != len(want) || len(got) < 40 {
		t.Fatalf("%d gradients, want %d", len(got), len(want))
	}
	for name, w := range want {
		if strings.HasSuffix(name, "key.bias") || strings.HasSuffix(name, "in_proj_bias") {
			continue
		}
		if _, rel := golden.Difference(got[name], w); rel > limit {
			t.Errorf("gradient of %s differs by %.2g of its largest value", name, rel)
		}
	}
}

func TestTrim(t *testing.T) {
	row := func(tokens, length int) []int32 {
		ids := make([]int32, length)
		for i := range tokens {
			ids[i] = int32(i + 1)
		}
		return ids
	}
	for _, c := range []struct{ longest, length, want int }{{1, 52, 16}, {16, 52, 16}, {17, 52, 32}, {48, 52, 48}, {49, 52, 52}, {5, 12, 12}} {
		ids := slices.Concat(row(1, c.length), row(c.longest, c.length))
		got := trim(ids, 2, longestOf(ids, 2))
		if len(got) != 2*c.want || !slices.Equal(got[c.want:], row(c.longest, c.want)) {
			t.Errorf("longest %d of %d: %v", c.longest, c.length, got)
		}
	}
}

// Recomputing the blocks gives the same loss and gradients.
func TestRecomputeGivesTheSameGradients(t *testing.T) {
	m := modeltest.Tiny(t, "cpu:go", "vit")
	images, ids := firstBatch(t)
	r := record(t, "vit", "train")
	plain := stepper(t, m, r, nil)
	want, wantGrads := gradientsOf(t, plain, images, ids, 8)
	plain.Close()
	s := stepper(t, m, r, func(c *Config) { c.Recompute = true })
	got, gotGrads := gradientsOf(t, s, images, ids, 8)
	if got.Loss != want.Loss {
		t.Errorf("loss %v, want %v", got.Loss, want.Loss)
	}
	sameGradients(t, gotGrads, wantGrads, 1e-5)
}

// The first update of AdamW is proportional to the learning rate, so with layer_lr_decay each tensor moves its share of the full way.
func TestLayerDecayScalesTheUpdates(t *testing.T) {
	m := modeltest.Tiny(t, "cpu:go", "vit")
	images, ids := firstBatch(t)
	moved := func(decay float64) map[string][]float64 {
		modeltest.Load(t, m, "vit/init.pt")
		before := map[string][]float32{}
		for _, p := range m.Config.Tensors() {
			before[p.Name] = modeltest.Values(t, m, p.Name)
		}
		s := stepper(t, m, record(t, "vit", "train_wd0.2"), func(c *Config) { c.LayerDecay = decay })
		defer s.Close()
		if _, err := s.Step(images, ids, 8, 1e-2, 0); err != nil {
			t.Fatal(err)
		}
		out := map[string][]float64{}
		for name, b := range before {
			for i, v := range modeltest.Values(t, m, name) {
				out[name] = append(out[name], float64(v)-float64(b[i]))
			}
		}
		return out
	}
	all, some := moved(0), moved(0.5)
	want := map[string]float64{ // two blocks in each tower
		"visual.conv1.weight": 0.125, "visual.positional_embedding": 0.125, "visual.ln_pre.bias": 0.125, "bert.embeddings.word_embeddings.weight": 0.125,
		"visual.transformer.resblocks.0.mlp.c_fc.weight": 0.25, "bert.encoder.layer.0.attention.self.query.weight": 0.25,
		"visual.transformer.resblocks.1.ln_1.weight": 0.5, "bert.encoder.layer.1.output.dense.weight": 0.5,
		"visual.ln_post.weight": 1, "visual.proj": 1, "text_projection": 1, "logit_scale": 1,
	}
	for name, share := range want {
		top, worst := 0.0, 0.0
		for i, full := range all[name] {
			top, worst = max(top, math.Abs(full)), max(worst, math.Abs(some[name][i]-share*full))
		}
		if top == 0 || worst > 1e-3*top {
			t.Errorf("%s moved %v of the full way at the furthest, off its share %v by %.2g", name, top, share, worst/top)
		}
	}
}

// LoRA: the gradients of its factors follow from those of the matrices, an update moves the matrices by alpha/rank·B·A and nothing else.
func TestLoRAFollowsFromTheMatrices(t *testing.T) {
	m := modeltest.Tiny(t, "cpu:go", "vit")
	images, ids := firstBatch(t)
	r := record(t, "vit", "train")
	plain := stepper(t, m, r, nil)
	want, matrices := gradientsOf(t, plain, images, ids, 8)
	plain.Close()

	s := stepper(t, m, r, func(c *Config) { c.LoRARank, c.LoRAAlpha, c.Seed = 3, 6, 5 })
	before := map[string][]float32{}
	for _, p := range m.Config.Tensors() {
		before[p.Name] = modeltest.Values(t, m, p.Name)
	}
	got, grads := gradientsOf(t, s, images, ids, 8)
	if got.Loss != want.Loss {
		t.Errorf("loss %v before any training, want the model's %v", got.Loss, want.Loss)
	}
	if len(s.adapters) != 2*4+2*6 || len(grads) != 2*len(s.adapters) {
		t.Fatalf("%d adapted matrices, %d gradients", len(s.adapters), len(grads))
	}
	for _, ad := range s.adapters {
		out, in := ad.Matrix.Shape[0], ad.Matrix.Shape[1]
		a, expected := modeltest.Values(t, m, ad.A.Name), make([]float32, out*3)
		for i := range out {
			for k := range 3 {
				sum := 0.0
				for j := range in {
					sum += float64(matrices[ad.Matrix.Name][i*in+j]) * float64(a[k*in+j])
				}
				expected[i*3+k] = float32(2 * sum)
			}
		}
		if _, rel := golden.Difference(grads[ad.B.Name], expected); rel > 1e-4 {
			t.Errorf("gradient of %s is off by %.2g", ad.B.Name, rel)
		}
		if slices.Max(grads[ad.A.Name]) != 0 || slices.Min(grads[ad.A.Name]) != 0 {
			t.Errorf("gradient of %s is not 0 while B is", ad.A.Name)
		}
	}
	for range 2 {
		if _, err := s.Step(images, ids, 8, 1e-2, 0); err != nil {
			t.Fatal(err)
		}
	}
	adapted := map[string]bool{}
	for _, ad := range s.adapters {
		adapted[ad.Matrix.Name] = true
		out, in := ad.Matrix.Shape[0], ad.Matrix.Shape[1]
		a, b, expected := modeltest.Values(t, m, ad.A.Name), modeltest.Values(t, m, ad.B.Name), make([]float32, out*in)
		for i := range out {
			for j := range in {
				sum := 0.0
				for k := range 3 {
					sum += float64(b[i*3+k]) * float64(a[k*in+j])
				}
				expected[i*in+j] = float32(float64(before[ad.Matrix.Name][i*in+j]) + 2*sum)
			}
		}
		moved := modeltest.Values(t, m, ad.Matrix.Name)
		if _, rel := golden.Difference(moved, expected); rel > 1e-6 || slices.Equal(moved, before[ad.Matrix.Name]) {
			t.Errorf("%s is not its base with the addition, off by %.2g", ad.Matrix.Name, rel)
		}
	}
	for name, v := range before {
		if !adapted[name] && !slices.Equal(modeltest.Values(t, m, name), v) {
			t.Errorf("%s moved", name)
		}
	}
	s.Close()
	if v := s.store.GetVariable("/" + loraBase + "bert.encoder.layer.0.output.dense.weight"); v != nil {
		t.Error("closing leaves the bases behind")
	}
}

// Accumulation of several right answers and of the siglip loss gives the gradients of the whole batch, but for the scalars, which every pass
// sees in full.
func TestLossesAccumulate(t *testing.T) {
	m := modeltest.Tiny(t, "cpu:go", "vit")
	images, ids := firstBatch(t)
	copy(ids[5*52:6*52], ids[:52]) // rows 0 and 5, in different micro-batches, have the same caption
	pictures := []int64{9, 8, 7, 6, 5, 4, 8, 3}
	for _, loss := range []string{"contrastive", "siglip"} {
		grads := func(freq int) (float64, map[string][]float32) {
			modeltest.Load(t, m, "vit/init.pt")
			s := stepper(t, m, record(t, "vit", "train"), func(c *Config) {
				c.Loss, c.SigLIPBias, c.MultiPositive, c.AccumFreq = loss, -3, true, freq
			})
			defer s.Close()
			b, err := s.batch(t.Context(), pixels.Pictures{Values: images}, ids, pictures, 0)
			if err != nil {
				t.Fatal(err)
			}
			out, grads, err := s.backpropagate(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			all := map[string][]float32{}
			for i, p := range s.params {
				if all[p.Name], err = compiled.TakeValues(grads[i]); err != nil {
					t.Fatal(err)
				}
			}
			return float64(out[0]), all
		}
		wantLoss, want := grads(1)
		gotLoss, got := grads(2)
		if math.Abs(gotLoss-wantLoss) > 1e-5*wantLoss {
			t.Errorf("%s: loss %v, want %v", loss, gotLoss, wantLoss)
		}
		for _, name := range []string{"logit_scale", siglipBias.Name} {
			if g, ok := want[name]; ok {
				g[0] *= 2
			}
		}
		sameGradients(t, got, want, 1e-4)
		if _, ok := want[siglipBias.Name]; ok != (loss == "siglip") {
			t.Errorf("%s: siglip.bias is trained: %v", loss, ok)
		}
	}
}

// Gradients that are written out are GoMLX's, whichever of them a device takes. CLIPKIT_ATTENTION=cudnn leaves an engine without it as it is.
func TestWrittenGradientsAreGoMLXs(t *testing.T) {
	m := modeltest.Tiny(t, "cpu:xla", "vit")
	images, ids := firstBatch(t)
	r := record(t, "vit", "train")
	for precision, limit := range map[string]float64{"f32": 1e-5, "bf16": 5e-2} {
		var want map[string][]float32
		for _, written := range []string{"none", "all", "norms,activations"} {
			t.Setenv("CLIPKIT_WRITTEN", written)
			t.Setenv("CLIPKIT_ATTENTION", "cudnn")
			s := stepper(t, m, r, func(c *Config) { c.Precision = precision })
			_, got := gradientsOf(t, s, images, ids, 8)
			s.Close()
			if want == nil {
				want = got
				continue
			}
			t.Run(precision+"/"+written, func(t *testing.T) { sameGradients(t, got, want, limit) })
		}
	}
	t.Setenv("CLIPKIT_WRITTEN", "norm")
	s := stepper(t, m, r, nil)
	if _, err := s.Gradients(t.Context(), images, ids, 8, 0, nil); err == nil || !strings.Contains(err.Error(), `CLIPKIT_WRITTEN is "norm"`) {
		t.Errorf("a word that names no gradient: %v", err)
	}
}
