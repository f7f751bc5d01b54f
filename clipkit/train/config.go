package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/train/adamw"
	"clipnb/clipkit/train/step"
)

// ErrConfig is wrapped for a setting that makes no sense.
var ErrConfig = step.ErrConfig

// ErrDiverged is wrapped when the loss is no longer a number, or jumped (Config.SpikeFactor).
var ErrDiverged = step.ErrDiverged

// Config is everything that decides a run besides the model and the data. It is written to the run's config.json.
// The flags of the reference that it stands for are in brackets; doc.go has the whole list. Whatever can be off is off at its zero value.
type Config struct {
	Name string `json:"name"` // the run's directory under experiments/ [--name]

	BatchSize  int    `json:"batch_size"`            // pairs per step, or per micro-batch when they are accumulated [--batch-size]
	MicroBatch int    `json:"micro_batch,omitempty"` // pairs that are computed at a time, a divisor of batch_size, where memory is short (parts.go): the same step; 0 = all of batch_size
	MaxEpochs  int    `json:"max_epochs"`            // passes over the pairs [--max-epochs]
	MaxSteps   int    `json:"max_steps"`             // optimizer steps; when positive it has priority over epochs [--max-steps]
	Seed       uint64 `json:"seed"`                  // of the order, augmentation and dropout [--seed]

	LR            float64 `json:"lr"`             // peak learning rate [--lr]
	Warmup        int     `json:"warmup"`         // steps of linear warm-up [--warmup]
	SkipScheduler bool    `json:"skip_scheduler"` // stay at lr after the warm-up, instead of a cosine to 0 [--skip-scheduler, dead in the reference]
	LayerDecay    float64 `json:"layer_lr_decay"` // a block's learning rate as a share of that of the block above it; 0 and 1 = all the same
	Beta1         float64 `json:"beta1"`          // [--beta1]
	Beta2         float64 `json:"beta2"`          // [--beta2]
	Epsilon       float64 `json:"eps"`            // [--eps]
	WeightDecay   float64 `json:"weight_decay"`   // decoupled [--wd]

	Loss          string  `json:"loss"`           // "contrastive" (also "") or "siglip": every picture with every text is a question of its own, yes or no
	SigLIPBias    float64 `json:"siglip_bias"`    // where the learned bias of the siglip loss starts; its paper: -10 at a scale of 10
	MultiPositive bool    `json:"multi_positive"` // rows of a batch with the same picture or caption count as right answers to each other
	KDLossWeight  float64 `json:"kd_loss_weight"` // share of a teacher's image features in the loss; needs Job.Teacher; 0 = no teacher [--kd_loss_weight]

	// The ranks of the reference: how many batches of batch_size, each in a place of its own in the data's order, make a micro-batch of all. It says what
	// is computed, not where: as many processes as divide world_size × accum_freq share the work, and one alone takes them in turns.
	WorldSize      int  `json:"world_size,omitempty"`       // 0 and 1 = one [torchrun's --nproc_per_node × --nnodes]
	GatherWithGrad bool `json:"gather_with_grad,omitempty"` // gradients flow into the features of other ranks too [--gather-with-grad]
	SkipAggregate  bool `json:"skip_aggregate,omitempty"`   // every rank compares its own pairs only [--skip-aggregate]
	UseBNSync      bool `json:"use_bn_sync,omitempty"`      // BatchNorm's statistics over all ranks; only where one process drives all devices [--use-bn-sync]

	AccumFreq    int     `json:"accum_freq"`          // micro-batches per step; their features are compared with each other's; 0 and 1 = one [--accum-freq]
	MaskRatio    float64 `json:"mask_ratio"`          // share of the patches that a ViT does not see in training (FLIP); a ResNet sees all [--mask-ratio]
	FreezeVision bool    `json:"freeze_vision"`       // train only the text tower and the logit scale [--freeze-vision]
	LoRARank     int     `json:"lora_rank"`           // train only low-rank additions to the blocks' matrices, of this rank; 0 = train everything
	LoRAAlpha    float64 `json:"lora_alpha"`          // the additions are multiplied by alpha/rank
	Precision    string  `json:"precision,omitempty"` // of products: "f32" (also ""); "bf16" or "f16" with float32 weights, sums, norms and loss; "amp" = the device's choice of the two [--precision]
	Recompute    bool    `json:"grad_checkpointing"`  // compute blocks again for their gradients: ViT-B-16 at batch 16 takes 5.4 GB, not 7.2, at 0.8 of the speed [--grad-checkpointing]

	ShardMoments bool `json:"shard_moments,omitempty"` // each of several devices (cuda:0-7) keeps a part of AdamW's moments, not all of them; on one device it changes nothing

	ContextLength int        `json:"context_length"` // tokens per text [--context-length]
	TrimText      bool       `json:"trim_text"`      // leave out the padding that all texts of a batch have: the same loss for less work
	Augment       string     `json:"augment"`        // "none", "crop" (random crop only), "drawings" (crop, AutoAugment for one of three), "recoloured" (that, and two of five in other colours), "redrawn" (that, and most of them bent as another hand would draw them), "reshaped" (that, bent further) or "reference" (crop, flip, AutoAugment) [--use-augment]
	CropScale     [2]float64 `json:"crop_scale"`     // area of the random crop, the reference's [0.9, 1]

	LogInterval        int `json:"log_interval"`         // steps between rows of metrics.jsonl; 0 = only the first and the last [--log-interval]
	ValidBatchSize     int `json:"valid_batch_size"`     // [--valid-batch-size]
	ValidEpochInterval int `json:"valid_epoch_interval"` // epochs between validations; 0 or less = off [--valid-epoch-interval]
	ValidStepInterval  int `json:"valid_step_interval"`  // steps between validations; 0 or less = off; with both off none at the end either, but for best_metric [--valid-step-interval]
	SaveEpochInterval  int `json:"save_epoch_interval"`  // epochs between checkpoints; 0 = only at the end [--save-epoch-frequency]
	SaveStepInterval   int `json:"save_step_interval"`   // steps between checkpoints; 0 = off [--save-step-frequency]
	KeepCheckpoints    int `json:"keep_checkpoints"`     // older ones are removed; 0 = keep all

	// What is saved by time is beside keep_checkpoints, and goes when there is a newer one. A run may continue with another number here.
	SaveMinutes float64 `json:"save_minutes"` // a step that ends so many minutes after the last of these checkpoints is saved; 0 = off

	// What to do when a checkpoint cannot be written, because the disk is full for one: "continue" (also ""), say so and go on to the next, or "stop". Where
	// several are kept, the oldest makes room before.
	OnFailedSave string `json:"on_failed_save,omitempty"`

	BestMetric  string  `json:"best_metric"`  // the checkpoint with the best value of this is kept in checkpoints/best (experiment.Metrics has the names); "" = none is
	Patience    int     `json:"patience"`     // stop after so many validations without a better value of best_metric; 0 = never
	SpikeFactor float64 `json:"spike_factor"` // stop when the loss is more than so many times the median of the last 50; 0 = never

	Resume          string `json:"resume"`            // where a new run starts: a .pt of the reference, a checkpoint or a run of ours; "" = the model as it is [--resume]
	ResetOptimizer  bool   `json:"reset_optimizer"`   // take no optimizer state from Resume [--reset-optimizer]
	ResetDataOffset bool   `json:"reset_data_offset"` // take no epoch and step from Resume [--reset-data-offset]

	Workers    int `json:"workers"`     // goroutines that decode and tokenise [--num-workers]
	SkipBudget int `json:"skip_budget"` // broken samples that are replaced and reported before the run stops

	NaNBudget int  `json:"nan_budget,omitempty"` // steps whose loss is not a number that are left out, with their pictures named, before the run stops
	Force     bool `json:"force,omitempty"`      // go on with a run whose settings were others; what changed is kept in its metrics. No setting of the run itself
}

// Default is the reference's settings for a model (cn_clip/training/params.py), with padding left out.
func Default(cfg arch.Config) Config {
	c := Config{
		Name: "train_clip", BatchSize: 64, MaxEpochs: 32, Seed: 123,
		LR: 5e-4, Warmup: 500, Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6, WeightDecay: 0.2,
		Loss: "contrastive", SigLIPBias: -10,
		ContextLength: cfg.ContextLength, TrimText: true, Augment: "none", CropScale: [2]float64{0.9, 1},
		LogInterval: 10, ValidBatchSize: 64, ValidEpochInterval: 1, SaveEpochInterval: 1, KeepCheckpoints: 3, SaveMinutes: 30,
		Workers: 4, SkipBudget: 100,
	}
	switch {
	case cfg.IsResNet():
		c.Beta2, c.Epsilon = 0.999, 1e-8
	case strings.HasPrefix(cfg.Name, "ViT-L"):
		c.LR = 4e-4
	}
	return c
}

// ParseConfig reads settings written as JSON over defaults, such as Default's: keys that are absent keep their value, unknown ones are refused.
func ParseConfig(text []byte, defaults Config) (Config, error) {
	c := defaults
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("%w: reading the settings: %w", ErrConfig, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Config{}, fmt.Errorf("%w: reading the settings: something follows the JSON object", ErrConfig)
	}
	return c, nil
}

// Check refuses settings that cannot train, each with its name.
func (c Config) Check(cfg arch.Config) error {
	augments := slices.Sorted(maps.Keys(Augments))
	switch {
	case c.Name == "" || c.Name == "." || c.Name == ".." || strings.ContainsAny(c.Name, `/\`):
		return bad("name", fmt.Sprintf("%q", c.Name), "one folder name")
	case c.BatchSize < 2:
		return bad("batch_size", c.BatchSize, "at least 2: the loss compares the pairs of a batch")
	case c.MicroBatch < 0 || c.MicroBatch > 0 && c.BatchSize%c.MicroBatch != 0:
		return bad("micro_batch", c.MicroBatch, fmt.Sprintf("0 (off) or a divisor of batch_size, which is %d", c.BatchSize))
	case c.MaxSteps <= 0 && c.MaxEpochs <= 0:
		return bad("max_epochs", c.MaxEpochs, "a positive number (or max_steps)")
	case !(c.LR > 0) || c.LR > 1:
		return bad("lr", c.LR, "in (0, 1]")
	case c.Warmup < 0:
		return bad("warmup", c.Warmup, "0 or more steps")
	case !(c.Beta1 >= 0 && c.Beta1 < 1) || !(c.Beta2 >= 0 && c.Beta2 < 1):
		return bad("beta1, beta2", []float64{c.Beta1, c.Beta2}, "in [0, 1)")
	case !(c.Epsilon > 0):
		return bad("eps", c.Epsilon, "a positive number")
	case !(c.WeightDecay >= 0) || c.LR*c.WeightDecay >= 1:
		return bad("weight_decay", c.WeightDecay, "0 or more, with lr·weight_decay below 1")
	case c.ContextLength < 3 || c.ContextLength > cfg.TextMaxPositions:
		return bad("context_length", c.ContextLength, fmt.Sprintf("3 to %d", cfg.TextMaxPositions))
	case !slices.Contains(augments, c.Augment):
		return bad("augment", fmt.Sprintf("%q", c.Augment), "one of "+strings.Join(augments, ", "))
	case c.Augment != "none" && !(c.CropScale[0] > 0 && c.CropScale[0] <= c.CropScale[1] && c.CropScale[1] <= 1):
		return bad("crop_scale", c.CropScale, "0 < low ≤ high ≤ 1")
	case c.ValidBatchSize < 2:
		return bad("valid_batch_size", c.ValidBatchSize, "at least 2")
	case !(c.SaveMinutes >= 0):
		return bad("save_minutes", c.SaveMinutes, "0 (off) or a positive number")
	case c.BestMetric != "" && !slices.Contains(experiment.Metrics(), c.BestMetric):
		return bad("best_metric", fmt.Sprintf("%q", c.BestMetric), "one of "+strings.Join(experiment.Metrics(), ", "))
	case c.Patience > 0 && c.BestMetric == "":
		return bad("patience", c.Patience, "a best_metric with it")
	case c.OnFailedSave != "" && c.OnFailedSave != "continue" && c.OnFailedSave != "stop":
		return bad("on_failed_save", fmt.Sprintf("%q", c.OnFailedSave), `"continue" or "stop"`)
	case c.SpikeFactor != 0 && !(c.SpikeFactor > 1):
		return bad("spike_factor", c.SpikeFactor, "0 (off) or more than 1")
	case c.Resume == "" && (c.ResetOptimizer || c.ResetDataOffset):
		return bad("reset_optimizer, reset_data_offset", []bool{c.ResetOptimizer, c.ResetDataOffset}, "a resume to take less from")
	case c.Workers < 1 || c.Workers > 256:
		return bad("workers", c.Workers, "1 to 256")
	}
	if err := c.step().Check(cfg); err != nil {
		return err
	}
	for field, v := range map[string]int{"log_interval": c.LogInterval, "save_epoch_interval": c.SaveEpochInterval, "save_step_interval": c.SaveStepInterval, "keep_checkpoints": c.KeepCheckpoints,
		"patience": c.Patience, "skip_budget": c.SkipBudget, "nan_budget": c.NaNBudget} {
		if v < 0 {
			return bad(field, v, "0 (off) or a positive number")
		}
	}
	return nil
}

// step is the part of the settings that decides a single step.
func (c Config) step() step.Config {
	return step.Config{
		Seed: c.Seed, Beta1: c.Beta1, Beta2: c.Beta2, Epsilon: c.Epsilon, WeightDecay: c.WeightDecay, LayerDecay: c.LayerDecay,
		Loss: c.Loss, SigLIPBias: c.SigLIPBias, MultiPositive: c.MultiPositive, KDLossWeight: c.KDLossWeight,
		WorldSize: c.WorldSize, GatherWithGrad: c.GatherWithGrad, SkipAggregate: c.SkipAggregate, UseBNSync: c.UseBNSync,
		AccumFreq: c.computed().AccumFreq, Parts: c.parts(), MaskRatio: c.MaskRatio, FreezeVision: c.FreezeVision, LoRARank: c.LoRARank, LoRAAlpha: c.LoRAAlpha,
		Precision: c.Precision, Recompute: c.Recompute, ShardMoments: c.ShardMoments, TrimText: c.TrimText,
	}
}

// learningRate of step s of a run of total steps.
func (c Config) learningRate(s, total int) float64 {
	if c.SkipScheduler && s >= c.Warmup {
		return c.LR
	}
	return adamw.LearningRate(c.LR, s, c.Warmup, total)
}

func bad(field string, value any, want string) error {
	return fmt.Errorf("%w: %s is %v, want %s", ErrConfig, field, value, want)
}
