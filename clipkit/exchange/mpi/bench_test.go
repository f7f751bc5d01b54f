package mpi

import (
	"context"
	"fmt"
	"testing"
	"time"

	"clipnb/clipkit/exchange"
)

// benched is how many gradients ViT-B-16 with RoBERTa-base has.
const benched = 188_262_913

// BenchmarkGradients adds up ViT-B-16's gradients over two processes, beside both copying as many bytes at once: what the machine's memory gives.
//
//	go test ./clipkit/exchange/mpi -run '^$' -bench Gradients -benchtime 1x
func BenchmarkGradients(b *testing.B) {
	for range b.N {
		var out safeBuffer
		if err := run(b, context.Background(), 2, "bench", &out); err != nil {
			b.Fatal(err, out.String())
		}
		var sum, copied float64
		if _, err := fmt.Sscanf(out.String(), "sum %f GB/s, copy %f GB/s", &sum, &copied); err != nil {
			b.Fatal(err, out.String())
		}
		b.ReportMetric(sum, "GB/s")
		b.ReportMetric(copied, "copy-GB/s")
		b.ReportMetric(100*sum/copied, "%copy")
	}
}

// cost interleaves both, and takes the best of each.
func cost(w exchange.World) error {
	x, y := make([]float32, benched), make([]float32, benched)
	for i := range x {
		x[i], y[i] = 1, 2
	}
	together := make([]float32, 1)
	measure := func(f func() error) (float64, error) {
		if err := w.Sum(together); err != nil { // a barrier
			return 0, err
		}
		start := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		err := w.Sum(together)
		return 4 * benched / 1e9 / time.Since(start).Seconds(), err
	}
	best := [2]float64{}
	for range 5 {
		for i, f := range []func() error{func() error { return w.Sum(x) }, func() error { copy(y, x); return nil }} {
			rate, err := measure(f)
			if err != nil {
				return err
			}
			best[i] = max(best[i], rate)
		}
	}
	if w.Rank() == 0 {
		fmt.Printf("sum %.3f GB/s, copy %.3f GB/s\n", best[0], best[1])
	}
	return w.Close()
}
