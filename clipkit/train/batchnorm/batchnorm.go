// Package batchnorm has BatchNorm's running statistics over ranks: DistributedDataParallel gives every rank those of rank 0 before each forward pass, so
// what validation and checkpoints see was moved by rank 0's micro-batches alone, each in its turn, by whichever process they are computed. The values that
// a step reads do not depend on them. So they are set to 0 before a pass, which leaves in them what it adds, and at the step's end the passes are applied in
// the reference's order.
//
//	p, err := batchnorm.Begin(m, world, 1, 1) // one micro-batch a rank
//	err = p.Before(i)                         // then a pass over micro-batch i, forward and backward, moves the model's statistics
//	err = p.After(i, i)
//	err = p.Apply()                           // or, where the step failed or was given up, p.Undo()
//
// With one rank in one process each pass moves the statistics, as it should. Then p, err := batchnorm.UndoOnly(m) knows only what Undo needs, and for a model
// without BatchNorm p is nil, which does nothing.
package batchnorm

import (
	"slices"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/model"
)

// Passes collects what the passes of a step add to the running statistics.
type Passes struct {
	model      *model.Model
	world      exchange.World
	accum, own int // micro-batches of a rank, and of a process; 0: the passes move the statistics themselves

	buffers []arch.Tensor
	values  []float32         // of all buffers, before the step
	added   map[int][]float32 // by the number of the pass: of the cached features' first, then the backward ones
}

// Begin a step, or give nil for a model without BatchNorm.
func Begin(m *model.Model, w exchange.World, accum, own int) (*Passes, error) {
	p := &Passes{model: m, world: w, accum: accum, own: own, added: map[int][]float32{}}
	for _, t := range m.Config.Tensors() {
		if t.Buffer {
			p.buffers = append(p.buffers, t)
		}
	}
	if len(p.buffers) == 0 {
		return nil, nil
	}
	var err error
	p.values, err = p.read()
	return p, err
}

// UndoOnly begins a step whose passes move the statistics themselves.
func UndoOnly(m *model.Model) (*Passes, error) { return Begin(m, nil, 0, 0) }

func (p *Passes) read() (all []float32, err error) {
	for _, t := range p.buffers {
		_, values, err := p.model.Get(t.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, values...)
	}
	return all, nil
}

func (p *Passes) write(all []float32) error {
	for _, t := range p.buffers {
		if err := p.model.Set(t.Name, t.Shape, all[:t.Size()]); err != nil {
			return err
		}
		all = all[t.Size():]
	}
	return nil
}

// Before a pass over micro-batch m of the step.
func (p *Passes) Before(m int) error {
	if p == nil || m >= p.accum { // of another rank than 0
		return nil
	}
	return p.write(make([]float32, len(p.values)))
}

// After the pass over micro-batch m that has this number: with accum of 1 it is m; else the cached features' passes are 0 to accum−1, and
// the backward ones follow them.
func (p *Passes) After(m, pass int) (err error) {
	if p == nil || m >= p.accum {
		return nil
	}
	p.added[pass], err = p.read()
	return err
}

// Undo leaves the statistics as they were.
func (p *Passes) Undo() error {
	if p == nil {
		return nil
	}
	return p.write(p.values)
}

// Apply ends the step with the statistics of rank 0.
func (p *Passes) Apply() error {
	if p == nil || p.accum == 0 {
		return nil
	}
	passes := p.accum
	if p.accum > 1 {
		passes = 2 * p.accum // the cached features' too
	}
	const rest = float32(1 - model.BatchNormMomentum)
	for pass := range passes {
		added := slices.Clone(p.added[pass])
		if added == nil {
			added = make([]float32, len(p.values))
		}
		if err := exchange.Share(p.world, added, pass%p.accum/p.own); err != nil {
			return err
		}
		values := p.values
		for _, t := range p.buffers {
			for i := range t.Size() {
				if counts := strings.HasSuffix(t.Name, "num_batches_tracked"); !counts {
					values[i] *= rest
				}
				values[i] += added[i]
			}
			values, added = values[t.Size():], added[t.Size():]
		}
	}
	return p.write(p.values)
}
