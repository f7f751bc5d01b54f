package tensor

import (
	"bytes"
	"errors"
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
