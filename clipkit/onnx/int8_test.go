package onnx

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/tensor"
)

// Rows in 8 bits are within half a step of what they were, the largest values are there, and of a reduced range no two products leave 16 bits.
func TestRowsIn8Bits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const rows, width = 5, 33
	x := make([]float32, rows*width)
	for i := range x {
		x[i] = float32(rng.NormFloat64()) * float32(math.Pow(10, float64(i/width)*3-6))
	}
	clear(x[2*width : 3*width])
	for _, reduced := range []bool{false, true} {
		largest := 127
		if reduced {
			largest = 64
		}
		g := newGraph(arch.Config{}, Options{Precision: Int8, ReduceRange: reduced})
		values, scales := g.rowsIn8Bits(tensor.F32("x", []int{rows, width}, x))
		v, err := values.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		s, err := scales.Float32()
		if err != nil {
			t.Fatal(err)
		}
		for i := range x {
			got, scale := int(int8(v[i])), s[i/width]
			if off := math.Abs(float64(float32(got)*scale - x[i])); off > 0.501*float64(scale) || got > largest || got < -largest {
				t.Errorf("reduced %v: %g is %d·%g", reduced, x[i], got, scale)
			}
		}
		for i := range rows {
			if i != 2 && !has(v[i*width:(i+1)*width], largest) {
				t.Errorf("reduced %v: row %d does not use its range", reduced, i)
			}
		}
		if reduced && 2*255*largest > math.MaxInt16 {
			t.Error("two products saturate")
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		x[7] = float32(bad)
		values, scales := newGraph(arch.Config{}, Options{Precision: Int8}).rowsIn8Bits(tensor.F32("x", []int{rows, width}, x))
		for _, part := range []tensor.Tensor{values, scales} {
			if _, err := part.Bytes(); !errors.Is(err, ErrTensor) || !strings.Contains(err.Error(), "row 0 of x") {
				t.Errorf("%g: %v", bad, err)
			}
		}
	}
}

func has(row []byte, largest int) bool {
	for _, b := range row {
		if v := int(int8(b)); v == largest || v == -largest {
			return true
		}
	}
	return false
}

// Of the published models with a ViT, int8 is at most 0.28 of float32, in each file.
func TestInt8IsSmall(t *testing.T) {
	for _, name := range []string{"ViT-B-16", "ViT-L-14", "ViT-L-14-336", "ViT-H-14", "ViT-B-32"} {
		cfg, err := arch.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, side := range []Side{Images, Texts} {
			size := func(p Precision) (all int) {
				g, err := tower(side, cfg, unread(cfg), Options{Precision: p}, "")
				if err != nil {
					t.Fatal(err)
				}
				for _, x := range g.constant {
					all += x.NumBytes()
				}
				return all
			}
			share := float64(size(Int8)) / float64(size(F32))
			t.Logf("%s %s: %.4f", name, side, share)
			if share > 0.28 {
				t.Errorf("%s %s: int8 is %.3f of float32", name, side, share)
			}
		}
	}
}

// unread are weights that nobody reads.
func unread(cfg arch.Config) (list []tensor.Tensor) {
	for _, x := range cfg.Tensors() {
		list = append(list, tensor.Lazy(x.Name, "F32", x.Shape, func() ([]byte, error) { return nil, errors.New("nothing is written") }))
	}
	return list
}
