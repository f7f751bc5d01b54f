package onnx

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/internal/golden"
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
	for _, largest := range []int{largestWeight, largestReducedWeight} {
		values, scales := rowsIn8Bits(tensor.F32("x", []int{rows, width}, x), float32(largest))
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
				t.Errorf("of %d: %g is %d·%g", largest, x[i], got, scale)
			}
		}
		for i := range rows {
			if i != 2 && !has(v[i*width:(i+1)*width], largest) {
				t.Errorf("of %d: row %d does not use its range", largest, i)
			}
		}
	}
	if 2*255*largestReducedWeight > math.MaxInt16 {
		t.Error("two products saturate")
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		x[7] = float32(bad)
		values, scales := rowsIn8Bits(tensor.F32("x", []int{rows, width}, x), largestWeight)
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

// Of a reduced range are the weights of products in 8 bits; word embeddings, which nothing is multiplied with in 8 bits, have all of theirs.
func TestReducedRange(t *testing.T) {
	cfg := golden.Config(t, "vit")
	for _, reduced := range []bool{false, true} {
		g, err := tower(Texts, cfg, constant(cfg, 0.5), Options{Precision: Int8, ReduceRange: reduced}, "")
		if err != nil {
			t.Fatal(err)
		}
		products := 0
		for _, x := range g.constant {
			if x.DType != "I8" {
				continue
			}
			values, err := x.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			want := largestWeight
			if x.Name != "bert.embeddings.word_embeddings.weight" {
				products++
				if reduced {
					want = largestReducedWeight
				}
			}
			if got := int(int8(values[0])); got != want {
				t.Errorf("reduced %v: %s has %d, want %d", reduced, x.Name, got, want)
			}
		}
		if want := 6 * cfg.TextLayers; products != want {
			t.Errorf("%d matrices are in 8 bits, want %d", products, want)
		}
	}
}

// Of the published models int8 is at most 0.28 of float32, in each file.
func TestInt8IsSmall(t *testing.T) {
	for _, name := range []string{"RN50", "ViT-B-16", "ViT-L-14", "ViT-L-14-336", "ViT-H-14", "ViT-B-32"} {
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
