package golden

import (
	"math"
	"os"
	"strings"
	"testing"
)

// stages must have a row in parity.md: a comparison that is dropped has to be dropped here too. The table may have more.
var stages = []string{
	"imaging DecodeEqualsPillow", "imaging ResizeEqualsPillow", "imaging TransformEqualsReference",
	"tokenizer ReferenceCases", "tokenizer ReferenceLengths", "tokenizer EveryCodePoint",
	"model FeaturesEqualTheReference", "model StagesEqualTheReference/vit", "model StagesEqualTheReference/rn",
	"model MaskedFeaturesEqualTheReference/cpu:xla", "model MaskedFeaturesEqualTheReference/cpu:onnx", "model MaskedFeaturesEqualTheReference/cpu:go",
	"train/step StepsEqualTheReference/vit/train", "train/step StepsEqualTheReference/vit/weight_decay", "train/step StepsEqualTheReference/vit/clamp_at_0",
	"train/step StepsEqualTheReference/vit/clamp_at_100", "train/step StepsEqualTheReference/rn/train", "train/step StepsEqualTheReference/rn/weight_decay",
	"train/step StepsEqualTheReference/rn/clamp_at_0", "train/step AccumulationEqualsTheReference/vit_cpu:go", "train/step AccumulationEqualsTheReference/vit_cpu:onnx",
	"train/step AccumulationEqualsTheReference/rn_cpu", "train/step FrozenVisionEqualsTheReference", "train/step MaskEqualsTheReference/0.3_cpu:go",
	"train/step MaskEqualsTheReference/0.5_cpu", "train/step DistillationEqualsTheReference/same_dim", "train/step DistillationEqualsTheReference/teacher_wider",
	"train/step DistillationEqualsTheReference/teacher_narrower", "train/step DistillationEqualsTheReference/whole_loss",
	"train/step TenStepsEqualTheReference/vit/train_cpu", "train/step TenStepsEqualTheReference/vit/train_cpu:go", "train/step TenStepsEqualTheReference/vit/train_cpu:onnx",
	"train/step TenStepsEqualTheReference/vit/train_wd0.2_cpu", "train/step TenStepsEqualTheReference/vit/train_wd0.2_cpu:go",
	"train/step TenStepsEqualTheReference/vit/accum2_cpu:go", "train/step TenStepsEqualTheReference/rn/train_cpu",
	"train/step TenStepsEqualTheReference/rn/train_wd0.2_cpu", "train/step TenStepsEqualTheReference/rn/accum2_cpu",
	"train/step TenStepsEqualTheReference/rn/freeze_vision_cpu:go", "train EndToEndRunEqualsTheReference/two_epochs",
	"train EndToEndRunEqualsTheReference/a_third,_resumed_from_its_checkpoint", "train EndToEndRunEqualsTheReference/a_third,_resumed_from_ours",
}

func TestTableHasEveryStage(t *testing.T) {
	b, err := os.ReadFile(Path("parity.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if cells := strings.Split(line, "|"); len(cells) > 8 {
			rows[strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[8])
		}
	}
	for _, stage := range stages {
		if rows[stage] != "pass" {
			t.Errorf("parity.md says %q of %q, want pass; make it again with the command in its head", rows[stage], stage)
		}
	}
	if strings.Contains(string(b), "FAIL") {
		t.Error("parity.md holds a stage that fails")
	}
}

// recorder is a test that only remembers.
type recorder struct {
	testing.TB
	errors int
	value  string
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.errors++ }
func (r *recorder) Attr(_, value string)  { r.value = value }

func TestCloseSeesEveryDifference(t *testing.T) {
	for _, c := range []struct {
		what      string
		got, want []float32
		tolerance float64
		errors    int
	}{
		{"equal", []float32{1, 2}, []float32{1, 2}, 0, 0},
		{"inside", []float32{1, 2.001}, []float32{1, 2}, 1e-3, 0},
		{"outside", []float32{1, 2.1}, []float32{1, 2}, 1e-3, 1},
		{"not exact", []float32{1, 2.0001}, []float32{1, 2}, 0, 1},
		{"shorter", []float32{1}, []float32{1, 2}, 1, 2},
		{"nothing", nil, nil, 1, 1},
		{"not a number", []float32{float32(math.NaN()), 2}, []float32{1, 2}, 1e9, 1},
	} {
		r := &recorder{}
		Close(r, c.what, c.got, c.want, c.tolerance)
		if r.errors != c.errors {
			t.Errorf("%s: %d errors, want %d", c.what, r.errors, c.errors)
		}
		back, ok, err := Attribute(attribute, r.value)
		if err != nil || !ok || back.What != c.what || back.Values != len(c.want) || (back.Share() > 1) == back.Pass() {
			t.Errorf("%s: %+v %v %v", c.what, back, ok, err)
		}
	}
}
