package adamw

import (
	"math"
	"testing"

	"clipnb/clipkit/internal/golden"
)

func TestScheduleEqualsTheReference(t *testing.T) {
	var records map[string]struct {
		LR       float64
		Warmup   int
		MaxSteps int `json:"max_steps"`
		Values   []float64
	}
	golden.JSON(t, "lr_schedule.json", &records)
	for name, r := range records {
		for s, want := range r.Values {
			if got := LearningRate(r.LR, s, r.Warmup, r.MaxSteps); math.Abs(got-want) > 1e-12*r.LR {
				t.Errorf("%s: lr at step %d is %v, want %v", name, s, got, want)
			}
		}
	}
}

// The shares of a ViT's tensors are tested where a step is made of them (train/step).
func TestLayerScaleOfAResNet(t *testing.T) {
	if got := LayerScale(golden.Config(t, "rn"), "visual.layer4.0.conv1.weight", 0.5); got != 0.5 {
		t.Errorf("the last stage of a ResNet has %v, want 0.5", got)
	}
	if got := LayerScale(golden.Config(t, "rn"), "visual.bn1.weight", 0.5); got != 1.0/32 {
		t.Errorf("the stem of a ResNet has %v, want 1/32", got)
	}
}
