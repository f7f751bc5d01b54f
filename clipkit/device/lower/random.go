package lower

import (
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// Random numbers are made of float32 arithmetic on whole numbers below 2²⁴, which is exact on every device: operations on bits are not taken, and
// the vendors' generators cannot be given a seed by a step. Rows and columns get two hashes each, u and w, x and y, and a place the number
// (u+x)·(w+y) modulo a prime. It has 11 bits, which are enough for a dropout's threshold.
const (
	prime    = 2039          // (2·prime)² < 2²⁴, and cubing is one-to-one, as 3 does not divide prime−1
	digits   = 6             // of 11 bits in 64
	nextDraw = 1 << 32       // is added to the last number of the state, whose lower half is the caller's
	most     = prime * prime // rows or columns; more would repeat
)

// RNGBitGenerator gives 32-bit numbers, [...,columns], whose upper 11 bits are random. state is [3] uint64.
func (f *function) RNGBitGenerator(state compute.Value, shape shapes.Shape) (next, values compute.Value, err error) {
	columns := 1
	if shape.Rank() > 0 {
		columns = shape.Dim(-1)
	}
	rows := 0
	if columns > 0 {
		rows = shape.Size() / columns
	}
	if shape.DType != dtypes.Uint32 || rows == 0 || rows > most || columns > most {
		return nil, nil, fmt.Errorf("random numbers of shape %s on an NPU: want uint32, at most %d rows and columns", shape, most)
	}
	s := &steps{f: f}
	v := &vectors{s}
	keys := v.keys(state)
	u, w := v.hashed(rows, 0, keys[0], keys[1])
	x, y := v.hashed(columns, 1, keys[2], keys[3])
	h := v.mod(v.op("Mul", v.op("Add", u, x), v.op("Add", w, y)))
	drawn := s.reshape(v.op("Mul", h, v.scalar(math.Exp2(32)/prime)), shape.Dimensions)
	values = s.convert(drawn, dtypes.Uint32)
	more := s.do(func() (compute.Value, error) { return f.Function.Constant([]uint64{0, 0, nextDraw}, 3) })
	next = s.do(func() (compute.Value, error) { return f.Function.Add(state, more) })
	if s.err == nil {
		f.floats[values] = drawn
	}
	return next, values, s.err
}

// ConvertDType spares random numbers the way through unsigned integers.
func (f *function) ConvertDType(x compute.Value, to dtypes.DType) (compute.Value, error) {
	if drawn, ok := f.floats[x]; ok && to == dtypes.Float32 {
		return drawn, nil
	}
	return f.Function.ConvertDType(x, to)
}

// vectors computes in float32, with the broadcasting of ONNX.
type vectors struct{ *steps }

func (v *vectors) op(name string, a, b compute.Value) compute.Value {
	x, y := v.shape(a), v.shape(b)
	if v.err != nil {
		return nil
	}
	out := shapes.Make(x.DType, make([]int, max(x.Rank(), y.Rank()))...)
	for i := range out.Dimensions {
		out.Dimensions[i] = 1
		for _, in := range []shapes.Shape{x, y} {
			if k := i - (out.Rank() - in.Rank()); k >= 0 {
				out.Dimensions[i] = max(out.Dimensions[i], in.Dim(k))
			}
		}
	}
	return v.do(func() (compute.Value, error) { return v.f.node(name, out, a, b) })
}

func (v *vectors) scalar(x float64) compute.Value {
	return v.do(func() (compute.Value, error) { return v.f.Function.Constant([]float32{float32(x)}) })
}

func (v *vectors) int64s(x ...int64) compute.Value {
	return v.do(func() (compute.Value, error) { return v.f.Function.Constant(x, len(x)) })
}

func (v *vectors) whole(x compute.Value) compute.Value {
	return v.do(func() (compute.Value, error) { return v.f.Function.Floor(x) })
}

// mod is x modulo prime, of whole numbers below 2²⁴, give or take one prime where rounding has it so: the same one everywhere.
func (v *vectors) mod(x compute.Value) compute.Value {
	times := v.whole(v.op("Mul", x, v.scalar(1.0/prime)))
	return v.op("Sub", x, v.op("Mul", times, v.scalar(prime)))
}

// mix is x³ modulo prime, of x below 2·prime.
func (v *vectors) mix(x compute.Value) compute.Value {
	return v.mod(v.op("Mul", v.mod(v.op("Mul", x, x)), x))
}

// keys are four scalars that depend on every bit of the state.
func (v *vectors) keys(state compute.Value) (keys [4]compute.Value) {
	f := v.f.Function
	place, base := make([]int64, digits), int64(1<<11)
	for i := range place {
		place[i] = 1 << (11 * i)
	}
	x := v.reshape(v.convert(state, dtypes.Int64), []int{3, 1})
	x = v.op("Mod", v.op("Div", x, v.int64s(place...)), v.int64s(base)) // [3, digits]
	x = v.reshape(v.convert(x, dtypes.Float32), []int{3 * digits, 1})
	weights := make([]float32, 3*digits*len(keys))
	for i := range weights {
		weights[i] = float32(1 + (i*i*97+i*131+17)%397) // 18·2047·397 < 2²⁴
	}
	table := v.do(func() (compute.Value, error) { return f.Constant(weights, 3*digits, len(keys)) })
	sum := v.do(func() (compute.Value, error) { return f.ReduceSum(v.op("Mul", x, table), 0) }) // [4]
	all := v.mix(v.op("Add", v.mix(v.mod(sum)), v.scalar(1234)))
	for i := range keys {
		key := v.do(func() (compute.Value, error) { return f.Slice(all, []int{i}, []int{i + 1}, []int{1}) })
		keys[i] = v.reshape(key, []int{1, 1})
	}
	return keys
}

// hashed gives each of n places along an axis two numbers below prime, which no two of prime² places share.
func (v *vectors) hashed(n, axis int, key1, key2 compute.Value) (a, b compute.Value) {
	dims := []int{1, 1}
	dims[axis] = n
	at := v.do(func() (compute.Value, error) { return v.f.Function.Iota(shapes.Make(dtypes.Float32, dims...), axis) })
	high := v.whole(v.op("Mul", v.op("Add", at, v.scalar(0.5)), v.scalar(1.0/prime)))
	low := v.op("Sub", at, v.op("Mul", high, v.scalar(prime)))
	low, high = v.mix(v.op("Add", low, key1)), v.mix(v.op("Add", high, key2))
	a = v.op("Add", low, high)
	b = v.op("Add", v.mod(v.op("Add", a, low)), key1)
	return v.mix(a), v.mix(b)
}
