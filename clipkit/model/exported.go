package model

import (
	"context"
	"fmt"
	"math"
	"slices"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"

	gomodel "github.com/gomlx/gomlx/ml/model"
)

// Exported computes the two towers outside of GoMLX: files that a model was written to, run by another runtime (package deploy). One tower may be
// missing; its method's error says which file is not there.
type Exported interface {
	Images(ctx context.Context, pixels []float32, n int) ([]float32, error) // [n,3,R,R] → [n,D]
	Texts(ctx context.Context, ids []int32, n int) ([]float32, error)       // n rows of one length → [n,D]
	Unit() bool                                                             // the files give unit vectors
	LogitScale() float64
	Fingerprint() (string, error) // of these files: another precision has another
	Close()
}

// Of is a model whose towers e computes. It has no weights to read, write or train.
func Of(cfg arch.Config, dev *device.Device, precision Precision, e Exported) *Model {
	return &Model{Config: cfg, Device: dev, store: gomodel.NewStore(), precision: precision, exported: e}
}

// IsExported tells whether the model is exported files.
func (m *Model) IsExported() bool { return m.exported != nil }

// inFiles has exported files encode n samples, some at a time.
func inFiles[T float32 | int32](ctx context.Context, m *Model, data []T, n int, unit bool, run func(ctx context.Context, data []T, n int) ([]float32, error)) (out []float32, err error) {
	if m.exported.Unit() && !unit {
		return nil, fmt.Errorf("the files of %q give unit vectors: export it again without normalisation for raw ones", m.Config.Name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	size := len(data) / max(n, 1)
	for done := 0; done < n; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := min(n-done, maxBatch)
		features, err := run(ctx, data[done*size:(done+rows)*size], rows)
		if err == nil && len(features) != rows*m.Config.EmbedDim {
			err = fmt.Errorf("%d values for %d samples, want %d each", len(features), rows, m.Config.EmbedDim)
		}
		if err != nil {
			return nil, fmt.Errorf("encoding with %q on %s: %w", m.Config.Name, m.Device, err)
		}
		out = append(out, features...)
		done += rows
	}
	if unit && !m.exported.Unit() {
		for row := range slices.Chunk(out, m.Config.EmbedDim) {
			normalise(row)
		}
	}
	return out, nil
}

// normalise makes v a unit vector.
func normalise(v []float32) {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	for i, length := 0, math.Sqrt(sum); i < len(v); i++ {
		v[i] = float32(float64(v[i]) / length)
	}
}
