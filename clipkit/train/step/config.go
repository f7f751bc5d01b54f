package step

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/adamw"
)

// ErrConfig is wrapped for a setting that makes no sense.
var ErrConfig = errors.New("train: bad setting")

// ErrDiverged is wrapped when the loss is no longer a number.
var ErrDiverged = errors.New("training diverged")

// Config is what one optimizer step depends on besides its batch and its learning rate: the part of train.Config, where the reference's flags
// stand, that New honours. Whatever can be off is off at its zero value. Errors name settings as config.json does.
type Config struct {
	Seed uint64 // of what LoRA begins with

	Beta1, Beta2, Epsilon float64
	WeightDecay           float64 // decoupled
	LayerDecay            float64 // a block's learning rate as a share of that of the block above it; 0 and 1 = all the same

	Loss          string  // "contrastive" (also "") or "siglip"
	SigLIPBias    float64 // where the learned bias of the siglip loss starts
	MultiPositive bool    // rows of a batch with the same picture or caption count as right answers to each other
	KDLossWeight  float64 // share of a teacher's image features in the loss; needs Stepper.Teacher; 0 = no teacher

	WorldSize      int  // ranks of the reference (ranks.go); 0 and 1 = one
	GatherWithGrad bool // gradients flow into the features of other ranks too
	SkipAggregate  bool // every rank compares its own pairs only
	UseBNSync      bool // BatchNorm's statistics over all ranks

	AccumFreq    int     // micro-batches per step and rank; 0 and 1 = one
	Parts        int     // so many of these after each other are a batch of the reference, and count as one where it tells batches apart (ranks.go); 0 and 1 = each is
	MaskRatio    float64 // share of the patches that a ViT does not see; a ResNet sees all
	FreezeVision bool    // train only the text tower and the logit scale
	LoRARank     int     // train only low-rank additions of this rank; 0 = train everything
	LoRAAlpha    float64 // the additions are multiplied by alpha/rank
	Precision    string  // of products: "f32" (also ""), "bf16", "f16", or "amp" = the device's choice of the two
	Recompute    bool    // compute blocks again for their gradients
	ShardMoments bool    // each of several devices keeps a part of AdamW's moments; on one it changes nothing
	TrimText     bool    // leave out the padding that all texts of a batch have
}

// Check refuses settings that make no sense for the model, each with its name.
func (c Config) Check(cfg arch.Config) error {
	switch {
	case c.WorldSize < 0 || c.WorldSize > 1<<16:
		return bad("world_size", c.WorldSize, "1 (off) to 65536 ranks")
	case c.GatherWithGrad && c.SkipAggregate:
		return bad("gather_with_grad", true, "false with skip_aggregate, which gathers nothing")
	case c.AccumFreq < 0 || c.AccumFreq > 1<<20:
		return bad("accum_freq", c.AccumFreq, "1 (off) or more micro-batches")
	case c.Parts < 0 || c.accum()%c.parts() != 0:
		return bad("micro_batch", c.Parts, fmt.Sprintf("parts that make whole batches of the %d micro-batches", c.accum()))
	case !(c.MaskRatio >= 0 && c.MaskRatio < 1):
		return bad("mask_ratio", c.MaskRatio, "in [0, 1)")
	case !cfg.IsResNet() && model.KeptPatches(cfg.Grid()*cfg.Grid(), c.MaskRatio) < 1:
		return bad("mask_ratio", c.MaskRatio, fmt.Sprintf("less, so that one of %d patches is left", cfg.Grid()*cfg.Grid()))
	case !(c.KDLossWeight >= 0) || math.IsInf(c.KDLossWeight, 1):
		return bad("kd_loss_weight", c.KDLossWeight, "0 (no teacher) or a positive number")
	case !(c.LayerDecay >= 0 && c.LayerDecay <= 1):
		return bad("layer_lr_decay", c.LayerDecay, "in [0, 1], where 0 and 1 are off")
	case c.Loss != "" && c.Loss != "contrastive" && c.Loss != "siglip":
		return bad("loss", fmt.Sprintf("%q", c.Loss), `"contrastive" or "siglip"`)
	case c.Precision != "" && c.Precision != mixed && model.Precision(c.Precision).Check() != nil:
		return bad("precision", fmt.Sprintf("%q", c.Precision), `"f32", "bf16", "f16" or "amp"`)
	case math.IsNaN(c.SigLIPBias) || math.Abs(c.SigLIPBias) > 1000:
		return bad("siglip_bias", c.SigLIPBias, "a number such as -10")
	case c.LoRARank < 0 || c.LoRARank > cfg.TextWidth:
		return bad("lora_rank", c.LoRARank, fmt.Sprintf("0 (off) to %d, the width of the text tower", cfg.TextWidth))
	case c.LoRARank > 0 && !(c.LoRAAlpha > 0 && c.LoRAAlpha <= 1e4):
		return bad("lora_alpha", c.LoRAAlpha, "a positive number; often 1 or 2 times lora_rank")
	case c.LoRARank == 0 && c.LoRAAlpha != 0:
		return bad("lora_alpha", c.LoRAAlpha, "a lora_rank with it")
	case c.LoRARank > 0 && c.Loss == "siglip":
		return bad("loss", c.Loss, `"contrastive" with lora_rank: only the additions train, so the siglip bias could not`)
	}
	return nil
}

// Trained are those of adamw.Parameters that a run without LoRA updates.
func (c Config) Trained(cfg arch.Config) []arch.Tensor {
	return slices.DeleteFunc(adamw.Parameters(cfg), func(t arch.Tensor) bool {
		return c.FreezeVision && strings.HasPrefix(t.Name, "visual.")
	})
}

// mixed leaves the choice of a half precision to the device.
const mixed = "amp"

// precision of products on a device.
func (c Config) precision(dev *device.Device) model.Precision {
	switch c.Precision {
	case "":
		return model.F32
	case mixed:
		return model.Mixed(dev)
	}
	return model.Precision(c.Precision)
}

func bad(field string, value any, want string) error {
	return fmt.Errorf("%w: %s is %v, want %s", ErrConfig, field, value, want)
}
