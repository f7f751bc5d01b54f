package train

import (
	"math"
	"testing"

	"clipnb/clipkit/arch"
)

// What a step computes is not what it does twice to save memory, nor what a frozen tower or LoRA spares it.
func TestWork(t *testing.T) {
	a, err := arch.Lookup("ViT-B-16")
	if err != nil {
		t.Fatal(err)
	}
	image, text := a.ImageFLOPs(), a.TextFLOPs(52)
	for what, c := range map[string]struct {
		change      func(*Config)
		once, twice float64
	}{
		"all":      {func(c *Config) {}, a.TrainFLOPs(52), a.TrainFLOPs(52)},
		"frozen":   {func(c *Config) { c.FreezeVision = true }, image + 3*text, image + 3*text},
		"LoRA":     {func(c *Config) { c.LoRARank = 8 }, 2 * (image + text), 2 * (image + text)},
		"again":    {func(c *Config) { c.Recompute = true }, 3 * (image + text), 4 * (image + text)},
		"in parts": {func(c *Config) { c.MicroBatch = 8 }, 3 * (image + text), 4 * (image + text)},
		"masked":   {func(c *Config) { c.MaskRatio = 0.5 }, 3 * (image/2 + text), 3 * (image/2 + text)},
	} {
		cfg := Default(a)
		cfg.BatchSize = 16
		c.change(&cfg)
		if once, twice := cfg.Work(a, 52, false), cfg.Work(a, 52, true); math.Abs(once/c.once-1) > 1e-9 || math.Abs(twice/c.twice-1) > 1e-9 {
			t.Errorf("%s: %.1f and %.1f GFLOP, want %.1f and %.1f", what, once/1e9, twice/1e9, c.once/1e9, c.twice/1e9)
		}
	}
}
