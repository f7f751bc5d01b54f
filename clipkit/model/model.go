package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// ErrTensor is wrapped when a tensor does not belong to the model or has the wrong shape.
var ErrTensor = errors.New("model: tensor does not fit")

// Model is a configuration and its parameters on a device. Its methods may be called from several goroutines; training excludes them.
type Model struct {
	Config arch.Config
	Device *device.Device
	Store  *gomodel.Store // one variable per tensor of arch.Config.Tensors, under its reference name

	mu            sync.Mutex
	images, texts *gomodel.Exec
}

// New allocates a model with every parameter zero; give it values with Init or Set.
func New(cfg arch.Config, dev *device.Device) (*Model, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	m := &Model{Config: cfg, Device: dev, Store: gomodel.NewStore()}
	for _, t := range cfg.Tensors() {
		if _, err := m.Store.CreateVariable(t.Name, zero(t)); err != nil {
			return nil, fmt.Errorf("allocating %s: %w", t.Name, err)
		}
	}
	return m, nil
}

func zero(t arch.Tensor) *tensors.Tensor {
	if t.Int64 {
		return tensors.FromScalar(int64(0))
	}
	return tensors.FromShape(shapes.Make(dtypes.Float32, t.Shape...))
}

// Close frees the compiled graphs and the parameters, not the device.
func (m *Model) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range []*gomodel.Exec{m.images, m.texts} {
		if e != nil {
			e.Finalize()
		}
	}
	m.images, m.texts = nil, nil
	m.Store.Finalize()
}

// Set gives one tensor its values, row-major. An integer buffer takes one rounded value.
func (m *Model) Set(name string, shape []int, values []float32) error {
	v := m.Store.GetVariable("/" + name)
	if v == nil {
		return fmt.Errorf("%w: model %q has no %q", ErrTensor, m.Config.Name, name)
	}
	if v.DType() == dtypes.Int64 {
		if len(values) != 1 {
			return fmt.Errorf("%w: %s is a scalar, got %d values", ErrTensor, name, len(values))
		}
		return v.SetValue(tensors.FromScalar(int64(math.Round(float64(values[0])))))
	}
	if !slices.Equal(v.Shape().Dimensions, shape) || len(values) != v.Shape().Size() {
		return fmt.Errorf("%w: %s has shape %v and %d values, model %q needs %v", ErrTensor, name, shape, len(values), m.Config.Name, v.Shape().Dimensions)
	}
	return v.SetValue(tensors.FromFlatDataAndDimensions(values, shape...))
}

// Get copies one tensor out of the model.
func (m *Model) Get(name string) (shape []int, values []float32, err error) {
	v := m.Store.GetVariable("/" + name)
	if v == nil {
		return nil, nil, fmt.Errorf("%w: model %q has no %q", ErrTensor, m.Config.Name, name)
	}
	t, err := v.Value()
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if v.DType() == dtypes.Int64 {
		n, err := tensors.CopyFlatData[int64](t)
		if err != nil {
			return nil, nil, fmt.Errorf("reading %s: %w", name, err)
		}
		return nil, []float32{float32(n[0])}, nil
	}
	values, err = tensors.CopyFlatData[float32](t)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return t.Shape().Dimensions, values, nil
}

// LogitScale is exp of the parameter: what multiplies the cosines (100 in the published weights).
func (m *Model) LogitScale() (float64, error) {
	_, v, err := m.Get("logit_scale")
	if err != nil {
		return 0, err
	}
	return math.Exp(float64(v[0])), nil
}

// EncodeImages turns n pictures, [n,3,R,R] as imaging makes them, into n unit vectors, [n,D].
func (m *Model) EncodeImages(ctx context.Context, pixels []float32, n int) ([]float32, error) {
	r := m.Config.ImageResolution
	if len(pixels) != n*3*r*r {
		return nil, fmt.Errorf("encoding %d images: got %d values, want [%d,3,%d,%d]", n, len(pixels), n, r, r)
	}
	return encode(ctx, m, &m.images, pixels, n, []int{3, r, r}, func(p *Params, x *Node) *Node { return VisualFeatures(p, x) })
}

// EncodeTexts turns n token rows, [n,T] as tokenizer makes them, into n unit vectors, [n,D]. T is any length up to the model's positions.
func (m *Model) EncodeTexts(ctx context.Context, ids []int32, n int) ([]float32, error) {
	if n == 0 {
		return nil, nil
	}
	t := len(ids) / n
	if len(ids) != n*t || t < 1 || t > m.Config.TextMaxPositions {
		return nil, fmt.Errorf("encoding %d texts: got %d ids, want n rows of 1 to %d", n, len(ids), m.Config.TextMaxPositions)
	}
	return encode(ctx, m, &m.texts, ids, n, []int{t}, func(p *Params, x *Node) *Node { return TextFeatures(p, x) })
}

// maxBatch bounds the work and memory of one call into the engine.
const maxBatch = 64

// encode runs a tower over n samples of the given shape. Each batch is padded to a power of two, so that few graphs are compiled.
func encode[T float32 | int32](ctx context.Context, m *Model, exec **gomodel.Exec, data []T, n int, sample []int, tower func(*Params, *Node) *Node) (out []float32, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err = device.Catch(func() error {
		if *exec == nil {
			e, err := gomodel.NewExec(m.Device.Backend, m.Store, func(s *gomodel.Scope, x *Node) *Node {
				return L2Normalize(tower(NewParams(m.Config, s.Store(), x.Graph()), x), -1)
			})
			if err != nil {
				return err
			}
			*exec = e
		}
		size := 1
		for _, d := range sample {
			size *= d
		}
		for done := 0; done < n; {
			if err := ctx.Err(); err != nil {
				return err
			}
			rows := min(n-done, maxBatch)
			padded := 1
			for padded < rows {
				padded *= 2
			}
			batch := make([]T, padded*size)
			copy(batch, data[done*size:(done+rows)*size])
			in := tensors.FromFlatDataAndDimensions(batch, append([]int{padded}, sample...)...)
			res, err := (*exec).Call(in)
			if err != nil {
				return err
			}
			features, err := tensors.CopyFlatData[float32](res[0])
			if err != nil {
				return err
			}
			out = append(out, features[:rows*m.Config.EmbedDim]...)
			in.FinalizeAll()
			res[0].FinalizeAll()
			done += rows
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("encoding with %q on %s: %w", m.Config.Name, m.Device, err)
	}
	return out, nil
}
