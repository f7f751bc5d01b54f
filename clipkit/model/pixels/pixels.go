// Package pixels has pictures in the two forms in which a device takes them: normalised values, and levels, the bytes of which these are made, a quarter of what
// lies in memory and travels. A graph normalises levels as imaging.Normalise does, to the bit.
//
//	p := pixels.Pictures{Levels: levels}      // [n,3,R,R] as imaging.Levels makes them
//	x := p.On(dev, n).Tensor(n, R)            // for a graph that begins with pixels.Normalised
package pixels

import (
	"clipnb/clipkit/device"
	"clipnb/clipkit/imaging"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Taken tells whether a device's graphs are given levels: XLA's are, on CUDA and on a processor, where they cost nothing (1.03 × the rate of values,
// 1.01 × in CPU seconds, BenchmarkLevels of package model). ONNX Runtime's providers get values, so that an NPU has no
// operation more to take.
func Taken(dev *device.Device) bool { return dev.Engine == "xla" }

// Normalised gives images [B,3,R,R] as float32: levels (uint8) are normalised, by a table of the host's 768 values. (Computed in the graph, half of the values
// differ in their last bit from the host's, as XLA multiplies by the inverses of divisors and contracts what it can; running averages of a ResNet then
// leave the reference's by twice what they do else.)
func Normalised(images *Node) *Node {
	if images.DType() != dtypes.Uint8 {
		return images
	}
	every := make([]uint8, 3*256)
	for i := range every {
		every[i] = uint8(i)
	}
	g := images.Graph()
	channel := Iota(g, shapes.Make(dtypes.Int32, images.Shape().Dimensions...), 1)
	index := Add(ConvertDType(images, dtypes.Int32), MulScalar(channel, 256))
	return Gather(Const(g, imaging.NormaliseLevels(every, 1)), ExpandAxes(index, -1))
}

// Pictures are some of one size, all in one of the forms.
type Pictures struct {
	Values []float32
	Levels []uint8
}

// Len is how many values or levels there are.
func (p Pictures) Len() int { return len(p.Values) + len(p.Levels) }

// On is p in the form that a device's graphs are given, for n pictures.
func (p Pictures) On(dev *device.Device, n int) Pictures {
	if Taken(dev) {
		return p
	}
	return Pictures{Values: p.Float32(n)}
}

// Float32 are the values of n pictures.
func (p Pictures) Float32(n int) []float32 {
	if len(p.Levels) == 0 {
		return p.Values
	}
	return imaging.NormaliseLevels(p.Levels, n)
}

// Part is the j-th of k equal parts.
func (p Pictures) Part(j, k int) Pictures {
	return Pictures{p.Values[j*len(p.Values)/k : (j+1)*len(p.Values)/k], p.Levels[j*len(p.Levels)/k : (j+1)*len(p.Levels)/k]}
}

// Parts puts some of k equal parts after each other.
func (p Pictures) Parts(k int, which ...int) (q Pictures) {
	for _, j := range which {
		part := p.Part(j, k)
		q.Values, q.Levels = append(q.Values, part.Values...), append(q.Levels, part.Levels...)
	}
	return q
}

// Tensor is [n,3,side,side].
func (p Pictures) Tensor(n, side int) *tensors.Tensor {
	if len(p.Levels) > 0 {
		return tensors.FromFlatDataAndDimensions(p.Levels, n, 3, side, side)
	}
	return tensors.FromFlatDataAndDimensions(p.Values, n, 3, side, side)
}
