package train

import "clipnb/clipkit/train/step"

// A batch of batch_size pairs that memory does not hold is computed in parts of micro_batch pairs, as accumulated micro-batches are. What is computed stays:
// the order of pairs and the steps of an epoch are those of batch_size, each loss is over all pairs of the step, masks and the gradient of logit_scale
// are those of whole batches (step.Config.Parts). So it is no part of a run's identity, and a run goes on with other parts. Beside the order in which
// floats are added, two things follow the parts: the draws of dropout, and the statistics of a ResNet's BatchNorm.

// parts is how many a batch has.
func (c Config) parts() int {
	if c.MicroBatch == 0 {
		return 1
	}
	return max(1, c.BatchSize/c.MicroBatch)
}

// computed is c with the micro-batches that are computed for its own.
func (c Config) computed() Config {
	if p := c.parts(); p > 1 {
		c.BatchSize, c.AccumFreq = c.BatchSize/p, p*max(1, c.AccumFreq)
	}
	c.MicroBatch = 0
	return c
}

// StepConfig is the part of the settings that decides how a single step is computed.
func (c Config) StepConfig() step.Config { return c.step() }

// MicroBatches is c with its batches in parts of at most n pairs, the largest that divide them; a batch of n or fewer, and one that only single pairs divide,
// stays whole.
func (c Config) MicroBatches(n int) Config {
	c.MicroBatch = 0
	for size := min(n, c.BatchSize); size >= 2 && size < c.BatchSize; size-- {
		if c.BatchSize%size == 0 {
			c.MicroBatch = size
			break
		}
	}
	return c
}
