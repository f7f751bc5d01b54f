package train

import (
	"errors"
	"fmt"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/internal/machine"
	"clipnb/clipkit/train/memory"
)

// ErrMemory is wrapped for a run that would not fit into memory.
var ErrMemory = errors.New("train: not enough memory")

// Fitting is a change of settings with which a run takes so many bytes.
type Fitting struct {
	Says   string // how a person asks for it, in a notebook and on the command line
	Config Config
	Bytes  int64
}

// Fit lists changes of c with which training takes less than limit bytes on this machine's processor, those first that change least of what is learned.
// It is empty where nothing is enough.
func Fit(cfg arch.Config, c Config, limit int64) []Fitting {
	return fit(cfg, c, limit, func(c Config) int64 { return EstimateMemory(cfg, c) })
}

// savings are what takes less memory than smaller batches alone, from what changes nothing of the result to what trains least.
var savings = []struct {
	parts           string // a letter for each change
	notebook, shell string
	change          func(*Config)
}{
	{"", "", "", func(*Config) {}},
	{"r", "Recompute = true", "--grad-checkpointing", func(c *Config) { c.Recompute = true }},
	{"m", "MaskRatio = 0.5", "--mask-ratio 0.5", func(c *Config) { c.MaskRatio = max(c.MaskRatio, 0.5) }},
	{"f", "FreezeVision = true", "--freeze-vision", func(c *Config) { c.FreezeVision = true }},
	{"l", "LoRARank, LoRAAlpha = 8, 8", "--lora-rank 8 --lora-alpha 8", func(c *Config) { c.LoRARank, c.LoRAAlpha = 8, 8 }},
	{"fr", "FreezeVision, Recompute = true, true", "--freeze-vision --grad-checkpointing", func(c *Config) { c.FreezeVision, c.Recompute = true, true }},
	{"lr", "LoRARank, LoRAAlpha, Recompute = 8, 8, true", "--lora-rank 8 --lora-alpha 8 --grad-checkpointing", func(c *Config) { c.LoRARank, c.LoRAAlpha, c.Recompute = 8, 8, true }},
	{"lfr", "LoRARank, LoRAAlpha, FreezeVision, Recompute = 8, 8, true, true", "--lora-rank 8 --lora-alpha 8 --freeze-vision --grad-checkpointing", func(c *Config) {
		c.LoRARank, c.LoRAAlpha, c.FreezeVision, c.Recompute = 8, 8, true, true
	}},
}

// fittings is how many changes are listed at most.
const fittings = 4

// fit lists savings, each with the largest batch that fits. Where a smaller batch alone is enough, the others keep the batch; and none is listed that
// changes more than another without gaining a larger batch.
func fit(cfg arch.Config, c Config, limit int64, needs func(Config) int64) (list []Fitting) {
	listed := map[string]int{} // the batch, by parts
	for _, s := range savings {
		changed := c
		s.change(&changed)
		if s.parts != "" && (needs(changed) >= needs(c) || changed.step().Check(cfg) != nil) { // it is so already, or is nothing for this model
			continue
		}
		for n := c.computed().BatchSize; n >= 2 && len(list) < fittings; n /= 2 {
			smaller := changed.MicroBatches(n)
			bytes := needs(smaller)
			if bytes >= limit {
				continue
			}
			if s.parts == "" && smaller.computed().BatchSize == c.computed().BatchSize { // as it is
				return nil
			}
			_, alone := listed[""]
			more := smaller.computed().BatchSize < c.computed().BatchSize && alone
			for parts, batch := range listed {
				more = more || parts != "" && batch >= smaller.computed().BatchSize && !strings.ContainsFunc(parts, func(p rune) bool { return !strings.ContainsRune(s.parts, p) })
			}
			if !more {
				listed[s.parts] = smaller.computed().BatchSize
				list = append(list, Fitting{says(c, smaller, s.notebook, s.shell), smaller, bytes})
			}
			break
		}
	}
	return list
}

// says is how a change is asked for: batch is a parameter of the notebooks and of "kernels exec", all others are set in a cell.
func says(from, to Config, notebook, shell string) string {
	var parts, flags []string
	if to.MicroBatch != from.MicroBatch {
		parts = append(parts, fmt.Sprintf("batch=%d", to.MicroBatch))
		flags = append(flags, fmt.Sprintf("--micro-batch %d", to.MicroBatch))
	}
	if notebook != "" {
		parts, flags = append(parts, notebook), append(flags, shell)
	}
	return fmt.Sprintf("%s (on the command line %s)", strings.Join(parts, " with "), strings.Join(flags, " "))
}

// fitsMemory refuses a run on this machine's processor that would not fit even if the estimate is as much too high as it may be, with what would help, and
// warns of one that may not. So many processes of the run share the machine.
func (j *Job) fitsMemory(processes int) error {
	cfg := j.Model.Config
	free := j.Memory
	if free == 0 && j.Model.Device.IsCPU() {
		free = machine.FreeMemory() / int64(processes)
	}
	if free <= 0 {
		return nil
	}
	here := 4 * int64(cfg.NumParams()) * int64(j.Model.Device.Count()) // in memory already
	need := j.needs(j.Config) - here
	switch {
	case float64(need) > (1+memory.Error)*float64(free):
		return fmt.Errorf("%w: training %s with batch_size %d needs about %s, and %s are free; %s", ErrMemory, cfg.Name, j.Config.BatchSize, gb(need), gb(free), j.advice(free+here))
	case float64(need) > (1-memory.Error)*float64(free):
		j.Say(fmt.Sprintf("training will need about %s of the %s that are free, and may be killed; %s", gb(need), gb(free), j.advice(free+here)))
	}
	return nil
}

// needs is how much memory this process of the run takes.
func (j *Job) needs(c Config) int64 {
	together := c.step().TurnRanks(j.Model.Device, j.Model.Config)
	turns := max(1, c.step().MicroBatches()/j.world().Size()/together)
	return c.memory(j.Model.Config, turns, together, j.Model.Device.Count()).Bytes()
}

// advice lists the changes that would bring the run below limit bytes, the model's included.
func (j *Job) advice(limit int64) string {
	list := fit(j.Model.Config, j.Config, int64((1-memory.Error)*float64(limit)), j.needs)
	if len(list) == 0 {
		least := j.Config.MicroBatches(2)
		savings[len(savings)-1].change(&least)
		return fmt.Sprintf("nothing that can be set is enough, as the least of it (%s) takes %s: take a smaller model, or a machine with more memory",
			says(j.Config, least, savings[len(savings)-1].notebook, savings[len(savings)-1].shell), gb(j.needs(least)))
	}
	var texts []string
	for _, f := range list {
		texts = append(texts, fmt.Sprintf("%s, %s in all", f.Says, gb(f.Bytes)))
	}
	return "what would fit: " + strings.Join(texts, "; or ")
}

func gb(bytes int64) string {
	if bytes < 1e8 {
		return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
}
