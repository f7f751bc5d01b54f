package train

import (
	"clipnb/clipkit/arch"
	"clipnb/clipkit/model"
)

// Work is what a pair takes of a step, in operations (two per multiply-add): forward once and backward twice that; backward once where matrices have no
// gradients (LoRA), not at all through a frozen tower. twice counts what is computed a second time as well: blocks (GradCheckpointing) and the features of
// other micro-batches. Without it, it is what has to be computed, by which a machine's share of its peak is told.
func (c Config) Work(a arch.Config, tokens int, twice bool) float64 {
	image, text := a.ImageFLOPs(), a.TextFLOPs(tokens)
	passes := 3.0
	if c.LoRARank > 0 {
		passes = 2
	}
	if twice && c.Recompute {
		passes++
	}
	vision, seen := passes, image
	if c.FreezeVision || c.LoRARank > 0 && a.IsResNet() {
		vision = 1
	}
	if !a.IsResNet() {
		patches := a.Grid() * a.Grid()
		seen *= float64(model.KeptPatches(patches, c.MaskRatio)) / float64(patches)
	}
	sum := vision*seen + passes*text
	if twice && c.StepConfig().MicroBatches() > 1 {
		sum += image + text
	}
	return sum
}
