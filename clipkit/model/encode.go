package model

import (
	"cmp"
	"context"
	"fmt"

	"clipnb/clipkit/device"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// maxBatch bounds the work and memory of one call into the engine, on each device.
const maxBatch = 64

func (m *Model) most() int { return cmp.Or(m.CallRows, maxBatch) * m.Device.Count() }

// splitRows is how a batch lies on several devices: each has its share of the rows.
var splitRows = []bool{true}

// inFlight is how many batches the engine has at a time. A GPU computes one while the next one's samples travel to it and the features of the one
// before travel back. Two on a processor share its cores (0.95 × the rate of one, BenchmarkLevels) and take twice the memory.
func inFlight(dev *device.Device) int {
	if dev.IsCUDA() {
		return 2
	}
	return 1
}

// flight is a batch that the engine was given.
type flight struct {
	rows    int
	in, out *tensors.Tensor
}

// encode runs a tower over n samples of the given shape.
func encode[T uint8 | float32 | int32](ctx context.Context, m *Model, exec **gomodel.Exec, data []T, n int, sample []int, tower func(*Params, *Node) *Node, unit bool) (out []float32, err error) {
	return encodeAhead(ctx, m, exec, data, n, sample, tower, unit, inFlight(m.Device))
}

// encodeAhead is encode with so many batches at a time. The features are the same for any number.
func encodeAhead[T uint8 | float32 | int32](ctx context.Context, m *Model, exec **gomodel.Exec, data []T, n int, sample []int, tower func(*Params, *Node) *Node, unit bool, flights int) (out []float32, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := pipeline[int]{model: m, flights: flights}
	defer p.drop()
	size, most := len(data)/max(n, 1), m.most()
	for started := 0; started < n || len(p.flying) > 0; {
		if started < n && !p.full() {
			if err := ctx.Err(); err != nil {
				return nil, m.encoding(err)
			}
			rows := min(n-started, most)
			if err := add(ctx, &p, rows, exec, data[started*size:(started+rows)*size], rows, sample, tower, unit); err != nil {
				return nil, err
			}
			started += rows
			continue
		}
		_, features, err := p.next()
		if err != nil {
			return nil, err
		}
		out = append(out, features...)
	}
	return out, nil
}

// pipeline has batches in flight, and gives their features in the order in which they were added, each with what it is the batch of.
type pipeline[B any] struct {
	model   *Model
	flights int // at most
	flying  []*flight
	of      []B
}

func (p *pipeline[B]) full() bool { return len(p.flying) >= p.flights }

// add starts a batch of b. The model's lock is held.
func add[B any, T uint8 | float32 | int32](ctx context.Context, p *pipeline[B], b B, exec **gomodel.Exec, batch []T, rows int, sample []int, tower func(*Params, *Node) *Node, unit bool) error {
	f, err := start(ctx, p.model, exec, batch, rows, sample, tower, unit)
	if err != nil {
		return p.model.encoding(err)
	}
	p.flying, p.of = append(p.flying, f), append(p.of, b)
	return nil
}

// next waits for the first batch.
func (p *pipeline[B]) next() (b B, features []float32, err error) {
	features, err = p.flying[0].take(p.model)
	b, p.flying, p.of = p.of[0], p.flying[1:], p.of[1:]
	if err != nil {
		err = p.model.encoding(err)
	}
	return b, features, err
}

// drop frees what is still on its way, after the engine is done with it.
func (p *pipeline[B]) drop() {
	for _, f := range p.flying {
		_, _ = f.take(p.model)
	}
}

func (m *Model) encoding(err error) error {
	return fmt.Errorf("encoding with %q on %s: %w", m.Config.Name, m.Device, err)
}

// start gives the engine one batch, padded to a power of two of rows for every device, so that few graphs are compiled.
func start[T uint8 | float32 | int32](ctx context.Context, m *Model, exec **gomodel.Exec, batch []T, rows int, sample []int, tower func(*Params, *Node) *Node, unit bool) (f *flight, err error) {
	padded := m.Device.Count()
	for padded < rows {
		padded *= 2
	}
	if padded > rows {
		all := make([]T, padded*(len(batch)/rows))
		copy(all, batch)
		batch = all
	}
	f = &flight{rows: rows, in: tensors.FromFlatDataAndDimensions(batch, append([]int{padded}, sample...)...)}
	err = device.Catch(func() error {
		if *exec == nil {
			e, err := m.Device.Exec(m.store, splitRows, func(s *gomodel.Scope, in []*Node) []*Node {
				p := NewParams(m.Config, s.Store(), in[0].Graph())
				p.Multiply(m.precision.compute(m.Device), m.Device)
				features := tower(p, in[0])
				if unit {
					features = L2Normalize(features, -1)
				}
				return []*Node{features}
			})
			if err != nil {
				return err
			}
			*exec = e
		}
		if _, err := m.Device.Compile(ctx, *exec, splitRows, []shapes.Shape{f.in.Shape()}); err != nil {
			return err
		}
		out, err := m.Device.Call(*exec, splitRows, []*tensors.Tensor{f.in})
		if err == nil {
			f.out = out[0]
		}
		return err
	})
	if err != nil {
		f.free()
		return nil, err
	}
	return f, nil
}

// take waits for the features of a batch, and frees it.
func (f *flight) take(m *Model) (features []float32, err error) {
	defer f.free()
	err = device.Catch(func() error {
		features, err = tensors.CopyFlatData[float32](f.out)
		return err
	})
	if err != nil {
		return nil, err
	}
	return features[:f.rows*m.Config.EmbedDim], nil
}

func (f *flight) free() {
	if f.out != nil {
		_ = f.out.FinalizeAll()
		f.out = nil
	}
	_ = f.in.FinalizeAll()
}
