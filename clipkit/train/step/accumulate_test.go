package step

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/train/adamw"
	"clipnb/clipkit/train/loss"
	"clipnb/clipkit/weights"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// gradientsOf reads every gradient of a batch.
func gradientsOf(t *testing.T, s *Stepper, images []float32, ids []int32, n int) (Result, map[string][]float32) {
	t.Helper()
	all := map[string][]float32{}
	res, err := s.Gradients(t.Context(), images, ids, n, 0, func(name string, _ []int, values []float32) error {
		all[name] = values
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return res, all
}

// Two micro-batches a step: gradients, loss and parameters follow the reference's two passes, and so do BatchNorm's running statistics,
// which move four times a step. The ResNet is compared on XLA only: other engines sum BatchNorm's statistics in an order that leaves
// single gradients up to 2.5 times outside these limits, and after an update a weight whose gradient is almost zero may go the other way.
// fault 35
func TestAccumulationEqualsTheReference(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, engine string
		recorded     int // steps after which the fixtures have the parameters
	}{{"vit", "cpu:go", 2}, {"vit", "cpu:onnx", 2}, {"rn", "cpu", 1}} {
		t.Run(c.kind+" "+c.engine, func(t *testing.T) {
			kind := c.kind
			r, noise := record(t, kind, "accum2"), readNoise(t, kind, "accum2")
			s, _ := shared(t, graphsOf{engine: c.engine, kind: kind, accumulated: 2}, r)
			m := s.model
			batches := golden.Open(t, kind+"/train_batches.safetensors")
			images, texts := golden.Values(t, batches, "images"), golden.IDs(t, batches, "texts")

			before := modeltest.AllValues(t, m)
			_, grads := gradientsOf(t, s, images[:len(images)*2/5], texts[:len(texts)*2/5], 8)
			golden.CloseTensors(t, m.Config.TextWidth, kind, "accum2_grads0", noise.gradient, func(name string) []float32 { return grads[name] })
			if !slices.Equal(modeltest.AllValues(t, m), before) {
				t.Error("reading gradients changed the model")
			}
			follow(t, s, r, noise.loss(), images, texts, 8, func(steps int) {
				if steps == c.recorded {
					compareParameters(t, m, kind, fmt.Sprintf("accum2_after%d", steps), noise.parameter(fmt.Sprint(steps)))
				}
			})
		})
	}
}

// A frozen vision tower keeps every value, its BatchNorm statistics too; the rest trains as in the reference.
func TestFrozenVisionEqualsTheReference(t *testing.T) {
	noise := readNoise(t, "rn", "train")
	var want struct{ Steps []struct{ Loss float64 } }
	golden.JSON(t, "rn/freeze_vision.json", &want)
	r := record(t, "rn", "train")
	m := modeltest.Tiny(t, "cpu:go", "rn")
	s := stepper(t, m, r, func(c *Config) { c.FreezeVision = true })
	batches := golden.Open(t, "rn/train_batches.safetensors")
	images, texts := golden.Values(t, batches, "images"), golden.IDs(t, batches, "texts")
	frozen := map[string][]float32{}
	for _, p := range m.Config.Tensors() {
		if strings.HasPrefix(p.Name, "visual.") {
			frozen[p.Name] = modeltest.Values(t, m, p.Name)
		}
	}
	for i, step := range want.Steps {
		lr := adamw.LearningRate(r.Args.LR, i, r.Args.Warmup, r.Args.MaxSteps)
		got, err := s.Step(images[i*len(images)/5:(i+1)*len(images)/5], texts[i*len(texts)/5:(i+1)*len(texts)/5], 4, lr, 0)
		if err != nil {
			t.Fatal(err)
		}
		abs := math.Abs(got.Loss - step.Loss)
		golden.Parity(t, "loss", 1, abs, abs/step.Loss, noise.loss()/step.Loss)
	}
	compareParameters(t, m, "rn", "freeze_vision_after2", noise.parameter("2"))
	for name, v := range frozen {
		if !slices.Equal(modeltest.Values(t, m, name), v) {
			t.Errorf("%s moved", name)
		}
	}
}

// FLIP with the reference's recorded noise: which patches are kept, the features, the loss and its gradients.
func TestMaskEqualsTheReference(t *testing.T) {
	t.Parallel()
	f := golden.Open(t, "vit/flip_mask.safetensors")
	noise := readNoise(t, "vit", "train")
	images, texts := golden.Values(t, f, "images"), golden.IDs(t, f, "texts")
	for _, c := range []struct {
		engine string
		ratio  float64
	}{{"cpu", 0.5}, {"cpu:onnx", 0.3}, {"cpu:go", 0.3}, {"cpu:go", 0.5}} {
		t.Run(fmt.Sprint(c.ratio, " ", c.engine), func(t *testing.T) {
			m, ratio, name := modeltest.Tiny(t, c.engine, "vit"), c.ratio, fmt.Sprintf("mask%v/", c.ratio)
			keep := model.ChoosePatches(golden.Values(t, f, name+"noise"), 16, ratio)
			differ := 0
			for i, id := range golden.IDs(t, f, name+"token_ids_kept") {
				if keep[i]+1 != id {
					differ++
				}
			}
			golden.Parity(t, "kept patches", len(keep), float64(differ), float64(differ)/float64(len(keep)), 0)
			s := stepper(t, m, record(t, "vit", "train"), func(c *Config) { c.MaskRatio = ratio })
			s.noise = func(uint64, int) []float32 { return golden.Values(t, f, name+"noise") }
			res, grads := gradientsOf(t, s, images, texts, 4)
			golden.Close(t, "loss", []float32{float32(res.Loss)}, golden.Values(t, f, name+"loss"), noise.loss())
			compareSome(t, f, name+"grad/", grads, noise)
		})
	}
}

// The distance to a teacher and its gradient, for a teacher as wide as the student, wider and narrower.
func TestDistillationEqualsTheReference(t *testing.T) {
	m := modeltest.Tiny(t, "", "vit")
	f := golden.Open(t, "vit/distillation.safetensors")
	for _, name := range []string{"same_dim", "teacher_wider", "teacher_narrower"} {
		t.Run(name, func(t *testing.T) {
			tensor := func(part string) *tensors.Tensor {
				v := golden.Values(t, f, name+"/"+part)
				return tensors.FromFlatDataAndDimensions(v, 6, len(v)/6)
			}
			out, err := graph.ExecOnceN(m.Device.Backend, func(teacher, student *graph.Node) []*graph.Node {
				distance := loss.Distillation(teacher, student)
				return []*graph.Node{distance, graph.Gradient(distance, student)[0]}
			}, tensor("teacher"), tensor("student"))
			if err != nil {
				t.Fatal(err)
			}
			golden.Close(t, "loss", []float32{tensors.ToScalar[float32](out[0])}, golden.Values(t, f, name+"/loss"), 1e-6)
			grad, err := tensors.CopyFlatData[float32](out[1])
			if err != nil {
				t.Fatal(err)
			}
			golden.Close(t, "gradient of the student", grad, golden.Values(t, f, name+"/student_grad"), 1e-5)
		})
	}
	t.Run("whole loss", func(t *testing.T) {
		m := modeltest.Tiny(t, "cpu:go", "vit")
		noise := readNoise(t, "vit", "train")
		s := stepper(t, m, record(t, "vit", "train"), func(c *Config) { c.KDLossWeight = float64(golden.Values(t, f, "get_loss/kd_loss_weight")[0]) })
		images, texts := golden.Values(t, f, "get_loss/images"), golden.IDs(t, f, "get_loss/texts")
		if _, err := s.Step(images, texts, 4, 1e-3, 0); !errors.Is(err, ErrConfig) {
			t.Errorf("a step without its teacher: %v", err)
		}
		s.Teacher = func(context.Context, []float32, int) ([]float32, error) {
			return golden.Values(t, f, "get_loss/teacher"), nil
		}
		res, grads := gradientsOf(t, s, images, texts, 4)
		golden.Close(t, "loss", []float32{float32(res.Loss)}, golden.Values(t, f, "get_loss/loss"), noise.loss())
		compareSome(t, f, "get_loss/grad/", grads, noise)
	})
}

// compareSome compares the gradients that a file keeps under a prefix.
func compareSome(t *testing.T, f *weights.File, prefix string, grads map[string][]float32, noise noise) {
	t.Helper()
	for _, name := range f.Names() {
		if tensor, ok := strings.CutPrefix(name, prefix); ok {
			golden.Close(t, "gradient of "+tensor, grads[tensor], golden.Values(t, f, name), noise.gradient(tensor, nil))
		}
	}
}

// Micro-batches with everything that is random on: the same call gives the same bits, and other seeds give others.
func TestAccumulationIsRepeatable(t *testing.T) {
	m := modeltest.Tiny(t, "cpu:go", "vit")
	m.Config.TextDropout = 0.1
	s := stepper(t, m, record(t, "vit", "train"), func(c *Config) {
		c.AccumFreq, c.MaskRatio, c.KDLossWeight = 2, 0.5, 0.5
	})
	s.Teacher = func(_ context.Context, _ []float32, n int) ([]float32, error) {
		out := make([]float32, 3*n)
		for i := range out {
			out[i] = float32(i%5) - 1
		}
		return out, nil
	}
	batches := golden.Open(t, "vit/train_batches.safetensors")
	images, texts := golden.Values(t, batches, "images")[:8*3*32*32], golden.IDs(t, batches, "texts")[:8*52]
	var losses []float64
	for _, seed := range []uint64{1, 1, 2} {
		res, err := s.Gradients(t.Context(), images, texts, 8, seed, func(string, []int, []float32) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		losses = append(losses, res.Loss)
	}
	if losses[0] != losses[1] || losses[0] == losses[2] {
		t.Errorf("seeds 1, 1, 2 give the losses %v", losses)
	}
	if _, err := s.Step(images, texts, 7, 1e-3, 0); err == nil {
		t.Error("7 pairs in 2 micro-batches were accepted")
	}
}
