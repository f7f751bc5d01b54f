package exchangetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"

	"clipnb/clipkit/exchange"
)

// lengths around those at which engines cut what they send.
var lengths = []int{0, 1, 7, 1 << 19, 1<<19 + 3, 20<<20 + 5}

// Conforms is what every world must do; all its ranks call it.
func Conforms(w exchange.World) error {
	for _, check := range []struct {
		name string
		run  func(exchange.World) error
	}{{"ranks", ranks}, {"gather", gather}, {"sum", sum}, {"share", share}, {"values", typed}, {"wrong calls", wrongCalls}} {
		if err := check.run(w); err != nil {
			return fmt.Errorf("%s: rank %d of %d: %w", check.name, w.Rank(), w.Size(), err)
		}
	}
	return nil
}

// ranks are 0, 1, … in some order, one each; so are the local ones of a single host.
func ranks(w exchange.World) error {
	all, err := exchange.Gather(w, []int64{int64(w.Rank()), int64(w.Size()), int64(w.Local())})
	if err != nil {
		return err
	}
	for r := range w.Size() {
		if all[3*r] != int64(r) || all[3*r+1] != int64(w.Size()) || all[3*r+2] != int64(r) {
			return fmt.Errorf("place %d has rank, size and local rank %v", r, all[3*r:3*r+3])
		}
	}
	return nil
}

// pattern is what rank r brings, other at every place and for every rank.
func pattern(r, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + 31*r)
	}
	return b
}

func gather(w exchange.World) error {
	for _, n := range lengths {
		all := make([]byte, w.Size()*n)
		if err := w.Gather(pattern(w.Rank(), n), all); err != nil {
			return err
		}
		for r := range w.Size() {
			if !bytes.Equal(all[r*n:(r+1)*n], pattern(r, n)) {
				return fmt.Errorf("of %d bytes those of rank %d are others", n, r)
			}
		}
	}
	return nil
}

// uneven values add up to other bits in another order.
func uneven(i, r int) float64 { return 1 / float64(1+(i*31+r*7)%1009) }

func sum(w exchange.World) error {
	for _, n := range lengths {
		n /= 4
		whole, rough := make([]float32, n), make([]float32, n)
		for i := range n {
			whole[i] = float32(i%1000 + w.Rank())
			rough[i] = float32(uneven(i, w.Rank()))
		}
		if err := errors.Join(w.Sum(whole), w.Sum(rough)); err != nil {
			return err
		}
		for i, v := range whole {
			if want := float32(w.Size()*(i%1000) + w.Size()*(w.Size()-1)/2); v != want {
				return fmt.Errorf("value %d of %d is %v, want %v", i, n, v, want)
			}
			want := 0.0
			for r := range w.Size() {
				want += uneven(i, r)
			}
			if math.Abs(float64(rough[i])-want) > 1e-5 {
				return fmt.Errorf("value %d of %d is %v, want %v", i, n, rough[i], want)
			}
		}
		if err := same(w, hash(rough)); err != nil {
			return fmt.Errorf("the sum of %d values: %w", n, err)
		}
	}
	return nil
}

func hash(x []float32) uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, x)
	return h.Sum64()
}

// same fails where ranks have different numbers.
func same(w exchange.World, mine uint64) error {
	all, err := exchange.Gather(w, []uint64{mine})
	if err != nil {
		return err
	}
	for r, other := range all {
		if other != mine {
			return fmt.Errorf("rank %d has other bits", r)
		}
	}
	return nil
}

func share(w exchange.World) error {
	for _, n := range lengths {
		for root := range w.Size() {
			x := pattern(w.Rank(), n)
			if err := w.Share(x, root); err != nil {
				return err
			}
			if !bytes.Equal(x, pattern(root, n)) {
				return fmt.Errorf("%d bytes of rank %d came as others", n, root)
			}
		}
	}
	return nil
}

func typed(w exchange.World) error {
	values := []float64{float64(w.Rank()) + 0.5, math.Inf(1)}
	if err := exchange.Share(w, values, w.Size()-1); err != nil || values[0] != float64(w.Size())-0.5 || !math.IsInf(values[1], 1) {
		return fmt.Errorf("shared values are %v (%w)", values, err)
	}
	all, err := exchange.Gather(w, []int32{int32(w.Rank()), -1})
	if err != nil || len(all) != 2*w.Size() || all[2*w.Size()-2] != int32(w.Size()-1) || all[1] != -1 {
		return fmt.Errorf("gathered values are %v (%w)", all, err)
	}
	return nil
}

// wrongCalls are refused on the rank that makes them, without waiting for the others.
func wrongCalls(w exchange.World) error {
	for what, err := range map[string]error{
		"gathering into a wrong length": w.Gather(make([]byte, 3), make([]byte, 3*w.Size()+1)),
		"sharing from a negative rank":  w.Share(make([]byte, 3), -1),
		"sharing from a missing rank":   w.Share(make([]byte, 3), w.Size()),
	} {
		if !errors.Is(err, exchange.ErrWorld) {
			return fmt.Errorf("%s: %v, want ErrWorld", what, err)
		}
	}
	return ranks(w) // and everything goes on
}
