package model

import (
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

// splitRows is how a batch lies on several devices: each has its share of the rows.
var splitRows = []bool{true}

// inFlight is how many batches the engine has at a time. A GPU computes one while the next one's samples travel to it and the features of the one
// before travel back. Two on a processor would share its cores, and take twice the memory.
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
	var flying []*flight
	defer func() { drop(flying) }()
	size, most := len(data)/max(n, 1), maxBatch*m.Device.Count()
	for started := 0; started < n || len(flying) > 0; {
		if err := ctx.Err(); err != nil {
			return nil, m.encoding(err)
		}
		if started < n && len(flying) < flights {
			rows := min(n-started, most)
			f, err := start(ctx, m, exec, data[started*size:(started+rows)*size], rows, sample, tower, unit)
			if err != nil {
				return nil, m.encoding(err)
			}
			flying, started = append(flying, f), started+rows
			continue
		}
		features, err := flying[0].take(m)
		if err != nil {
			return nil, m.encoding(err)
		}
		out, flying = append(out, features...), flying[1:]
	}
	return out, nil
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
		drop([]*flight{f})
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

// drop frees what is still on its way, after the engine is done with it.
func drop(flying []*flight) {
	for _, f := range flying {
		if f.out != nil {
			_ = device.Catch(func() error { _, err := tensors.CopyFlatData[float32](f.out); return err })
		}
		f.free()
	}
}
