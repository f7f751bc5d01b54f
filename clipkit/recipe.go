package clipkit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/chart"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/train"
)

// ErrNoRecipe is wrapped for a recipe's name that is not known.
var ErrNoRecipe = errors.New("no such recipe")

// Promise is a recipe: the settings of a run, what the run needs and what it reaches. It prints itself, and Show shows it as a table.
//
// Names are data/model/what. What follows the model:
//
//	(nothing), flip, flashattn, distillation, notebook   a run script of the reference, or its notebook (SPEC §5.12, §8.3)
//	full, performance                                    the seed's test scripts for one device, "1p" (SPEC §9.3)
//	full-8p, performance-8p                              the same for eight
//
// A script for eight devices compares the pairs of all eight with each other in a step. On one device its recipe takes the eight batches
// one after another, with as many pairs in a step and the same loss over all of them (train.Config.AccumFreq), for a second forward pass over
// each. Three things differ: batches at an epoch's end that do not fill a step are left out (435 steps of Flickr30k-CN), where the scripts fill
// up with the epoch's first pairs (438); flip's masks are absent from the features that a batch is compared with; and the scripts' gradients are
// an eighth, which AdamW mostly evens out. A recipe of the "1p" kind compares the pairs of one batch only, as its script does.
// MicroBatches makes the batches smaller where memory does not do.
//
// All scripts use mixed precision; the recipes train in float32 (train.Config.Precision can be "amp"), and keep the last three checkpoints
// where the scripts keep all.
type Promise struct {
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

// Recipe is a named configuration; change its fields as you like before Finetune. Recipes lists them, FindRecipe has their promises.
func Recipe(name string) (train.Config, error) {
	p, err := FindRecipe(name)
	return p.Config, err
}

// FindRecipe gives a recipe with its promise.
func FindRecipe(name string) (Promise, error) {
	var names []string
	for _, p := range Recipes() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Promise{}, fmt.Errorf("%w: %q; there are %s", ErrNoRecipe, name, strings.Join(names, ", "))
}

// Load gives the model that the recipe begins with.
func (p Promise) Load(ctx context.Context, opts ...Option) (*Model, error) {
	if p.Weights == "" {
		return New(ctx, p.Architecture, p.Config.Seed, opts...)
	}
	return Load(ctx, p.Weights, opts...)
}

// Open gives the data set that the recipe trains on.
func (p Promise) Open(ctx context.Context) (*dataset.Dataset, error) {
	if p.Data == "" {
		return nil, fmt.Errorf("recipe %s: it is for pictures of your own; set Data (data=… of the notebook) to a folder that OpenDataset opens", p.Name)
	}
	data, err := OpenDataset(ctx, p.Data)
	if err != nil {
		return nil, fmt.Errorf("recipe %s: %w", p.Name, err)
	}
	if data.Train == nil {
		return nil, errors.Join(fmt.Errorf("recipe %s: %s has no train split", p.Name, p.Data), data.Close())
	}
	return data, nil
}

// Result is what Load opens after the run: its best checkpoint where it keeps one (train.Config.BestMetric), else its newest.
func (p Promise) Result() string {
	if p.Config.BestMetric != "" {
		return p.Config.Name + "/best"
	}
	return p.Config.Name
}

// PairsPerStep is how many pairs a step compares with each other.
func (p Promise) PairsPerStep() int { return p.Config.BatchSize * max(1, p.Config.AccumFreq) }

// Memory is about how many bytes training takes on cpu (train.EstimateMemory); 0 = the architecture is not known.
func (p Promise) Memory() int64 {
	cfg, err := arch.Lookup(p.Architecture)
	if err != nil {
		return 0
	}
	return train.EstimateMemory(cfg, p.Config)
}

// MicroBatches is c with the same pairs in a step, in batches of at most n: for a machine whose memory does not hold c.BatchSize. The loss
// and its gradients stay the same; a ResNet's batch norm sees smaller batches.
func MicroBatches(c train.Config, n int) train.Config {
	pairs := c.BatchSize * max(1, c.AccumFreq)
	for size := min(n, c.BatchSize); size >= 2; size-- { // a batch of one has nothing to compare
		if pairs%size == 0 {
			c.BatchSize, c.AccumFreq = size, pairs/size
			break
		}
	}
	return c
}

// String is the promise in lines of text.
func (p Promise) String() string {
	var b strings.Builder
	b.WriteString(p.Name + "\n")
	for _, line := range p.lines() {
		fmt.Fprintf(&b, "  %-9s%s\n", line.en, line.text)
	}
	return b.String()
}

// HTML is the promise as a table (chart.Figure).
func (p Promise) HTML() string {
	var rows [][]string
	for _, line := range p.lines() {
		rows = append(rows, []string{line.zh + " · " + line.en, line.text})
	}
	return chart.Table([]string{"配方 · recipe", p.Name}, rows).HTML()
}

type promiseLine struct{ zh, en, text string }

func (p Promise) lines() []promiseLine {
	speed := p.Speed
	if speed == "" {
		speed = "not measured"
	}
	out := []promiseLine{{"需要", "needs", p.needs()}, {"步骤", "does", p.does()}, {"速度", "speed", speed}}
	for _, r := range p.Reaches {
		out = append(out, promiseLine{"结果", "reaches", r.String()})
	}
	if len(p.Reaches) == 0 {
		out = append(out, promiseLine{"结果", "reaches", "not measured"})
	}
	out = append(out, promiseLine{"出处", "from", p.Source})
	for _, n := range p.Notes {
		out = append(out, promiseLine{"注意", "note", n})
	}
	return out
}

func (p Promise) needs() string {
	weights, data := "weights "+p.Weights, "data set "+p.Data
	if p.Weights == "" {
		weights = "no weights: " + p.Architecture + " begins at random"
	}
	switch {
	case p.Data == "":
		data = "pictures and captions of your own"
	case p.Pairs > 0:
		data += fmt.Sprintf(" (%d pairs)", p.Pairs)
	}
	return fmt.Sprintf("%s; %s; about %.1f GB of memory (estimated for cpu)", weights, data, float64(p.Memory())/1e9)
}

func (p Promise) does() string {
	c := p.Config
	step := fmt.Sprintf("steps of %d pairs", p.PairsPerStep())
	if p.Pairs > 0 {
		step = fmt.Sprintf("%d %s", train.TotalSteps(p.Pairs, c), step)
	}
	if c.AccumFreq > 1 {
		step += fmt.Sprintf(" (%d batches of %d one after another", c.AccumFreq, c.BatchSize)
		if p.Devices > 1 {
			step += fmt.Sprintf(" for the script's %d devices", p.Devices)
		}
		step += ")"
	}
	epochs := fmt.Sprintf("%d epochs", c.MaxEpochs)
	if c.MaxEpochs == 1 {
		epochs = "1 epoch"
	}
	text := fmt.Sprintf("%s, %s, lr %g after %d steps of warm-up, weight decay %g, augmentation %s", epochs, step, c.LR, c.Warmup, c.WeightDecay, c.Augment)
	for _, more := range []struct {
		is   bool
		text string
	}{
		{c.MaskRatio > 0, fmt.Sprintf("mask ratio %g", c.MaskRatio)},
		{c.KDLossWeight > 0, fmt.Sprintf("a teacher with weight %g", c.KDLossWeight)},
		{c.Recompute, "blocks recomputed for their gradients"},
		{c.Patience > 0, fmt.Sprintf("ends after %d validations without a better %s", c.Patience, c.BestMetric)},
	} {
		if more.is {
			text += ", " + more.text
		}
	}
	return text
}

// String is a result in one line, percent.
func (r Reach) String() string {
	text := r.What + ":"
	for _, way := range []struct {
		name   string
		recall experiment.Recall
	}{{"text→image", r.TextToImage}, {"image→text", r.ImageToText}} {
		var parts []string
		for _, v := range []struct {
			name  string
			value float64
		}{{"R@1", way.recall.R1}, {"R@5", way.recall.R5}, {"R@10", way.recall.R10}, {"mean", way.recall.Mean}} {
			if v.value > 0 {
				parts = append(parts, fmt.Sprintf("%s %g", v.name, v.value))
			}
		}
		if parts != nil {
			text += " " + way.name + " " + strings.Join(parts, ", ") + ";"
		}
	}
	return strings.TrimSuffix(text, ";") + " (" + r.Source + ")"
}
