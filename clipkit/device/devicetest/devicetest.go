// Package devicetest is the conformance suite that every engine passes: forward, gradient and optimizer step of the reference's tiny
// models against golden values made in PyTorch.
//
//	func TestXLA(t *testing.T) { devicetest.Test(t, "cpu:xla") }
//
// It lives above model and train because it runs real graphs; only tests import it.
package devicetest

import (
	"context"
	"math"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/step"
	"clipnb/clipkit/weights"
)

// Test opens the device by name and runs the suite on both kinds of vision tower.
func Test(t *testing.T, name string) {
	dev, err := device.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	for _, kind := range []string{"vit", "rn"} {
		t.Run(kind, func(t *testing.T) { testModel(t, dev, kind) })
	}
}

func testModel(t *testing.T, dev *device.Device, kind string) {
	cfg := golden.Config(t, kind)
	m, err := model.New(cfg, dev)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := weights.Load(m, cfg, golden.Open(t, kind+"/init.pt")); err != nil {
		t.Fatal(err)
	}

	f := golden.Open(t, kind+"/forward_eval.safetensors")
	images, err := m.EncodeImages(context.Background(), golden.Values(t, f, "images"), 4)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "image features", images, golden.Values(t, f, "image_features"), 1e-4)
	texts, err := m.EncodeTexts(context.Background(), golden.IDs(t, f, "texts"), 4)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "text features", texts, golden.Values(t, f, "text_features"), 1e-4)

	// One step shows forward in training mode, every gradient and AdamW at once: a wrong gradient moves its parameter the wrong way.
	var record struct {
		Args  struct{ LR, WD, Beta1, Beta2, Eps float64 }
		Steps []struct{ LR, Loss float64 }
	}
	golden.JSON(t, kind+"/train.json", &record)
	a := record.Args
	s, err := step.New(m, step.Config{Beta1: a.Beta1, Beta2: a.Beta2, Epsilon: a.Eps, WeightDecay: a.WD})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := golden.Open(t, kind+"/train_batches.safetensors")
	pixels, ids := golden.Values(t, b, "images"), golden.IDs(t, b, "texts")
	for i, want := range record.Steps[:2] {
		got, err := s.Step(pixels[i*len(pixels)/5:(i+1)*len(pixels)/5], ids[i*len(ids)/5:(i+1)*len(ids)/5], 4, want.LR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got.Loss-want.Loss) > 2e-3*want.Loss {
			t.Errorf("loss of step %d is %.6f, PyTorch's %.6f", i+1, got.Loss, want.Loss)
		}
	}
}
