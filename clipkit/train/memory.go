package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/adamw"
	"clipnb/clipkit/train/lora"
)

// ErrMemory is wrapped for a run that would not fit into memory.
var ErrMemory = errors.New("train: not enough memory")

// Constants of EstimateMemory, fitted to the largest resident size of two steps on cpu:xla (memory_test.go has the measurements).
const (
	processBytes   = 0.2e9 // the program and the engine
	trainedCopies  = 3.0   // of a trained tensor, besides itself: moments and gradient
	blockValues    = 16.0  // values per token and channel of a transformer block that wait for the gradients, in theory
	blockOverhead  = 1.25  // what XLA keeps for each of them
	convValues     = 5.0   // values kept for each output of a convolution
	recomputeShare = 0.4   // of these with grad_checkpointing: XLA:CPU begins recomputing earlier than it would have to
	frozenShare    = 0.1   // of a tower that has no gradients
)

// EstimateMemory is about how many bytes of memory training will take in one process, within 25 % on cpu:xla in float32. Texts count with their whole
// context_length. A model in evaluation, the teacher for one, is not included.
func EstimateMemory(cfg arch.Config, c Config) int64 {
	return estimate(cfg, c, c.step().MicroBatches(), 1, 1)
}

// estimate is that for a process which computes a step in so many turns of so many micro-batches, on so many devices together.
func estimate(cfg arch.Config, c Config, turns, together, devices int) int64 {
	c = c.computed()
	frozen := c.FreezeVision || c.LoRARank > 0 && cfg.IsResNet()
	bytes := 4 * float64(cfg.NumParams())
	copies := trainedCopies
	if turns > 1 {
		copies++ // the sums of the gradients
	}
	trained := 0.0
	if c.LoRARank > 0 {
		for _, ad := range lora.Adapters(cfg, c.LoRARank, c.FreezeVision) {
			bytes += 2 * 4 * float64(ad.Matrix.Size()) // the base and the new sum
			trained += float64(ad.A.Size() + ad.B.Size())
		}
		bytes += 4 * trained
	} else {
		for _, t := range adamw.Parameters(cfg) {
			if !frozen || !strings.HasPrefix(t.Name, "visual.") {
				trained += float64(t.Size())
			}
		}
	}
	everywhere := copies // of what each device has its own
	if c.ShardMoments {
		everywhere = 1 // the gradient
	}
	bytes = processBytes + float64(devices)*(bytes+everywhere*4*trained) + (copies-everywhere)*4*trained

	block := func(layers, tokens, width, heads int) float64 {
		return 4 * blockOverhead * float64(layers) * (float64(tokens*width)*blockValues + float64(heads*tokens*tokens))
	}
	text := block(cfg.TextLayers, c.ContextLength, cfg.TextWidth, cfg.TextHeads)
	var vision float64
	if cfg.IsResNet() {
		vision = 4 * convValues * convOutputs(cfg)
	} else {
		vision = block(cfg.VisionLayers[0], 1+model.KeptPatches(cfg.Grid()*cfg.Grid(), c.MaskRatio), cfg.VisionWidth, cfg.VisionHeads())
	}
	if c.Recompute {
		text *= recomputeShare
		if !cfg.IsResNet() {
			vision *= recomputeShare
		}
	}
	if frozen {
		vision *= frozenShare
	}
	return int64(bytes + float64(together*c.BatchSize)*(text+vision))
}

// convOutputs counts the values that the convolutions of a ResNet put out for one picture.
func convOutputs(cfg arch.Config) (n float64) {
	cfg.Convolutions(func(side, _, out, _ int) { n += float64(side * side * out) })
	return n
}

// fitsMemory refuses a run on this machine's processor that would not fit even if the estimate is a quarter too high, with what would help, and
// warns of one that may not. So many processes of the run share the machine.
func (j *Job) fitsMemory(processes int) error {
	cfg := j.Model.Config
	free := j.Memory
	if free == 0 && j.Model.Device.IsCPU() {
		free = freeMemory() / int64(processes)
	}
	if free <= 0 {
		return nil
	}
	here := 4 * int64(cfg.NumParams()) * int64(j.Model.Device.Count()) // in memory already
	need := j.needs(j.Config) - here
	switch {
	case float64(need) > 1.25*float64(free):
		return fmt.Errorf("%w: training %s with batch_size %d needs about %s, and %s are free; %s", ErrMemory, cfg.Name, j.Config.BatchSize, gb(need), gb(free), j.advice(free+here))
	case float64(need) > 0.8*float64(free):
		j.Say(fmt.Sprintf("training will need about %s of the %s that are free, and may be killed; %s", gb(need), gb(free), j.advice(free+here)))
	}
	return nil
}

// needs is how much memory this process of the run takes.
func (j *Job) needs(c Config) int64 {
	together := c.step().TurnRanks(j.Model.Device, j.Model.Config)
	return estimate(j.Model.Config, c, max(1, c.step().MicroBatches()/j.world().Size()/together), together, j.Model.Device.Count())
}

func gb(bytes int64) string { return fmt.Sprintf("%.1f GB", float64(bytes)/1e9) }

// advice lists the changes that would bring the run below limit bytes.
func (j *Job) advice(limit int64) string {
	var list []string
	try := func(what string, change func(*Config)) {
		c := j.Config
		change(&c)
		if need := j.needs(c); need < limit && need < j.needs(j.Config) {
			list = append(list, fmt.Sprintf("%s (%s in all)", what, gb(need)))
		}
	}
	for b := j.Config.BatchSize / 2; b >= 2; b /= 2 {
		if j.needs(withBatchSize(j.Config, b)) < limit || b < 4 {
			try(fmt.Sprintf("batch_size %d with accum_freq %d", b, withBatchSize(j.Config, b).AccumFreq), func(c *Config) { *c = withBatchSize(*c, b) })
			break
		}
	}
	try("grad_checkpointing", func(c *Config) { c.Recompute = true })
	try("mask_ratio 0.5", func(c *Config) { c.MaskRatio = max(c.MaskRatio, 0.5) })
	try("freeze_vision", func(c *Config) { c.FreezeVision = true })
	try("lora_rank 8", func(c *Config) { c.LoRARank, c.LoRAAlpha = 8, 8 })
	if list == nil {
		return "no single setting is enough: take a smaller model or a larger machine"
	}
	return "what would fit: " + strings.Join(list, ", ")
}

// withBatchSize is c with another batch_size and the same number of pairs in a step.
func withBatchSize(c Config, batch int) Config {
	c.AccumFreq, c.BatchSize, c.MicroBatch = c.BatchSize*max(1, c.AccumFreq)/batch, batch, 0
	return c
}

// freeMemory is what this process may still take: the machine's free memory or its container's limit, whichever is less; 0 = unknown.
func freeMemory() int64 {
	if runtime.GOOS != "linux" {
		return 0
	}
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	free := int64(0)
	for line := range strings.Lines(string(info)) {
		if kb, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			free = n * 1024
		}
	}
	group := func(name string) (int64, bool) {
		b, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", name))
		if err != nil {
			return 0, false
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		return n, err == nil // "max" is no limit
	}
	if limit, ok := group("memory.max"); ok {
		if used, ok := group("memory.current"); ok {
			free = min(free, max(1, limit-used))
		}
	}
	return free
}
