package tensor

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// A lent tensor is used where it lies, copied where it is kept, and is one to the forms that others are made into; an error of its owner comes out
// everywhere.
func TestLent(t *testing.T) {
	room := make([]byte, 24)
	lent := func(name string, values ...float32) Tensor {
		return Lent(name, "F32", []int{3, len(values) / 3}, func(use func([]byte) error) error {
			n := copy(room, F32("", nil, values).Data)
			return use(room[:n])
		})
	}
	a, b := lent("a", 1, 2, 3, 4, 5, 6), lent("b", 7, 8, 9, 10, 11, 12)
	check := func(what string, x Tensor, err error, want ...float32) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		first, err := x.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Float32(); err != nil { // which is lent in the same memory
			t.Fatal(err)
		}
		if !bytes.Equal(first, F32("", nil, want).Data) || x.NumBytes() != len(first) || x.Check() != nil {
			t.Errorf("%s is %v", what, first)
		}
	}
	check("a", a, nil, 1, 2, 3, 4, 5, 6)
	x, err := Join("ab", a, b)
	check("joined", x, err, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
	x, err = Third("a1", a, 1)
	check("third", x, err, 3, 4)
	x, err = Transpose("aT", a)
	check("transposed", x, err, 1, 3, 5, 2, 4, 6)
	x, err = a.Materialized()
	check("materialized", x, err, 1, 2, 3, 4, 5, 6)

	gone := errors.New("the device is gone")
	broken := Lent("c", "F32", []int{3, 2}, func(func([]byte) error) error { return gone })
	for _, make := range []func() (Tensor, error){
		func() (Tensor, error) { return Join("x", a, broken) },
		func() (Tensor, error) { return Third("x", broken, 0) },
		func() (Tensor, error) { return Transpose("x", broken) },
	} {
		x, err := make()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.Float32(); !errors.Is(err, gone) {
			t.Error(err)
		}
	}
	if err := (Tensor{Name: "x", DType: "F32", Shape: []int{2}, Data: make([]byte, 4)}).Check(); err == nil {
		t.Error("4 bytes pass for two values")
	}
}

// Values of every size, in matrices that no block divides and at addresses that nothing divides, stand at their places; what is too short is an error.
func TestTranspose(t *testing.T) {
	for _, dtype := range []string{"F64", "F32", "F16", "U8"} {
		for _, shape := range [][]int{{1, 1}, {1, 70}, {33, 1}, {31, 65}, {64, 32}, {100, 37}, {0, 5}, {5, 0}} {
			rows, cols, size := shape[0], shape[1], ElementSize(dtype)
			data := make([]byte, 1+rows*cols*size)[1:]
			for i := range data {
				data[i] = byte(i * 7 >> (i % 3))
			}
			x, err := Transpose("T", Tensor{Name: "x", DType: dtype, Shape: shape, Data: data})
			if err != nil {
				t.Fatal(err)
			}
			got, err := x.Bytes()
			if err != nil || len(got) != len(data) || x.Shape[0] != cols || x.Shape[1] != rows {
				t.Fatalf("%s %v: %d bytes, %v, %v", dtype, shape, len(got), x.Shape, err)
			}
			for i := range rows {
				for j := range cols {
					if at := (j*rows + i) * size; !bytes.Equal(got[at:at+size], data[(i*cols+j)*size:][:size]) {
						t.Fatalf("%s %v: value %d,%d", dtype, shape, i, j)
					}
				}
			}
		}
	}
	x, err := Transpose("T", Lazy("x", "F32", []int{2, 2}, func() ([]byte, error) { return make([]byte, 12), nil }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Bytes(); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

// The largest matrix of ViT-H-14's layers, and the same in one byte a value.
func BenchmarkTranspose(b *testing.B) {
	for _, dtype := range []string{"F32", "I8"} {
		b.Run(fmt.Sprint("5120x1280 ", dtype), func(b *testing.B) {
			t := Tensor{Name: "x", DType: dtype, Shape: []int{5120, 1280}, Data: make([]byte, 5120*1280*ElementSize(dtype))}
			x, err := Transpose("T", t)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(t.NumBytes()))
			for b.Loop() {
				if _, err := x.Bytes(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
