package model

import (
	"fmt"
	"slices"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/weights"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// loaded is a tiny model of the fixtures on an engine.
func loaded(t *testing.T, engine, kind string) *Model {
	t.Helper()
	dev, err := device.Open(engine)
	if err != nil {
		t.Fatal(err)
	}
	t.Attr("engine", dev.String())
	m, err := New(golden.Config(t, kind), dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(); dev.Close() })
	if err := weights.Load(m, m.Config, golden.Open(t, kind+"/init.pt")); err != nil {
		t.Fatal(err)
	}
	return m
}

// evaluate runs a graph over the model's tensors and gives its outputs' values.
func evaluate(t *testing.T, m *Model, graph func(p *Params, in []*Node) []*Node, in ...*tensors.Tensor) (out [][]float32) {
	t.Helper()
	var args []any
	for _, x := range in {
		args = append(args, x)
	}
	err := device.Catch(func() error {
		e, err := gomodel.NewExec(m.Device.Backend, m.store, func(s *gomodel.Scope, in []*Node) []*Node {
			return graph(NewParams(m.Config, s.Store(), in[0].Graph()), in)
		})
		if err != nil {
			return err
		}
		defer e.Finalize()
		results, err := e.Call(args...)
		if err != nil {
			return err
		}
		for _, r := range results {
			values, err := tensors.CopyFlatData[float32](r)
			if err != nil {
				return err
			}
			out = append(out, values)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// stage is a value inside a tower, as the reference lays it out.
type stage struct {
	name string
	x    *Node
}

// Every stage inside the towers, layer by layer, equals what PyTorch computed there.
func TestStagesEqualTheReference(t *testing.T) {
	t.Parallel()
	for kind, vision := range map[string]func(*Params, *Node) []stage{"vit": vitStages, "rn": resnetStages} {
		t.Run(kind, func(t *testing.T) {
			m := loaded(t, "cpu", kind)
			f := golden.Open(t, kind+"/forward_eval.safetensors")
			images := tensors.FromFlatDataAndDimensions(golden.Values(t, f, "images"), 4, 3, m.Config.ImageResolution, m.Config.ImageResolution)
			ids := tensors.FromFlatDataAndDimensions(golden.IDs(t, f, "texts"), 4, 52)
			var names []string
			out := evaluate(t, m, func(p *Params, in []*Node) (values []*Node) {
				names = nil
				for _, s := range slices.Concat(vision(p, in[0]), textStages(p, in[1])) {
					names, values = append(names, s.name), append(values, s.x)
				}
				return values
			}, images, ids)
			for i, name := range names {
				golden.Close(t, name, out[i], golden.Values(t, f, name), 1e-5)
			}
			for _, name := range f.Names() {
				if len(name) > 4 && name[:4] == "act/" && !slices.Contains(names, name) {
					t.Errorf("%s is not compared", name)
				}
			}
		})
	}
}

func vitStages(p *Params, images *Node) (s []stage) {
	g, width := p.Config.Grid(), p.Config.VisionWidth
	x := p.patchEmbedding(images)
	s = append(s, stage{"act/visual.conv1", TransposeAllAxes(Reshape(x, -1, g, g, width), 0, 3, 1, 2)})
	class := BroadcastToDims(Reshape(p.At("visual.class_embedding"), 1, 1, width), 4, 1, width)
	x = Add(Concatenate([]*Node{class, x}, 1), ExpandLeftToRank(p.At("visual.positional_embedding"), 3))
	x = p.layerNorm("visual.ln_pre", x, visionEpsilon)
	s = append(s, stage{"act/visual.ln_pre", x})
	for i := range p.Config.VisionLayers[0] {
		x = vitBlock(p, fmt.Sprintf("visual.transformer.resblocks.%d.", i), x, x.Shape().Dim(1))
		s = append(s, stage{fmt.Sprintf("act/visual.resblocks.%d", i), Transpose(x, 0, 1)}) // [tokens,B,width] there
	}
	x = p.layerNorm("visual.ln_post", Reshape(Slice(x, AxisRange(), AxisElem(0), AxisRange()), -1, width), visionEpsilon)
	return append(s, stage{"act/visual.ln_post", x}, stage{"image_features_raw", VisualFeatures(p, images)})
}

func resnetStages(p *Params, images *Node) (s []stage) {
	add := func(name string, x *Node) { s = append(s, stage{name, TransposeAllAxes(x, 0, 3, 1, 2)}) }
	x := TransposeAllAxes(images, 0, 2, 3, 1)
	for i, stride := range []int{2, 1, 1} {
		x = batchNorm(p, fmt.Sprintf("visual.bn%d", i+1), p.conv3(x, p.raw(fmt.Sprintf("visual.conv%d.weight", i+1)), stride))
		if i == 0 {
			add("act/visual.bn1", x)
		}
		x = relu(x)
	}
	x = averagePool(x)
	add("act/visual.avgpool", x)
	for i, blocks := range p.Config.VisionLayers {
		for b := range blocks {
			x = bottleneck(p, i, b, x)
		}
		add(fmt.Sprintf("act/visual.layer%d", i+1), x)
	}
	return append(s, stage{"act/visual.attnpool", attentionPool(p, x)}, stage{"image_features_raw", VisualFeatures(p, images)})
}

func textStages(p *Params, ids *Node) (s []stage) {
	real := NotEqual(ids, ZerosLike(ids))
	x := p.bertEmbeddings(ids, real)
	s = append(s, stage{"act/bert.embeddings", x})
	mask := Reshape(MulScalar(OneMinus(ConvertDType(real, x.DType())), -10000), 4, 1, 1, -1)
	for i := range p.Config.TextLayers {
		x = bertLayer(p, fmt.Sprintf("bert.encoder.layer.%d.", i), x, mask, x.Shape().Dim(1))
		s = append(s, stage{fmt.Sprintf("act/bert.layer.%d", i), x})
	}
	return append(s, stage{"text_features_raw", TextFeatures(p, ids)})
}

// FLIP on every engine: the patches that the recorded noise keeps give the reference's features, and a gradient goes back to their
// positions and to no others.
func TestMaskedFeaturesEqualTheReference(t *testing.T) {
	t.Parallel()
	f := golden.Open(t, "vit/flip_mask.safetensors")
	images := golden.Values(t, f, "images")
	for _, engine := range []string{"cpu:xla", "cpu:onnx", "cpu:go"} {
		t.Run(engine, func(t *testing.T) {
			m := loaded(t, engine, "vit")
			for name, ratio := range map[string]float64{"mask0.3/": 0.3, "mask0.5/": 0.5} {
				keep := ChoosePatches(golden.Values(t, f, name+"noise"), 16, ratio)
				out := evaluate(t, m, func(p *Params, in []*Node) []*Node {
					p.VisiblePatches = in[1]
					features := VisualFeatures(p, in[0])
					return []*Node{features, Gradient(ReduceAllSum(features), p.At("visual.positional_embedding"))[0]}
				}, tensors.FromFlatDataAndDimensions(images, 4, 3, 32, 32), tensors.FromFlatDataAndDimensions(keep, 4, len(keep)/4))
				golden.Close(t, name+"image_features_raw", out[0], golden.Values(t, f, name+"image_features_raw"), 1e-5)
				for position, width := 0, m.Config.VisionWidth; position < 17; position++ {
					moved := slices.ContainsFunc(out[1][position*width:(position+1)*width], func(v float32) bool { return v != 0 })
					if used := position == 0 || slices.Contains(keep, int32(position-1)); moved != used {
						t.Errorf("%s: position %d is used: %v, has a gradient: %v", name, position, used, moved)
					}
				}
			}
		})
	}
}
