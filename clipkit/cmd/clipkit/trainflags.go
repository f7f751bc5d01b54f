package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"clipnb/clipkit/experiment"
	"clipnb/clipkit/train"

	"github.com/spf13/cobra"
)

// trainField makes a flag of a field of train.Config. The flag is called as the field's key in JSON, with dashes, unless the reference has another
// name for it.
type trainField struct {
	key, flag string
	usage     string
}

// trainFields are all of them, in the order of the struct.
var trainFields = []trainField{
	{"name", "", "the run's folder, experiments/`NAME`"},
	{"batch_size", "", "pairs of a batch, of each rank"},
	{"micro_batch", "", "pairs of a batch that are computed at a time where memory is short: the same step; 0 = all"},
	{"max_epochs", "", "passes over the pairs"},
	{"max_steps", "", "optimizer steps; in higher priority than --max-epochs"},
	{"seed", "", "of the order, augmentation and dropout"},
	{"lr", "", "peak learning rate"},
	{"warmup", "", "steps of linear warm-up"},
	{"skip_scheduler", "", "stay at --lr after the warm-up, instead of a cosine to 0"},
	{"layer_lr_decay", "", "a block's learning rate as a share of that of the block above"},
	{"beta1", "", "AdamW's"},
	{"beta2", "", "AdamW's"},
	{"eps", "", "AdamW's"},
	{"weight_decay", "wd", "decoupled weight decay"},
	{"loss", "", "contrastive or siglip"},
	{"siglip_bias", "", "where the learned bias of the siglip loss starts"},
	{"multi_positive", "", "equal pictures and captions of a step are right answers to each other"},
	{"kd_loss_weight", "kd_loss_weight", "weight of the teacher's picture features in the loss; 0.5 unless said with --distillation"},
	{"world_size", "", "ranks of the reference; default as many as processes. Fewer processes take several ranks in turns"},
	{"gather_with_grad", "", "gradients flow into the features of other ranks too"},
	{"skip_aggregate", "", "every rank compares its own pairs only"},
	{"use_bn_sync", "", "BatchNorm over all ranks, where one process drives all devices"},
	{"accum_freq", "", "batches of a step, of each rank"},
	{"mask_ratio", "", "share of the patches that a ViT does not see in training (FLIP)"},
	{"freeze_vision", "", "train only the text tower and the logit scale"},
	{"lora_rank", "", "train only low-rank additions, of this rank"},
	{"lora_alpha", "", "the additions are multiplied by alpha/rank"},
	{"precision", "", "of products: fp32 (the default here), amp, bf16 or f16, with float32 weights"},
	{"grad_checkpointing", "", "compute blocks again for their gradients, which takes less memory"},
	{"shard_moments", "", "one process that drives several devices (cuda:0-7) divides AdamW's moments over them"},
	{"context_length", "", "most tokens of a text, [CLS] and [SEP] included"},
	{"trim_text", "", "leave out padding that all texts of a batch have"},
	{"augment", "", "none, crop, drawings (crop, AutoAugment for one picture of three), recoloured (that, and two of five in other colours), redrawn (that, and most of them bent as another hand would draw them), reshaped (that, bent further) or reference (crop, flip, AutoAugment)"},
	{"crop_scale", "", "area of the random crop, `LOW,HIGH`"},
	{"log_interval", "", "steps between lines of the log"},
	{"valid_batch_size", "", "pairs of a batch of validation"},
	{"valid_epoch_interval", "", "epochs between validations; 0 or less = off"},
	{"valid_step_interval", "", "steps between validations; 0 or less = off"},
	{"save_epoch_interval", "save-epoch-frequency", "epochs between checkpoints; 0 or less = only at the end"},
	{"save_step_interval", "save-step-frequency", "steps between checkpoints; 0 or less = off"},
	{"keep_checkpoints", "", "older ones are removed; 0 = keep all"},
	{"save_minutes", "", "minutes between checkpoints besides, of which the newest is kept; 0 = off"},
	{"on_failed_save", "", "when a checkpoint cannot be written (a full disk): continue to the next one (the default), or stop"},
	{"best_metric", "", "keep the checkpoint with the best value of this in checkpoints/best: mean_recall, loss …"},
	{"patience", "", "stop after so many validations without a better --best-metric"},
	{"spike_factor", "", "stop when the loss is so many times the median of the last 50"},
	{"resume", "", "the `MODEL` to begin with, and where the file has them its optimizer's state, epoch and step; a run of --name that exists goes on by itself"},
	{"reset_optimizer", "", "take no optimizer state from --resume"},
	{"reset_data_offset", "", "take no epoch and step from --resume"},
	{"workers", "num-workers", "goroutines that decode and tokenise"},
	{"skip_budget", "", "broken pictures that are passed over before the run stops"},
	{"nan_budget", "", "steps whose loss is not a number that are left out before the run stops"},
	{"force", "", "go on with a run whose settings were others, and keep what changed in its metrics.jsonl"},
}

func (f trainField) name() string {
	if f.flag != "" {
		return f.flag
	}
	return strings.ReplaceAll(f.key, "_", "-")
}

// configFlags are the settings that a command line gives: each is kept as JSON, to be laid over a recipe's or the reference's own.
type configFlags struct {
	given      map[string]json.RawMessage // by key
	useAugment bool
	file       string
}

// add makes the flags: one for each field, and the two spellings that are none.
func (f *configFlags) add(c *cobra.Command) {
	f.given = map[string]json.RawMessage{}
	c.Flags().StringVar(&f.file, "config", "", "settings in a `FILE`, JSON with the keys of a run's config.json; flags go before them")
	types := map[string]reflect.Type{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[train.Config]()) {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		types[key] = field.Type
	}
	for _, field := range trainFields {
		v := &configValue{f.given, field.key, types[field.key]}
		flag := c.Flags().VarPF(v, field.name(), "", field.usage)
		if v.of.Kind() == reflect.Bool {
			flag.NoOptDefVal = "true"
		}
		if field.key == "crop_scale" {
			c.Flags().BoolVar(&f.useAugment, "use-augment", false, "--augment reference")
		}
	}
	complete(c, "precision", "fp32", "amp", "bf16", "f16")
	complete(c, "augment", slices.Sorted(maps.Keys(train.Augments))...)
	complete(c, "on-failed-save", "continue", "stop")
	complete(c, "loss", "contrastive", "siglip")
	complete(c, "best-metric", experiment.Metrics()...)
}

// over gives the settings: defaults, over them the file's, over these the flags'.
func (f *configFlags) over(defaults train.Config) (train.Config, error) {
	c := defaults
	if f.file != "" {
		text, err := os.ReadFile(f.file)
		if err != nil {
			return c, fmt.Errorf("reading the settings: %w", err)
		}
		if c, err = train.ParseConfig(text, c); err != nil {
			return c, fmt.Errorf("%s: %w", f.file, err)
		}
	}
	if f.useAugment {
		c.Augment = "reference"
	}
	text, err := json.Marshal(f.given)
	if err != nil {
		return c, err
	}
	return train.ParseConfig(text, c)
}

// configValue is a pflag.Value that takes what the field of a key holds.
type configValue struct {
	given map[string]json.RawMessage
	key   string
	of    reflect.Type
}

func (v *configValue) String() string {
	if v == nil || v.given == nil {
		return ""
	}
	return strings.Trim(string(v.given[v.key]), `"[]`)
}

func (v *configValue) Type() string { return v.of.Kind().String() }

func (v *configValue) Set(text string) error {
	value, err := v.parse(text)
	if err != nil {
		return err
	}
	v.given[v.key], err = json.Marshal(value)
	return err
}

func (v *configValue) parse(text string) (any, error) {
	switch {
	case v.key == "precision":
		return precisionOf(text)
	case v.key == "crop_scale":
		low, high, _ := strings.Cut(text, ",")
		a, errA := number(low)
		b, errB := number(high)
		return []float64{a, b}, errors.Join(errA, errB)
	case strings.HasSuffix(v.key, "_interval"):
		n, err := strconv.Atoi(text)
		return max(n, 0), err // the reference's documents turn off with -1
	case v.key == "workers":
		n, err := strconv.Atoi(text)
		return max(n, 1), err // 0 is the reference's own process
	}
	switch v.of.Kind() {
	case reflect.Bool:
		return strconv.ParseBool(text)
	case reflect.Int:
		return strconv.Atoi(text)
	case reflect.Uint64:
		return strconv.ParseUint(text, 10, 64)
	case reflect.Float64:
		return number(text)
	}
	return text, nil
}

// number refuses what JSON cannot write.
func number(text string) (float64, error) {
	x, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
		err = errors.New("want a finite number")
	}
	return x, err
}

// precisionOf translates the reference's words. Its fp16 has weights in float16 too, without a scaled loss.
func precisionOf(text string) (string, error) {
	switch text {
	case "fp32":
		return "f32", nil
	case "fp16":
		return "", errors.New("fp16 trains weights in float16, which is not here: take amp, or f16 for products in float16 with float32 weights")
	}
	return text, nil
}
