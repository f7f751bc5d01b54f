package step

import (
	"slices"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/model"
)

// BatchNorm's running statistics over ranks: DistributedDataParallel gives every rank those of rank 0 before each forward pass, so what validation and
// checkpoints see was moved by rank 0's micro-batches alone, each in its turn, by whichever process they are computed. The values that a step reads do not
// depend on them. So they are set to 0 before a pass, which leaves in them what it adds, and at the step's end the passes are applied in the
// reference's order. With one rank in one process, and on several devices (many.go), the passes
// have that order already, and nothing of this happens.

// statistics collects what the passes of a step add to the running statistics.
type statistics struct {
	buffers []arch.Tensor
	values  []float32         // of all buffers, before the step
	added   map[int][]float32 // by the number of the pass: of the cached features' first, then the backward ones
}

// separateStatistics begins that, or gives nil where the passes move them as they should.
func (s *Stepper) separateStatistics() (*statistics, error) {
	st := &statistics{added: map[int][]float32{}}
	for _, t := range s.model.Config.Tensors() {
		if t.Buffer {
			st.buffers = append(st.buffers, t)
		}
	}
	if len(st.buffers) == 0 || s.visionFrozen() || s.model.Device.Many != nil || s.config.ranks() == 1 && s.world().Size() == 1 {
		return nil, nil
	}
	var err error
	st.values, err = s.readStatistics(st.buffers)
	return st, err
}

func (s *Stepper) readStatistics(buffers []arch.Tensor) (all []float32, err error) {
	for _, t := range buffers {
		_, values, err := s.model.Get(t.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, values...)
	}
	return all, nil
}

func (s *Stepper) writeStatistics(buffers []arch.Tensor, all []float32) error {
	for _, t := range buffers {
		if err := s.model.Set(t.Name, t.Shape, all[:t.Size()]); err != nil {
			return err
		}
		all = all[t.Size():]
	}
	return nil
}

// before a pass over micro-batch m.
func (st *statistics) before(s *Stepper, m int) error {
	if st == nil || m >= s.config.accum() { // of another rank than 0
		return nil
	}
	return s.writeStatistics(st.buffers, make([]float32, len(st.values)))
}

// after the pass over micro-batch m that has this number.
func (st *statistics) after(s *Stepper, m, pass int) (err error) {
	if st == nil || m >= s.config.accum() {
		return nil
	}
	st.added[pass], err = s.readStatistics(st.buffers)
	return err
}

// undo leaves the statistics as they were.
func (st *statistics) undo(s *Stepper) error {
	if st == nil {
		return nil
	}
	return s.writeStatistics(st.buffers, st.values)
}

// apply ends the step with the statistics of rank 0.
func (st *statistics) apply(s *Stepper) error {
	if st == nil {
		return nil
	}
	w, k := s.world(), s.config.accum()
	_, own, err := s.config.Share(w)
	if err != nil {
		return err
	}
	passes := k
	if k > 1 {
		passes = 2 * k // the cached features' too
	}
	const rest = float32(1 - model.BatchNormMomentum)
	for pass := range passes {
		added := slices.Clone(st.added[pass])
		if added == nil {
			added = make([]float32, len(st.values))
		}
		if err := exchange.Share(w, added, pass%k/own); err != nil {
			return err
		}
		values := st.values
		for _, t := range st.buffers {
			for i := range t.Size() {
				if counts := strings.HasSuffix(t.Name, "num_batches_tracked"); !counts {
					values[i] *= rest
				}
				values[i] += added[i]
			}
			values, added = values[t.Size():], added[t.Size():]
		}
	}
	return s.writeStatistics(st.buffers, st.values)
}
