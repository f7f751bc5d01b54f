// Package pixels has pictures in the two forms in which a device takes them: normalised values, and levels, the bytes of which these are made, a quarter of what
// lies in memory and travels. A graph normalises levels as imaging.Normalise does, up to the last bit of a float32 of that size.
//
//	p := pixels.Pictures{Levels: levels}      // [n,3,R,R] as imaging.Levels makes them
//	x := p.On(dev, n).Tensor(n, R)            // for a graph that begins with pixels.Normalised
package pixels

import (
	"clipnb/clipkit/device"
	"clipnb/clipkit/imaging"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Taken tells whether a device's graphs are given levels: XLA's are, on CUDA and on a processor, where they cost nothing (0.99 × the rate of values,
// 1.03 × in CPU seconds, BenchmarkLevels of package model). ONNX Runtime's providers get values, so that an NPU has no
// operation more to take.
func Taken(dev *device.Device) bool { return dev.Engine == "xla" }

// Normalised gives images [B,3,R,R] as float32: levels (uint8) are normalised. XLA multiplies by the inverses of the divisors and contracts what it can, so
// half of the values differ in their last bit from the host's. Neither constants behind a barrier nor divisors that depend on the picture kept it from that;
// a table of the 768 values was not tried.
func Normalised(images *Node) *Node {
	if images.DType() != dtypes.Uint8 {
		return images
	}
	g := images.Graph()
	mean, deviation := imaging.Statistics()
	channels := func(x [3]float32) *Node { return Reshape(Const(g, x[:]), 1, 3, 1, 1) }
	x := DivScalar(ConvertDType(images, dtypes.Float32), 255)
	return Div(Sub(x, channels(mean)), channels(deviation))
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
