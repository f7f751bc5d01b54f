package model_test

import (
	"context"
	"slices"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/golden"
)

// Over several devices a model gives the features that it gives on one, has the same fingerprint, and its tensors come out as they went in.
func TestManyDevicesEncodeAsOne(t *testing.T) {
	one, err := device.Open("cpu:xla")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(one.Close)
	many, err := device.Open("cpu:0-2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(many.Close)
	if many.String() != "cpu:0-2 (xla)" || many.Count() != 3 || !many.IsCPU() {
		t.Errorf("%s is %d devices", many, many.Count())
	}
	for _, kind := range []string{"vit", "rn"} {
		a, b := tiny(t, kind, one), tiny(t, kind, many)
		f := golden.Open(t, kind+"/forward_eval.safetensors")
		pixels, ids := golden.Values(t, f, "images"), golden.IDs(t, f, "texts")
		var all [2][]float32
		for i, m := range []interface {
			EncodeImages(context.Context, []float32, int) ([]float32, error)
			EncodeTexts(context.Context, []int32, int) ([]float32, error)
		}{a, b} {
			images, err := m.EncodeImages(context.Background(), pixels, 4) // 4 rows over 3 devices
			if err != nil {
				t.Fatal(err)
			}
			texts, err := m.EncodeTexts(context.Background(), ids, 4)
			if err != nil {
				t.Fatal(err)
			}
			all[i] = append(images, texts...)
		}
		golden.Close(t, kind+" features over 3 devices", all[1], all[0], 1e-5)
		sumA, errA := a.Fingerprint()
		sumB, errB := b.Fingerprint()
		if errA != nil || errB != nil || sumA != sumB {
			t.Errorf("%s: fingerprints %s %v, %s %v", kind, sumA, errA, sumB, errB)
		}
		for _, p := range a.Config.Tensors() {
			_, want, err := a.Get(p.Name)
			shape, got, err2 := b.Get(p.Name)
			if err != nil || err2 != nil || !slices.Equal(got, want) || !slices.Equal(shape, p.Shape) {
				t.Errorf("%s %s: %v %v %v", kind, p.Name, shape, err, err2)
			}
		}
	}
}
