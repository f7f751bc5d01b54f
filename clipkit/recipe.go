package clipkit

import (
	"fmt"
	"sort"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/train"
)

// recipes are runs with a promise: what they take and what they reach, measured.
var recipes = map[string]func() train.Config{
	"emoji/finetune":       emojiFinetune,
	"emoji/pretrain":       emojiPretrain,
	"emoji/pretrain-again": emojiPretrainAgain,
}

// Recipe is a named configuration; change its fields as you like before Finetune.
func Recipe(name string) (train.Config, error) {
	make, ok := recipes[name]
	if !ok {
		var names []string
		for n := range recipes {
			names = append(names, n)
		}
		sort.Strings(names)
		return train.Config{}, fmt.Errorf("no recipe %q; there are %s", name, strings.Join(names, ", "))
	}
	return make(), nil
}

// emojiFinetune teaches the small model OpenMoji's drawing style.
func emojiFinetune() train.Config {
	cfg, _ := arch.Lookup("emoji")
	c := train.Default(cfg)
	c.Name, c.BatchSize, c.MaxEpochs = "emoji-finetune", 128, 5
	c.LR, c.WeightDecay, c.Warmup = 4e-4, 0.05, 20
	c.Augment, c.CropScale = "reference", [2]float64{0.6, 1}
	c.LogInterval, c.ValidEpochInterval, c.KeepCheckpoints = 1, 1, 2
	c.Workers = 2
	return c
}

// emojiPretrain makes the small model from random weights, on the five styles that the generator in assets/generate draws.
func emojiPretrain() train.Config {
	c := emojiFinetune()
	c.Name, c.MaxEpochs = "emoji-pretrain", 6
	c.LR, c.Warmup = 1.5e-3, 100
	c.LogInterval = 10
	return c
}

// emojiPretrainAgain is a second, gentler cycle after the first. One cycle ends underfitted: the pictures are shown far more distorted
// than they are. Without AutoAugment it fits in one epoch and does not carry over to a new style (valid loss 5.5 against 3.6).
func emojiPretrainAgain() train.Config {
	c := emojiPretrain()
	c.Name, c.MaxEpochs = "emoji-pretrain-2", 5
	c.LR, c.Warmup = 1e-3, 50
	c.CropScale = [2]float64{0.7, 1}
	return c
}
