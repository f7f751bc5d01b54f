package tensor

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// NaN and the infinities are found in every type, at every place, and no other value is taken for one.
// fault 7, 19.7
func TestCheckFinite(t *testing.T) {
	largest := []float32{math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, 0, float32(math.Copysign(0, -1)), 1, -1, 65504}
	types := map[string]func(values []float32) Tensor{
		"F32":  func(v []float32) Tensor { return F32("x", []int{len(v)}, v) },
		"BF16": func(v []float32) Tensor { return BF16("x", []int{len(v)}, v) },
		"F16":  func(v []float32) Tensor { return F16("x", []int{len(v)}, v) },
		"F64": func(v []float32) Tensor {
			x := Tensor{Name: "x", DType: "F64", Shape: []int{len(v)}}
			for _, value := range v {
				bits := math.Float64bits(float64(value))
				for i := range 8 {
					x.Data = append(x.Data, byte(bits>>(8*i)))
				}
			}
			return x
		},
	}
	for name, from := range types {
		for n := range 40 {
			values := make([]float32, n)
			for i := range values {
				if values[i] = largest[i%len(largest)]; name == "F16" || name == "BF16" { // MaxFloat32 rounds to infinity there
					values[i] = float32(math.Copysign(math.Min(math.Abs(float64(values[i])), 65504), float64(values[i])))
				}
			}
			x := from(values)
			if err := x.CheckFinite(x.Data); err != nil {
				t.Fatalf("%s, %v: %v", name, values, err)
			}
			for at := range values {
				for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
					was := values[at]
					values[at] = float32(bad)
					y := from(append([]float32(nil), values...))
					values[at] = was
					if err := y.CheckFinite(y.Data); !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), "1 of the ") {
						t.Fatalf("%s: %g at %d of %d: %v", name, bad, at, n, err)
					}
				}
			}
		}
	}
	if x := I64("n", -1); x.CheckFinite(x.Data) != nil {
		t.Error("a whole number was taken for NaN")
	}
}
