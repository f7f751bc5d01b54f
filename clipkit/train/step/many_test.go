package step

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model/modeltest"
)

// trajectory is what some steps did: their losses, the first one's gradients, and everything that is kept after the last.
type trajectory struct {
	losses, gradients, accuracies []float64
	state                         map[string][]float32
}

// walk makes steps of n pairs on a tiny model; the gradients are read off the first moments.
func walk(t *testing.T, engine, kind string, steps, n int, change func(*Config)) (tr trajectory) {
	t.Helper()
	r := record(t, kind, "train")
	m := modeltest.Tiny(t, engine, kind)
	s := stepper(t, m, r, change)
	batches := golden.Open(t, kind+"/train_batches.safetensors")
	images, ids := golden.Values(t, batches, "images"), golden.IDs(t, batches, "texts")
	pixels := 3 * m.Config.ImageResolution * m.Config.ImageResolution
	tr.state = map[string][]float32{}
	for i := range steps {
		res, err := s.Step(images[i*n*pixels:(i+1)*n*pixels], ids[i*n*52:(i+1)*n*52], n, 1e-4, 7)
		if err != nil {
			t.Fatal(err)
		}
		tr.losses, tr.accuracies = append(tr.losses, res.Loss), append(tr.accuracies, res.ImageToTextAcc, res.TextToImageAcc)
		if i > 0 {
			continue
		}
		for _, p := range s.params {
			for _, v := range modeltest.Values(t, m, MomentPrefixes[0]+p.Name) {
				tr.gradients = append(tr.gradients, float64(v)/(1-s.config.Beta1))
			}
		}
	}
	for _, p := range m.Config.Tensors() {
		tr.state[p.Name] = modeltest.Values(t, m, p.Name)
	}
	err := s.Moments(func(name string, _ []int, values []float32) error {
		tr.state[name] = values
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// sameTrajectory compares with what one device did.
func sameTrajectory(t *testing.T, got, want trajectory) {
	t.Helper()
	for i := range want.losses {
		if d := math.Abs(got.losses[i] - want.losses[i]); d > 1e-5*float64(i+1) {
			t.Errorf("loss of step %d is %v, on one device %v", i+1, got.losses[i], want.losses[i])
		}
	}
	if !slices.Equal(got.accuracies, want.accuracies) {
		t.Errorf("accuracies %v, on one device %v", got.accuracies, want.accuracies)
	}
	largest, off := 0.0, 0.0
	for i, g := range want.gradients {
		largest, off = max(largest, math.Abs(g)), max(off, math.Abs(got.gradients[i]-g))
	}
	if len(got.gradients) != len(want.gradients) || !(off <= 1e-4*largest) {
		t.Errorf("gradients differ by %.2g of the largest", off/largest)
	}
	t.Logf("losses %v and %v, gradients off by %.2g of the largest", got.losses, want.losses, off/largest)
	_ = strings.HasSuffix
	_ = errors.Is
	_ = fmt.Sprint
}

func TestManyDevicesStepAsOne(t *testing.T) {
	for _, kind := range []string{"vit", "rn"} {
		want := walk(t, "cpu:xla", kind, 2, 4, nil)
		for _, d := range []string{"cpu:0-1", "cpu:0-3"} {
			for _, zero := range []bool{false, true} {
				t.Run(fmt.Sprint(kind, d, zero), func(t *testing.T) {
					sameTrajectory(t, walk(t, d, kind, 2, 4, func(c *Config) { c.ShardMoments = zero }), want)
				})
			}
		}
	}
}
