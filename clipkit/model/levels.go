package model

import (
	"context"
	"fmt"
	"iter"

	"clipnb/clipkit/device"
	"clipnb/clipkit/imaging"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Pictures as bytes: a quarter of what lies in memory and travels to the device, which normalises them as imaging.Normalise does, to the same bits where the
// engine divides as IEEE 754 says.

// EncodeLevels is EncodeImages for pictures as bytes, [n,3,R,R] as imaging.Levels makes them.
func (m *Model) EncodeLevels(ctx context.Context, levels []uint8, n int) ([]float32, error) {
	return m.encodeLevels(ctx, levels, n, true)
}

// RawLevels is EncodeLevels without normalisation of the features.
func (m *Model) RawLevels(ctx context.Context, levels []uint8, n int) ([]float32, error) {
	return m.encodeLevels(ctx, levels, n, false)
}

func (m *Model) encodeLevels(ctx context.Context, levels []uint8, n int, unit bool) ([]float32, error) {
	r := m.Config.ImageResolution
	if len(levels) != n*3*r*r {
		return nil, fmt.Errorf("encoding %d images: got %d levels, want [%d,3,%d,%d]", n, len(levels), n, r, r)
	}
	if m.exported != nil || !takesLevels(m.Device) {
		return m.encodeImages(ctx, imaging.NormaliseLevels(levels, n), n, unit)
	}
	return encode(ctx, m, m.levels.graph(unit), levels, n, []int{3, r, r}, VisualFeatures, unit)
}

// Encoded is a batch with its features, [N,D].
type Encoded struct {
	imaging.Batch[uint8]
	Features []float32
}

// EncodeBatches encodes batches of pictures as they come, in their order: while the features of one are looked at, a GPU computes the next, and the one after
// that is prepared (imaging.Batches). An error, of batches or of encoding, comes as the last pair. The model must not be closed in the loop.
//
//	for e, err := range m.EncodeBatches(ctx, imaging.Batches(ctx, len(files), 64, 224, prepare)) { … e.First, e.N, e.Features … }
func (m *Model) EncodeBatches(ctx context.Context, batches iter.Seq2[imaging.Batch[uint8], error]) iter.Seq2[Encoded, error] {
	return m.encodeBatches(ctx, batches, true, inFlight(m.Device))
}

// RawBatches is EncodeBatches without normalisation of the features.
func (m *Model) RawBatches(ctx context.Context, batches iter.Seq2[imaging.Batch[uint8], error]) iter.Seq2[Encoded, error] {
	return m.encodeBatches(ctx, batches, false, inFlight(m.Device))
}

func (m *Model) encodeBatches(ctx context.Context, batches iter.Seq2[imaging.Batch[uint8], error], unit bool, flights int) iter.Seq2[Encoded, error] {
	r := m.Config.ImageResolution
	return func(yield func(Encoded, error) bool) {
		var flying []*flight
		var waiting []imaging.Batch[uint8] // of flying
		defer func() { drop(flying) }()
		land := func() bool {
			features, err := flying[0].take(m)
			b := waiting[0]
			flying, waiting = flying[1:], waiting[1:]
			if err != nil {
				err = m.encoding(err)
			}
			return yield(Encoded{b, features}, err) && err == nil
		}
		for b, err := range batches {
			ahead := m.exported == nil && takesLevels(m.Device) && b.N <= maxBatch*m.Device.Count() && len(b.Pixels) == b.N*3*r*r && flights > 1
			for len(flying) > 0 && (err != nil || !ahead || len(flying) >= flights) { // what came before comes first
				if !land() {
					return
				}
			}
			var f *flight
			var features []float32
			switch {
			case err != nil:
			case ahead:
				if err = ctx.Err(); err == nil {
					m.mu.Lock()
					f, err = start(ctx, m, m.levels.graph(unit), b.Pixels, b.N, []int{3, r, r}, VisualFeatures, unit)
					m.mu.Unlock()
				}
				if err == nil {
					flying, waiting = append(flying, f), append(waiting, b)
					continue
				}
				err = m.encoding(err)
			default:
				features, err = m.encodeLevels(ctx, b.Pixels, b.N, unit)
			}
			if !yield(Encoded{b, features}, err) || err != nil {
				return
			}
		}
		for len(flying) > 0 {
			if !land() {
				return
			}
		}
	}
}

// takesLevels: XLA's graphs do, on a processor and on CUDA. ONNX Runtime's providers get float32, so that an NPU has no operation more to take.
func takesLevels(dev *device.Device) bool { return dev.Engine == "xla" }

// normalisedImages gives images [B,3,R,R] as float32: those that are bytes are normalised. The constants lie behind a barrier, or XLA would multiply by
// their inverses, which rounds differently.
func normalisedImages(images *Node) *Node {
	if images.DType() != dtypes.Uint8 {
		return images
	}
	g := images.Graph()
	mean, deviation := imaging.Statistics()
	channels := func(x [3]float32) *Node { return Reshape(Const(g, x[:]), 1, 3, 1, 1) }
	c := OptimizationBarriers(Reshape(Const(g, []float32{255}), 1, 1, 1, 1), channels(mean), channels(deviation))
	return Div(Sub(Div(ConvertDType(images, dtypes.Float32), c[0]), c[1]), c[2])
}

// Pixels are those of some pictures of one size for a graph: normalised values, or levels.
type Pixels struct {
	Values []float32
	Levels []uint8
}

// Len is how many there are.
func (p Pixels) Len() int { return len(p.Values) + len(p.Levels) }

// On is p in the form that a device's graphs take, for n pictures.
func (p Pixels) On(dev *device.Device, n int) Pixels {
	if takesLevels(dev) {
		return p
	}
	return Pixels{Values: p.Float32(n)}
}

// Float32 normalises the levels of n pictures.
func (p Pixels) Float32(n int) []float32 {
	if len(p.Levels) == 0 {
		return p.Values
	}
	return imaging.NormaliseLevels(p.Levels, n)
}

// Part is the j-th of k equal parts.
func (p Pixels) Part(j, k int) Pixels {
	return Pixels{p.Values[j*len(p.Values)/k : (j+1)*len(p.Values)/k], p.Levels[j*len(p.Levels)/k : (j+1)*len(p.Levels)/k]}
}

// Parts puts some of k equal parts after each other.
func (p Pixels) Parts(k int, which ...int) (q Pixels) {
	for _, j := range which {
		part := p.Part(j, k)
		q.Values, q.Levels = append(q.Values, part.Values...), append(q.Levels, part.Levels...)
	}
	return q
}

// Tensor is [n,3,side,side].
func (p Pixels) Tensor(n, side int) *tensors.Tensor {
	if len(p.Levels) > 0 {
		return tensors.FromFlatDataAndDimensions(p.Levels, n, 3, side, side)
	}
	return tensors.FromFlatDataAndDimensions(p.Values, n, 3, side, side)
}
