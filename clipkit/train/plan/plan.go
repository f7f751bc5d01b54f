// Package plan says before a training run begins what it will take on this machine: the hours, the memory, and in which parts it computes its batches.
//
//	r := plan.On(dev, m.Config, cfg, len(pairs), plan.Tokens(data.Train, cfg))
//	p := r.Plan()                         // cfg as it is
//	p = r.Fit()                           // in the parts (train.Config.MicroBatch) that fit the memory and are fastest: the same steps
//	err := r.Probe(ctx, m, p.Config)      // measures two micro-batches; the next Plan knows it, also in another program
//	fmt.Println(p)                        // about 54 h: 3492 steps of 128 pairs at 56 s, …
//
// Unless something was measured, the speed is the work of a pair over the share of the machine's measured peak that this project reaches
// (share in work.go): good for the order of magnitude. A run of hours therefore begins with a probe (Announce). What was measured, by a probe or by a run,
// is kept in the user's cache folder, clipkit/speed.json; delete it to measure again.
//
// A probe changes nothing of a run: the model, its statistics and what is drawn at random stay as they are, to the bit.
package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/machine"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/train"
	"clipnb/clipkit/train/memory"
)

// Run is a run that has not begun, and the machine that is to do it.
type Run struct {
	Model  arch.Config
	Config train.Config
	Pairs  int // of the training data
	Tokens int // of a text in a batch, with what padding is left

	Machine   string  // device.Device.Machine: what measurements hold for
	Kind      string  // "cpu", "cuda" or "npu"
	Peak      float64 // GFLOPS, measured; 0 = not known
	Devices   int     // that one process drives
	Processes int     // that share the run; 0 = one
	Free      int64   // bytes that a process may take, its model included; 0 = not known, as on devices with memory of their own
}

// On is a run on an open device, by one process whose model is not yet in memory.
func On(dev *device.Device, model arch.Config, c train.Config, pairs, tokens int) Run {
	r := Run{Model: model, Config: c, Pairs: pairs, Tokens: tokens, Machine: dev.Machine(), Peak: dev.PeakGFLOPS(), Devices: dev.Count(), Kind: "npu"}
	switch {
	case dev.IsCPU():
		r.Kind, r.Free = "cpu", machine.FreeMemory()
	case dev.IsCUDA():
		r.Kind = "cuda"
	}
	return r
}

// Plan is what a run comes to.
type Plan struct {
	Config  train.Config
	Steps   int     // in all
	Epoch   int     // of an epoch
	Pairs   int     // of a step
	Seconds float64 // of a step; 0 = not known
	Source  string  // of Seconds: measured, or estimated
	Memory  int64   // about so many bytes at once
	Free    int64   // Run.Free
	Fits    bool    // Memory is free, as far as that is known
	Instead string  // what would fit, where nothing with the same steps does
}

// roomy and tight are the shares of the free memory that a plan may take: less than roomy is safe, more than tight is refused.
const (
	roomy = 1 - memory.Error
	tight = 1.0
)

// Plan is what the run comes to with its settings as they are.
func (r Run) Plan() Plan { return r.with(r.Config, tight) }

func (r Run) with(c train.Config, of float64) Plan {
	epoch := c
	epoch.MaxSteps, epoch.MaxEpochs = 0, 1
	p := Plan{
		Config: c, Steps: train.TotalSteps(r.Pairs, c), Epoch: train.TotalSteps(r.Pairs, epoch), Pairs: c.BatchSize * max(1, c.WorldSize) * max(1, c.AccumFreq),
		Memory: train.EstimateMemory(r.Model, c), Free: r.Free,
	}
	p.Seconds, p.Source = r.seconds(c)
	p.Fits = r.Free <= 0 || float64(p.Memory) <= of*float64(r.Free)
	return p
}

// Fit computes the batches in the parts that are fastest among those whose memory is there, and where none is, their blocks again for the gradients
// (grad_checkpointing) as well. Steps and results stay those of the settings.
func (r Run) Fit() Plan {
	as := r.with(r.Config, roomy)
	if as.Fits && r.Free <= 0 || r.Devices > 1 {
		return as
	}
	again := r.Config
	again.Recompute = true
	for _, try := range []struct {
		config train.Config
		of     float64
	}{{r.Config, roomy}, {again, roomy}, {again, tight}, {r.Config, tight}} {
		if p, ok := r.fastest(try.config, try.of); ok {
			return p
		}
	}
	least := r.with(inParts(again, 2), tight)
	least.Instead = r.instead(least)
	return least
}

// alike are speeds that no plan should tell apart: of such the one with the least memory is taken. Two cores train ViT-B-16 at 3.2 pairs/s in batches of 8
// and at 3.0 in batches of 16. Parts of fewer pairs than plenty are for want of memory alone: where the peak is estimated too low, what they cost beside their
// products seems little.
const (
	alike  = 1.05
	plenty = 8
)

// fastest of the parts that fit.
func (r Run) fastest(c train.Config, of float64) (best Plan, ok bool) {
	var fitting []Plan // from the largest on
	for _, parts := range sizes(c) {
		if p := r.with(parts, of); p.Fits {
			fitting = append(fitting, p)
		}
	}
	if len(fitting) == 0 {
		return best, false
	}
	best = slices.MinFunc(fitting, func(a, b Plan) int { return cmp.Compare(a.Seconds, b.Seconds) })
	for _, p := range fitting {
		if p.Seconds > 0 && p.Seconds <= alike*best.Seconds && p.Memory < best.Memory && micro(p.Config) >= plenty {
			best.Memory, best.Config = p.Memory, p.Config
		}
	}
	return r.with(best.Config, of), true
}

// sizes are the settings with all batches in parts, from whole ones down to pairs of two.
func sizes(c train.Config) (list []train.Config) {
	for n := c.BatchSize; n >= 2; n-- {
		if c.BatchSize%n == 0 {
			list = append(list, inParts(c, n))
		}
	}
	return list
}

// inParts of n pairs; the whole batch is no part.
func inParts(c train.Config, n int) train.Config {
	c.MicroBatch = n
	if n == c.BatchSize {
		c.MicroBatch = 0
	}
	return c
}

// instead is what would fit.
func (r Run) instead(least Plan) string {
	var list []string
	for _, f := range train.Fit(r.Model, r.Config, int64(roomy*float64(r.Free))) {
		list = append(list, fmt.Sprintf("%s, %s", f.Says, gigabytes(f.Bytes)))
	}
	return strings.Join(append(list, fmt.Sprintf("a machine with %s free", gigabytes(int64(float64(least.Memory)/roomy)))), "; or ")
}

// Duration is how long steps from done on take; 0 = not known.
func (p Plan) Duration(done int) time.Duration {
	return time.Duration(float64(max(0, p.Steps-done)) * p.Seconds * float64(time.Second))
}

// EpochDuration is that of an epoch.
func (p Plan) EpochDuration() time.Duration {
	return time.Duration(float64(p.Epoch) * p.Seconds * float64(time.Second))
}

// String says it in a line or two.
func (p Plan) String() string {
	text := fmt.Sprintf("%d steps of %d pairs", p.Steps, p.Pairs)
	if p.Seconds > 0 {
		text = fmt.Sprintf("about %s: %s at %s, %s an epoch (%s)", progress.Duration(p.Duration(0)), text, ofStep(p.Seconds), progress.Duration(p.EpochDuration()), p.Source)
	}
	if p.Config.MicroBatch > 0 {
		text += fmt.Sprintf("; batches in parts of %d, which changes no result", p.Config.MicroBatch)
	}
	text += "; about " + gigabytes(p.Memory) + " of memory"
	if p.Free > 0 {
		text += fmt.Sprintf(", %s free", gigabytes(p.Free))
	}
	if !p.Fits {
		text += ": it does not fit"
		if p.Instead != "" {
			text += "; what would: " + p.Instead
		}
	}
	return text
}

// ofStep has digits where a step is short.
func ofStep(seconds float64) string {
	if seconds < 90 {
		return progress.Rate(seconds) + " s"
	}
	return progress.Duration(time.Duration(seconds * float64(time.Second)))
}

func gigabytes(n int64) string { return fmt.Sprintf("%.1f GB", float64(n)/1e9) }
