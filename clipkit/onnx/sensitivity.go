package onnx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/weights/tensor"
)

// Sensitivity is a row of the table that tells which matrices may be in 8 bits: how far features are from float32's.
type Sensitivity struct {
	Matrix      string  // that alone is in 8 bits; "" = all that the rule has so
	Values      int     // of the matrix, or of all
	Mean, Least float64 // cosines of the features with those of float32
}

func (s Sensitivity) String() string {
	name := s.Matrix
	if name == "" {
		name = "the rule"
	}
	return fmt.Sprintf("%-50s %9d values   1-cosine: mean %.1e, worst %.1e", name, s.Values, 1-s.Mean, 1-s.Least)
}

// Sensitivities measures a tower, in the 8 bits of o: features computes those of the same inputs with the file at path, which is in float32 first, then in
// int8 by the rule, then with one matrix after the other in 8 bits. Each row is given to each as soon as it is known. Of the matrices, only those whose
// names begin with one of some are measured; none means all. The files lie in dir, one at a time.
func Sensitivities(ctx context.Context, dir string, side Side, cfg arch.Config, weights []tensor.Tensor, o Options, some []string,
	features func(path string) ([]float32, error), each func(Sensitivity)) error {
	compute := func(o Options, alone string) (*graph, []float32, error) {
		g, err := tower(side, cfg, weights, o, alone)
		path := filepath.Join(dir, "sensitivity.onnx")
		if err == nil {
			err = g.write(ctx, path)
		}
		var got []float32
		if err == nil {
			got, err = features(path)
		}
		if err == nil && (len(got) == 0 || len(got)%cfg.EmbedDim != 0) {
			err = fmt.Errorf("%d numbers are no features of width %d", len(got), cfg.EmbedDim)
		}
		if err = errors.Join(err, atomicfile.RemoveAll(path), atomicfile.RemoveAll(path+extraSuffix)); err != nil {
			return nil, nil, fmt.Errorf("measuring the sensitivity of %s to 8 bits: %w", cfg.Name, err)
		}
		return g, got, nil
	}
	o.Precision = Int8
	plain := o
	plain.Precision, plain.ReduceRange, plain.Whole = F32, false, nil
	_, want, err := compute(plain, "")
	if err != nil {
		return err
	}
	row := Sensitivity{}
	g, got, err := compute(o, "")
	if err != nil {
		return err
	}
	for _, t := range g.matrices {
		if !g.whole(t.Name) {
			row.Values += t.Size()
		}
	}
	row.Mean, row.Least = cosines(got, want, cfg.EmbedDim)
	each(row)
	for _, t := range g.matrices {
		if len(some) > 0 && !begins(t.Name, some) {
			continue
		}
		if _, got, err = compute(o, t.Name); err != nil {
			return err
		}
		row := Sensitivity{Matrix: t.Name, Values: t.Size()}
		row.Mean, row.Least = cosines(got, want, cfg.EmbedDim)
		each(row)
	}
	return nil
}

// cosines of rows of the given width: their mean and the least.
func cosines(a, b []float32, width int) (mean, least float64) {
	least = 1
	for at := 0; at < min(len(a), len(b)); at += width {
		var ab, aa, bb float64
		for i := at; i < at+width; i++ {
			x, y := float64(a[i]), float64(b[i])
			ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
		}
		cosine := ab / math.Sqrt(aa*bb)
		mean += cosine * float64(width) / float64(len(b))
		least = min(least, cosine)
	}
	return mean, least
}
