package train

import (
	"clipnb/clipkit/arch"
	"clipnb/clipkit/train/memory"
)

// EstimateMemory is about how many bytes of memory training will take in one process (package memory).
func EstimateMemory(cfg arch.Config, c Config) int64 {
	return c.memory(cfg, c.step().MicroBatches(), 1, 1).Bytes()
}

// memory is what the memory depends on of a process which computes a step in so many turns of so many micro-batches, on so many devices together.
func (c Config) memory(cfg arch.Config, turns, together, devices int) memory.Run {
	return memory.Run{Arch: cfg, Step: c.step(), BatchSize: c.computed().BatchSize, ContextLength: c.ContextLength,
		Turns: turns, Together: together, Devices: devices, Ahead: c.prefetch(turns*together, true)}
}

// pixelsOf are the values of a picture.
func pixelsOf(cfg arch.Config) int { return 3 * cfg.ImageResolution * cfg.ImageResolution }

// prefetch is how many micro-batches, of those that this process takes for a step, the loader makes ahead. On the processor a pair takes a hundred times
// as long to train as to decode, so two for each worker hide the decoding of a step of any size but for a hundredth; and of large ones fewer are
// enough. Cards are faster, and the host's memory is not theirs: the whole next step is made meanwhile.
func (c Config) prefetch(own int, onProcessor bool) int {
	n := max(2, min(2*c.Workers, prefetchedPairs/c.computed().BatchSize))
	if !onProcessor {
		n = max(2*c.Workers, own)
	}
	return n
}

// prefetchedPairs are made ahead at most, where two micro-batches are not more.
const prefetchedPairs = 256
