package train

import (
	"strings"
	"testing"

	"clipnb/clipkit/arch"
)

// What is proposed fits, trains, keeps the pairs of a step, and is written as a person types it; a smaller batch alone comes first where it is enough, and
// combinations where nothing else is.
func TestFit(t *testing.T) {
	for _, c := range []struct {
		model string
		gb    float64
		first string // of the list; "" = nothing is enough
	}{
		{"ViT-B-16", 200, "as it is"},
		{"ViT-B-16", 20, "batch=64 (on the command line --micro-batch 64)"},
		{"ViT-B-16", 9, "batch=16 (on the command line --micro-batch 16)"},
		{"ViT-L-14", 7, "FreezeVision = true (on the command line --micro-batch"},
		{"ViT-H-14", 20, "FreezeVision = true (on the command line --micro-batch"},
		{"ViT-H-14", 5, ""},
		{"RN50", 14, "batch=32"},
	} {
		cfg, err := arch.Lookup(c.model)
		if err != nil {
			t.Fatal(err)
		}
		settings := Default(cfg)
		settings.BatchSize, settings.WorldSize = 128, 8
		limit := int64(1e9 * c.gb)
		list := Fit(cfg, settings, limit)
		if c.first == "" || c.first == "as it is" {
			if len(list) > 0 {
				t.Errorf("%s in %v GB: %+v", c.model, c.gb, list)
			}
			continue
		}
		if len(list) == 0 || !strings.Contains(list[0].Says, c.first) {
			t.Errorf("%s in %v GB: %+v, want %q first", c.model, c.gb, list, c.first)
		}
		for _, f := range list {
			if f.Bytes >= limit || f.Bytes != EstimateMemory(cfg, f.Config) || f.Config.Check(cfg) != nil || f.Config.perStep() != settings.perStep() {
				t.Errorf("%s in %v GB: %+v", c.model, c.gb, f)
			}
		}
	}
}
