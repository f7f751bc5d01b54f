package step

import (
	"fmt"

	"clipnb/clipkit/device"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/train/compiled"

	"github.com/gomlx/gomlx/core/tensors"
)

// Ranks. What is computed and where are two things. world_size counts the ranks of the reference, R: a step has R·accum_freq micro-batches, and number
// r·accum_freq+j is the j-th of rank r. Stepper.World is the processes of this run, W: each computes M/W of the M micro-batches in turns, those from
// rank·M/W on. After the features of all micro-batches the processes gather them, and after the backward passes they add up their gradients, on their
// cards where World can (cards.go); so every W gives the same step, but for the order in which floats are added.
//
// Of each micro-batch the gradient is that of the loss over everything it is compared with. Their sum, with R ranks, is what DistributedDataParallel
// averages in the reference (N pairs in a step, L the loss over all of them, L_r over those of rank r, s the logit scale):
//
//	default           the encoders 1/R·∇L, s  k·∂L/∂s           a rank gathers the features of others without their gradient
//	gather_with_grad  the encoders ∇L, s  k·∂L/∂s               each of the R losses reaches each rank's features
//	skip_aggregate    the encoders the mean of ∇L_r, s k times that of ∂L_r/∂s
//
// With R = 1 all three are ∇L and k·∂L/∂s. The siglip loss, which the reference does not have, is treated as the contrastive one, and its bias as s.
// k is accum_freq, with Parts the number of batches and not of their parts. A teacher's share belongs to L. (In the reference gather_with_grad pairs a rank's teacher features with the pictures of another rank; here they
// are those of the same picture.)

func (c Config) ranks() int { return max(1, c.WorldSize) }
func (c Config) accum() int { return max(1, c.AccumFreq) }
func (c Config) parts() int { return max(1, c.Parts) }

// MicroBatches of a step: those of all ranks.
func (c Config) MicroBatches() int { return c.ranks() * c.accum() }

// Share is which micro-batches of a step a process of w computes: n of them, from first on.
func (c Config) Share(w exchange.World) (first, n int, err error) {
	all := c.MicroBatches()
	if all%w.Size() != 0 {
		return 0, 0, fmt.Errorf("%w: %d processes cannot share the %d micro-batches of a step (world_size %d × accum_freq %d): start as many as divide them",
			ErrConfig, w.Size(), all, c.ranks(), c.accum())
	}
	n = all / w.Size()
	return w.Rank() * n, n, nil
}

// beside are the micro-batches whose pairs are compared with those of m: all others of the step, or with skip_aggregate of m's rank.
func (c Config) beside(m int) (others []int) {
	from, to := 0, c.MicroBatches()
	if k := c.accum(); c.SkipAggregate {
		from, to = m/k*k, (m/k+1)*k
	}
	for o := from; o < to; o++ {
		if o != m {
			others = append(others, o)
		}
	}
	return others
}

// gradientShare is what the sum of all micro-batches' gradients is multiplied by.
func (c Config) gradientShare() float64 {
	if c.GatherWithGrad {
		return 1
	}
	return 1 / float64(c.ranks())
}

// joined puts shares of x, one of which has the values of one of n micro-batches, after each other.
func joined[T any](x []T, n int, which ...int) (out []T) {
	for _, m := range which {
		out = append(out, share(x, m, n)...)
	}
	return out
}

// world is the processes that make a step together.
func (s *Stepper) world() exchange.World {
	if s.World == nil {
		return exchange.Alone
	}
	return s.World
}

// agree makes what a step tells the same on all processes: out is that of rank 0's last micro-batch, as in the reference's log; norm, the square of
// the gradients' length, and broken, how many losses are not numbers, are added up.
func (s *Stepper) agree(out []float32, norm, broken *float32) error {
	w := s.world()
	_, own, err := s.config.Share(w)
	if err != nil || w.Size() == 1 {
		return err
	}
	if err := exchange.Share(w, out, (s.config.accum()-1)/own); err != nil {
		return err
	}
	both := []float32{*norm, *broken}
	err = w.Sum(both)
	*norm, *broken = both[0], both[1]
	return err
}

// sumOverProcesses adds the gradients of all processes up. No other place sends them.
func (s *Stepper) sumOverProcesses(grads []*tensors.Tensor) error {
	w := s.world()
	if c, ok := w.(cards); ok {
		return s.sumOnCards(c, grads)
	}
	for i := 0; w.Size() > 1 && i < len(grads); i++ {
		err := s.sumOver(w, &grads[i])
		if err != nil {
			return fmt.Errorf("adding up the gradients of %s over %d processes: %w", s.params[i].Name, w.Size(), err)
		}
	}
	return nil
}

func (s *Stepper) sumOver(w exchange.World, grad **tensors.Tensor) error {
	if s.inPlace() {
		values, err := s.hostValues(*grad)
		if err != nil {
			return err
		}
		return w.Sum(values)
	}
	dimensions := (*grad).Shape().Dimensions
	values, err := compiled.TakeValues(*grad)
	if err == nil {
		err = w.Sum(values)
	}
	if err == nil {
		*grad = tensors.FromFlatDataAndDimensions(values, dimensions...)
	}
	return err
}

// averageOverRanks divides those gradients that do not flow through gathered features: by R with gather_with_grad, where all others are already whole, and
// by the parts of a batch, each of which has them in full.
func (s *Stepper) averageOverRanks(grads []*tensors.Tensor) error {
	by := s.config.parts()
	if s.config.GatherWithGrad {
		by *= s.config.ranks()
	}
	if by == 1 {
		return nil
	}
	for i, t := range s.params {
		if t.Name != "logit_scale" && t.Name != siglipBias.Name {
			continue
		}
		values, err := compiled.TakeValues(grads[i])
		if err != nil {
			return err
		}
		err = device.Catch(func() error {
			grads[i] = tensors.FromScalar(values[0] / float32(by))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
