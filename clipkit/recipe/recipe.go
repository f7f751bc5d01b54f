// Package recipe has the settings of runs, each with what it needs, does and reaches, and the figures that others published. It is data: nothing
// here reads a file, a clock or a network.
//
//	r, err := recipe.Find("flickr30k/vit-b-16/full-8p")
//	fmt.Println(r)                              // needs, steps, speed, results and whose they are
//	cfg := r.Config                             // a train.Config; change its fields as you like
//	cfg = recipe.MicroBatches(cfg, 16)          // the same step where memory is short
//	rows, err := recipe.PublishedOn("MUGE")     // recalls of the reference's five models and others, before and after finetuning
//
// A published number stands once, in published.go; the recipes read it. "The reference" is Chinese-CLIP (github.com/OFA-Sys/Chinese-CLIP), "the
// ModelZoo" the Ascend ModelZoo's port of it, "ChineseCLIP for PyTorch", whose test scripts and results table are made again here.
package recipe

import (
	"errors"
	"fmt"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/train"
)

// ErrUnknown is wrapped for a recipe's name that is not known.
var ErrUnknown = errors.New("no such recipe")

// Recipe is the settings of a run, what the run needs and what it reaches. It prints itself, and clipkit.Show shows it as a table.
//
// Names are data/model/what. What follows the model:
//
//	(nothing), flip, flashattn, distillation, notebook   a script of the reference's run_scripts/, or its notebook
//	full, performance                                    the ModelZoo's test scripts for one device, "1p"
//	full-8p, performance-8p                              the same for eight
//
// A script for eight devices compares the pairs of all eight with each other in a step. Its recipe has their number (train.Config.WorldSize) and so
// makes the script's steps, with its order of pairs, its gradients and its number of steps, on as many devices as there are: eight take a batch each,
// one takes the eight batches one after another, for a second forward pass over each. A recipe of the "1p" kind compares the pairs of one batch
// only, as its script does. MicroBatches computes the batches in parts where memory does not do.
//
// All scripts use mixed precision; the recipes train in float32 (train.Config.Precision can be "amp"), and keep the last three checkpoints
// where the scripts keep all.
type Recipe struct {
	Name         string
	Config       train.Config // change its fields as you like before Finetune
	Architecture string       // of the model, as arch.Lookup knows it
	Weights      string       // what Load begins with; "" = random weights
	Data         string       // what OpenDataset opens; "" = your own
	Pairs        int          // of its train split; 0 = not known
	Devices      int          // that the source has
	Source       string       // whose settings these are
	Speed        string       // measured, and where; "" = not measured
	Reaches      []Reach
	Notes        []string
}

// Reach is a result that somebody measured. A recall of 0 was not given.
type Reach struct {
	What        string // whose, and on which split
	TextToImage experiment.Recall
	ImageToText experiment.Recall
	Source      string
}

// Find gives a recipe by its name. The error for a wrong one has the nearest.
func Find(name string) (Recipe, error) {
	var names []string
	for _, r := range All() {
		if r.Name == name {
			return r, nil
		}
		names = append(names, r.Name)
	}
	meant := ""
	if near := near(name, names); near != nil {
		meant = fmt.Sprintf("the nearest: %s (\"go run ./clipkit/cmd/clipkit recipes\" says what each does); ", strings.Join(near, ", "))
	}
	return Recipe{}, fmt.Errorf("%w: %q; %sthere are %s", ErrUnknown, name, meant, strings.Join(names, ", "))
}

// Result is what Load opens after the run: its best checkpoint where it keeps one (train.Config.BestMetric), else its newest.
func (r Recipe) Result() string {
	if r.Config.BestMetric != "" {
		return r.Config.Name + "/best"
	}
	return r.Config.Name
}

// PairsPerStep is how many pairs a step compares with each other.
func (r Recipe) PairsPerStep() int {
	return r.Config.BatchSize * max(1, r.Config.WorldSize) * max(1, r.Config.AccumFreq)
}

// Memory is about how many bytes training takes on cpu (train.EstimateMemory); 0 = the architecture is not known.
func (r Recipe) Memory() int64 {
	cfg, err := arch.Lookup(r.Architecture)
	if err != nil {
		return 0
	}
	return train.EstimateMemory(cfg, r.Config)
}

// Run says what training a model of this architecture on these pairs comes to: steps, learning rate, memory.
func (r Recipe) Run(pairs dataset.Source, cfg arch.Config) string {
	return fmt.Sprintf("%s, %d steps of %d pairs, lr %g, about %.1f GB of memory", cfg.Name, train.TotalSteps(len(dataset.Pairs(pairs)), r.Config), r.PairsPerStep(), r.Config.LR,
		float64(train.EstimateMemory(cfg, r.Config))/1e9)
}

// MicroBatches is c with its batches computed in parts of at most n pairs (train.Config.MicroBatch): for a machine whose memory does not hold
// c.BatchSize. Steps, loss and gradients stay the same; a ResNet's batch norm sees smaller batches.
func MicroBatches(c train.Config, n int) train.Config { return c.MicroBatches(n) }
