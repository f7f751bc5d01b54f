package lower_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/device/lower"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/step"

	"github.com/gomlx/compute"
	onnx "github.com/gomlx/compute-onnx"
	onnxpb "github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"
)

// spy keeps every model that its engine compiles and runs it as Rewrite makes it. It may act as a device with memory of its own, where updates
// are graphs as well.
type spy struct {
	compute.Backend
	apart  bool
	models []*onnxpb.ModelProto
	built  []string // operations of graphs that the engine could not compile
}

type spyBuilder struct {
	compute.Builder
	spy *spy
}

func (s *spy) HasSharedBuffers() bool { return !s.apart && s.Backend.HasSharedBuffers() }

func (s *spy) Builder(name string) compute.Builder { return &spyBuilder{s.Backend.Builder(name), s} }

func (b *spyBuilder) Compile() (compute.Executable, error) {
	e, err := b.Builder.Compile()
	if err != nil {
		for _, n := range b.Main().(*onnx.Function).Nodes() {
			b.spy.built = append(b.spy.built, n.OpType())
		}
		return nil, err
	}
	defer e.Finalize()
	m := e.(*onnx.Executable).ModelProto()
	b.spy.models = append(b.spy.models, m)
	model, err := proto.Marshal(m)
	if err == nil {
		model, err = lower.Rewrite(model)
	}
	if err != nil {
		return nil, err
	}
	return onnx.LoadModel(b.spy.Backend, bytes.NewReader(model))
}

// operations of all models, with their number.
func (s *spy) operations() map[string]int {
	count := map[string]int{}
	for _, m := range s.models {
		for _, n := range m.Graph.Node {
			count[n.OpType]++
		}
	}
	return count
}

// open gives ONNX Runtime on the processor, and the same behind Wrap.
func open(t testing.TB, apart bool) (plain, lowered *device.Device, seen *spy) {
	t.Helper()
	plain, err := device.Open("cpu:onnx")
	if err != nil {
		t.Fatal(err)
	}
	engine := plain.Backend.(*onnx.Backend)
	engine.SetKeepModelProto(true)
	seen = &spy{Backend: engine, apart: apart}
	t.Cleanup(plain.Close)
	return plain, &device.Device{Name: "npu", Engine: "onnx lowered", Backend: lower.Wrap(seen)}, seen
}

// taken fails the test unless the operations of every model are in Taken.
func (s *spy) taken(t *testing.T) {
	t.Helper()
	if len(s.models) == 0 {
		t.Error("nothing was compiled")
	}
	for i, m := range s.models {
		for _, n := range m.Graph.Node {
			if !lower.Taken[n.OpType] || n.Domain != "" {
				t.Errorf("graph %d has %s %q", i, n.OpType, n.Domain)
			}
		}
	}
	count := s.operations()
	var line []string
	for _, name := range slices.Sorted(maps.Keys(count)) {
		line = append(line, fmt.Sprintf("%s %d", name, count[name]))
	}
	t.Logf("%d graphs: %s", len(s.models), strings.Join(line, ", "))
}

// Every kind of model that is published, in small: head widths, patch sizes that are no powers of two, widths that differ between the towers.
func configs(t testing.TB) map[string]arch.Config {
	text := arch.Config{VocabSize: 21128, TextMaxPositions: 512, TextTypes: 2, TextHiddenAct: "gelu", TextInitRange: 0.02, ContextLength: 52,
		TextWidth: 128, TextLayers: 3, TextHeads: 4, TextIntermediate: 512}
	mid, fourteen := text, text
	mid.Name, mid.EmbedDim, mid.ImageResolution, mid.VisionLayers, mid.VisionWidth, mid.VisionPatchSize = "mid", 96, 64, arch.Layers{4}, 192, 16
	fourteen.Name, fourteen.EmbedDim, fourteen.ImageResolution, fourteen.VisionLayers, fourteen.VisionWidth = "H/14 in small", 64, 42, arch.Layers{2}, 160
	fourteen.VisionPatchSize, fourteen.VisionHeadWidth, fourteen.TextWidth, fourteen.TextHeads = 14, 80, 96, 16
	return map[string]arch.Config{"tiny": golden.Config(t, "vit"), "mid": mid, "H14": fourteen, "ResNet": golden.Config(t, "rn")}
}

func newModel(t testing.TB, cfg arch.Config, dev *device.Device, precision model.Precision) *model.Model {
	t.Helper()
	m, err := model.NewIn(cfg, dev, precision)
	if err == nil {
		err = m.Init(3)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// batch of n pairs whose texts share tokens and end in padding.
func batch(cfg arch.Config, n int) (images []float32, ids []int32) {
	rng := rand.New(rand.NewPCG(1, 2))
	images, ids = make([]float32, n*3*cfg.ImageResolution*cfg.ImageResolution), make([]int32, n*cfg.ContextLength)
	for i := range images {
		images[i] = float32(rng.NormFloat64())
	}
	for i := range ids {
		switch at := i % cfg.ContextLength; {
		case at == 0:
			ids[i] = 101
		case at < 9+i%3:
			ids[i] = int32(100 + rng.IntN(30)*rng.IntN(600))
		}
	}
	return images, ids
}

// gradients and the loss of a batch.
func gradients(t *testing.T, dev *device.Device, cfg arch.Config, settings step.Config, n int) map[string][]float32 {
	t.Helper()
	m := newModel(t, cfg, dev, model.F32)
	s, err := step.New(m, settings)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	images, ids := batch(cfg, n)
	all := map[string][]float32{}
	res, err := s.Gradients(t.Context(), images, ids, n, 1, func(name string, _ []int, values []float32) error {
		all[name] = values
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all["loss"] = []float32{float32(res.Loss)}
	return all
}

// same compares two sets of tensors, as a whole by their relative distance, and each by its largest difference, relative to its largest value.
// Some gradients are small sums of large terms, so that single ones are further off than all together.
func same(t *testing.T, got, want map[string][]float32, whole, each float64) {
	t.Helper()
	var distance, length, worst float64
	where := ""
	for name, w := range want {
		g := slices.Clone(got[name])
		if strings.HasSuffix(name, "key.bias") || strings.HasSuffix(name, "k_proj.bias") { // has no influence: its gradient is noise
			continue
		}
		if third := len(w) / 3; strings.HasSuffix(name, "in_proj_bias") {
			copy(g[third:2*third], w[third:2*third])
		}
		for i := range w {
			d := float64(g[i]) - float64(w[i])
			distance, length = distance+d*d, length+float64(w[i])*float64(w[i])
		}
		if _, rel := golden.Difference(g, w); rel > worst {
			worst, where = rel, name
		}
	}
	distance = math.Sqrt(distance / length)
	t.Logf("relative distance %.2g, at most %.2g (%s)", distance, worst, where)
	if !(distance <= whole) || !(worst <= each) {
		t.Errorf("relative distance %.2g, limit %.1g; %s differs by %.2g of its largest value, limit %.1g", distance, whole, where, worst, each)
	}
}

// Forward and gradients are those of the plain engine, and every graph is taken. The limit of the gradients is float32's noise: XLA's are 1e-6 to
// 2.5e-6 from the plain engine's here, the lowered ones 0.7e-6 to 1.7e-6.
func TestLoweredEqualsPlain(t *testing.T) {
	for name, cfg := range configs(t) {
		t.Run(name, func(t *testing.T) {
			plain, lowered, seen := open(t, false)
			features := func(dev *device.Device) map[string][]float32 {
				m := newModel(t, cfg, dev, model.F32)
				images, ids := batch(cfg, 5)
				img, err := m.EncodeImages(context.Background(), images, 5)
				if err != nil {
					t.Fatal(err)
				}
				txt, err := m.EncodeTexts(context.Background(), ids, 5)
				if err != nil {
					t.Fatal(err)
				}
				return map[string][]float32{"images": img, "texts": txt}
			}
			want := features(plain)
			same(t, features(lowered), want, 1e-6, 1e-6)
			seen.taken(t)
			want = gradients(t, plain, cfg, step.Config{}, 4)
			each := 1e-4
			if cfg.IsResNet() {
				each = math.Inf(1) // a norm follows most of its biases and takes them out again: their gradients are noise
			}
			same(t, gradients(t, lowered, cfg, step.Config{}, 4), want, 5e-6, each)
			seen.taken(t)
		})
	}
}

// The masks of dropout are drawn anew where a block is computed again, and are the same ones.
func TestDropoutOfRecomputedBlocks(t *testing.T) {
	_, lowered, _ := open(t, false)
	cfg := golden.Config(t, "vit")
	without := gradients(t, lowered, cfg, step.Config{}, 4)
	cfg.TextDropout, cfg.TextAttnDropout = 0.1, 0.1
	want := gradients(t, lowered, cfg, step.Config{}, 4)
	if slices.Equal(want["text_projection"], without["text_projection"]) {
		t.Error("dropout changes nothing")
	}
	same(t, gradients(t, lowered, cfg, step.Config{Recompute: true}, 4), want, 5e-6, 1e-4)
}

// What a step may be made of besides: accumulation, masks, a sigmoid loss, equal pictures, a teacher, LoRA, recomputed blocks, dropout.
func TestEveryFormOfAStepIsTaken(t *testing.T) {
	adam := step.Config{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6, WeightDecay: 0.2, TrimText: true}
	for name, change := range map[string]func(*step.Config, *arch.Config){
		"plain":       func(*step.Config, *arch.Config) {},
		"accumulated": func(c *step.Config, _ *arch.Config) { c.AccumFreq = 2 },
		"masked":      func(c *step.Config, _ *arch.Config) { c.MaskRatio = 0.5 },
		"siglip":      func(c *step.Config, _ *arch.Config) { c.Loss, c.SigLIPBias = "siglip", -10 },
		"positives":   func(c *step.Config, _ *arch.Config) { c.MultiPositive = true },
		"teacher":     func(c *step.Config, _ *arch.Config) { c.KDLossWeight = 0.5 },
		"lora":        func(c *step.Config, _ *arch.Config) { c.LoRARank, c.LoRAAlpha = 4, 8 },
		"recomputed":  func(c *step.Config, _ *arch.Config) { c.Recompute = true },
		"frozen":      func(c *step.Config, _ *arch.Config) { c.FreezeVision = true },
		"dropout":     func(_ *step.Config, a *arch.Config) { a.TextDropout, a.TextAttnDropout = 0.1, 0.1 },
	} {
		t.Run(name, func(t *testing.T) {
			plain, lowered, seen := open(t, true)
			cfg, settings := golden.Config(t, "vit"), adam
			change(&settings, &cfg)
			images, ids := batch(cfg, 4)
			run := func(dev *device.Device) map[string][]float32 {
				m := newModel(t, cfg, dev, model.F32)
				s, err := step.New(m, settings)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				s.Teacher = func(_ context.Context, _ []float32, n int) ([]float32, error) { return images[:n*8], nil }
				out := map[string][]float32{}
				for range 2 {
					res, err := s.Step(images, ids, 4, 1e-3, 1)
					if err != nil {
						t.Fatal(err)
					}
					out["losses"] = append(out["losses"], float32(res.Loss), float32(res.LogitScale))
				}
				return out
			}
			want := run(plain)
			seen.models = nil
			got := run(lowered)
			seen.taken(t)
			if name != "dropout" { // which draws other numbers
				same(t, got, want, 1e-6, 1e-5) // Adam's first step is a matter of signs
			}
		})
	}
}

// Half precision keeps to the same operations, in encoding and in training. compute-onnx has no bf16, so those graphs are built, for a device
// that is said to have it, and read but not run.
func TestHalfPrecisionIsTaken(t *testing.T) {
	cfg := golden.Config(t, "vit")
	images, ids := batch(cfg, 4)
	encode := func(precision model.Precision) func(*device.Device) error {
		return func(dev *device.Device) error {
			m := newModel(t, cfg, dev, precision)
			got, err := m.EncodeImages(context.Background(), images, 4)
			if err != nil {
				return err
			}
			want, err := newModel(t, cfg, dev, model.F32).EncodeImages(context.Background(), images, 4)
			if _, rel := golden.Difference(got, want); rel > 5e-3 || rel < 1e-6 {
				t.Errorf("features differ by %.2g from float32's", rel)
			}
			return err
		}
	}
	trainStep := func(settings step.Config) func(*device.Device) error {
		return func(dev *device.Device) error {
			s, err := step.New(newModel(t, cfg, dev, model.F32), settings)
			if err != nil {
				return err
			}
			defer s.Close()
			_, err = s.Step(images, ids, 4, 1e-3, 1)
			return err
		}
	}
	for name, c := range map[string]struct {
		run  func(*device.Device) error
		runs bool
	}{
		"encode in f16":             {encode(model.F16), true},
		"encode in bf16":            {encode(model.BF16), false},
		"train in amp":              {trainStep(step.Config{Precision: "amp", Epsilon: 1e-6}), true},
		"train in f16, accumulated": {trainStep(step.Config{Precision: "f16", Epsilon: 1e-6, AccumFreq: 2}), true},
		"train in bf16":             {trainStep(step.Config{Precision: "bf16", Epsilon: 1e-6}), false},
		"train in bf16, recomputed": {trainStep(step.Config{Precision: "bf16", Epsilon: 1e-6, Recompute: true}), false},
	} {
		t.Run(name, func(t *testing.T) {
			_, lowered, seen := open(t, true)
			if c.runs {
				if err := c.run(lowered); err != nil {
					t.Fatal(err)
				}
				seen.taken(t)
				return
			}
			lowered.Engine = "xla"
			if err := c.run(lowered); err == nil || !strings.Contains(err.Error(), "BFloat16 is not supported") {
				t.Error(err)
			}
			for _, op := range seen.built {
				if !lower.Taken[op] && op != "Parameter" && op != "" {
					t.Errorf("%s is not taken", op)
				}
			}
			if !slices.Contains(seen.built, "MatMul") {
				t.Errorf("built %v", seen.built)
			}
		})
	}
}
