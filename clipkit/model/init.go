package model

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"

	"clipnb/clipkit/arch"
)

// Init gives every parameter its value for training from scratch, by the reference's rules (cn_clip/clip/model.py:362,
// modeling_bert.py:380) and PyTorch's defaults.
// Each tensor has its own generator, keyed by seed and name: the values do not depend on the order of tensors.
func (m *Model) Init(seed uint64) error {
	for _, t := range m.Config.Tensors() {
		h := fnv.New64a()
		h.Write([]byte(t.Name))
		if err := m.Set(t.Name, t.Shape, initial(m.Config, t, rand.New(rand.NewPCG(seed, h.Sum64())))); err != nil {
			return err
		}
	}
	return nil
}

func initial(c arch.Config, t arch.Tensor, rng *rand.Rand) []float32 {
	values := make([]float32, t.Size())
	fill := func(x func() float64) []float32 {
		for i := range values {
			values[i] = float32(x())
		}
		return values
	}
	constant := func(x float64) []float32 { return fill(func() float64 { return x }) }
	normal := func(std float64) []float32 { return fill(func() float64 { return rng.NormFloat64() * std }) }
	uniform := func(bound float64) []float32 { return fill(func() float64 { return (2*rng.Float64() - 1) * bound }) }
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(t.Name, p) {
				return true
			}
		}
		return false
	}
	weight := strings.HasSuffix(t.Name, "weight")
	fanIn := 1
	for _, d := range t.Shape[min(1, len(t.Shape)):] {
		fanIn *= d
	}
	switch {
	case t.Name == "logit_scale":
		return constant(math.Log(1 / 0.07))
	case t.Name == "text_projection":
		return normal(1 / math.Sqrt(float64(c.TextWidth)))
	case strings.HasPrefix(t.Name, "bert."):
		switch {
		case has("LayerNorm") && weight:
			return constant(1)
		case weight:
			return normal(c.TextInitRange)
		}
		return constant(0)
	case has("running_var"):
		return constant(1)
	case has("running_mean", "num_batches_tracked"):
		return constant(0)
	case has(".bn3.weight") && has("visual.layer"):
		return constant(0) // a fresh bottleneck starts as its shortcut
	case has(".bn", ".ln_", "downsample.1."):
		if weight {
			return constant(1)
		}
		return constant(0)
	case has("class_embedding", "visual.proj", "visual.positional_embedding"):
		return normal(1 / math.Sqrt(float64(c.VisionWidth)))
	case has("attnpool.positional_embedding"):
		return normal(1 / math.Sqrt(float64(t.Shape[1])))
	case has("attnpool") && weight:
		return normal(1 / math.Sqrt(float64(fanIn)))
	case has("in_proj_weight"): // Xavier
		return uniform(math.Sqrt(6 / float64(t.Shape[0]+t.Shape[1])))
	case has("in_proj_bias", "out_proj.bias"):
		return constant(0)
	case weight: // Kaiming uniform with a = √5, PyTorch's default for convolutions and linear layers
		return uniform(1 / math.Sqrt(float64(fanIn)))
	default: // a linear bias: U(±1/√fan_in of its weight)
		return uniform(1 / math.Sqrt(float64(biasFanIn(c, t.Name))))
	}
}

// biasFanIn is the input width of the linear layer that a vision bias belongs to.
func biasFanIn(c arch.Config, name string) int {
	switch {
	case strings.Contains(name, "attnpool"):
		return 32 * c.VisionWidth
	case strings.Contains(name, "c_proj"):
		return 4 * c.VisionWidth
	}
	return c.VisionWidth
}
