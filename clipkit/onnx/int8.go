package onnx

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"clipnb/clipkit/weights/tensor"

	onnxpb "github.com/gomlx/compute-onnx/support/protos"
)

// wholeInInt8 are the matrices that an int8 file keeps in float32, by what their names begin with. README.md has the table that decided it.
var wholeInInt8 = []string{"visual.conv", "visual.proj", "text_projection"}

// The largest 8-bit weights. Of a reduced range, two products with the largest activation (255) fit in 16 bits.
const (
	largestWeight        = 127
	largestReducedWeight = 64
)

// quantized says whether a matrix is in 8 bits, and notes that it could be.
func (g *graph) quantized(t tensor.Tensor) bool {
	if g.options.Precision != Int8 {
		return false
	}
	g.matrices = append(g.matrices, t)
	if g.alone != "" {
		return t.Name == g.alone
	}
	return !g.whole(t.Name)
}

func (g *graph) whole(name string) bool {
	return begins(name, wholeInInt8) || begins(name, g.options.Whole)
}

func begins(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// times is x [...,in] × weight [out,in]ᵀ, in float32.
func (g *graph) times(x string, weight tensor.Tensor) string {
	if g.quantized(weight) {
		return g.integerProduct(x, weight)
	}
	return g.matmul(x, g.matrix(transposed(weight)))
}

// integerProduct is times with both operands in 8 bits and sums in 32. ONNX Runtime makes one operator of these and of the bias that is added after
// (MatMulIntegerToFloat).
func (g *graph) integerProduct(x string, weight tensor.Tensor) string {
	largest := float32(largestWeight)
	if g.options.ReduceRange {
		largest = largestReducedWeight
	}
	values, scales := rowsIn8Bits(weight, largest)
	a := g.activations(x)
	sums := g.do("MatMulInteger", a.values, g.add(transposed(values)), a.zero)
	sums = g.op("Cast", []string{sums}, integer("to", int(onnxpb.TensorProto_FLOAT)))
	return g.do("Mul", sums, g.do("Mul", a.scale, g.add(scales)))
}

// activation is a float32 value in 8 bits: scale·(values − zero).
type activation struct{ values, scale, zero string }

// activations quantizes x while the file runs, once for all products with it.
func (g *graph) activations(x string) activation {
	a, ok := g.activation[x]
	if !ok {
		name := g.do("DynamicQuantizeLinear", x)
		a = activation{name, name + " scale", name + " zero"}
		last := g.proto.Node[len(g.proto.Node)-1]
		last.Output = append(last.Output, a.scale, a.zero)
		g.activation[x] = a
	}
	return a
}

// kernel is the weight of a convolution. In 8 bits it is only smaller in the file: a runtime makes it float32 when it loads it.
func (g *graph) kernel(weight tensor.Tensor) string {
	if !g.quantized(weight) {
		return g.matrix(weight)
	}
	values, scales := rowsIn8Bits(weight, largestWeight)
	scales.Shape = append(scales.Shape, slices.Repeat([]int{1}, len(weight.Shape)-1)...)
	return g.restored(g.add(values), g.add(scales))
}

// lookup is the rows of a table that x asks for, in float32.
func (g *graph) lookup(table tensor.Tensor, x string) string {
	if !g.quantized(table) {
		return g.full(g.do("Gather", g.matrix(table), x))
	}
	values, scales := rowsIn8Bits(table, largestWeight)
	scales.Shape = append(scales.Shape, 1)
	return g.restored(g.do("Gather", g.add(values), x), g.do("Gather", g.add(scales), x))
}

func (g *graph) restored(values, scales string) string {
	return g.do("Mul", g.op("Cast", []string{values}, integer("to", int(onnxpb.TensorProto_FLOAT))), scales)
}

// rowsIn8Bits is t as scales·values, with a scale for each row, whose largest value becomes the largest one.
func rowsIn8Bits(t tensor.Tensor, largest float32) (values, scales tensor.Tensor) {
	rows := t.Shape[0]
	read := func() (all, of []float32, err error) {
		if all, err = t.Float32(); err != nil {
			return nil, nil, err
		}
		of, err = rowScales(t.Name, all, rows, largest)
		return all, of, err
	}
	values = tensor.Lazy(t.Name, "I8", t.Shape, func() ([]byte, error) {
		all, of, err := read()
		if err != nil {
			return nil, err
		}
		out, each := make([]byte, len(all)), len(all)/rows
		for i, scale := range of {
			for k := i * each; k < (i+1)*each; k++ {
				out[k] = byte(int8(math.RoundToEven(float64(all[k] / scale))))
			}
		}
		return out, nil
	})
	scales = computed(t.Name+" scales", []int{rows}, func() ([]float32, error) {
		_, of, err := read()
		return of, err
	})
	return values, scales
}

func rowScales(name string, values []float32, rows int, largest float32) (scales []float32, err error) {
	each := len(values) / rows
	for row := range slices.Chunk(values, each) {
		var most float32
		for _, v := range row {
			most = max(most, v, -v) // of NaN it is NaN
		}
		if math.IsNaN(float64(most)) || math.IsInf(float64(most), 0) {
			return nil, fmt.Errorf("%w: row %d of %s has a value of %g, which 8 bits cannot hold", ErrTensor, len(scales), name, most)
		}
		scale := most / largest
		if scale < math.SmallestNonzeroFloat32*(1<<24) { // a row of zeros, or as good as
			scale = 1
		}
		scales = append(scales, scale)
	}
	return scales, nil
}
