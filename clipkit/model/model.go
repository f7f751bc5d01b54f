package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"sync"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/tensor"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// ErrTensor is wrapped when a tensor does not belong to the model or has the wrong shape.
var ErrTensor = errors.New("model: tensor does not fit")

// Model is a configuration and its parameters on a device. Its methods may be called from several goroutines; training excludes them.
type Model struct {
	Config arch.Config
	Device *device.Device

	// CallRows is how many samples one call of the engine has at most, on each device; 0 = 64. Set it before encoding. Features do not depend on it but for rounding.
	CallRows int

	store     *gomodel.Store // one variable per tensor of arch.Config.Tensors, under its reference name
	precision Precision
	exported  Exported // computes the towers instead of graphs; nil = graphs do

	writing     sync.Mutex // is held by whatever writes weights, and by Fingerprint
	fingerprint string     // of the weights as they are; "" = not known
	borrowers   int        // of LendVariables
	unswept     int        // bytes of values that SetTensor has set since the collector ran

	mu            sync.Mutex
	images, texts tower
	levels        tower // of images, from bytes
}

// tower is one tower's graphs, compiled when they are first asked for.
type tower struct{ unit, raw *gomodel.Exec }

// New makes a float32 model with every parameter zero; give it values with Init, Set or SetTensor.
func New(cfg arch.Config, dev *device.Device) (*Model, error) { return NewIn(cfg, dev, F32) }

// NewIn is New with a precision. Only a float32 model can be trained.
func NewIn(cfg arch.Config, dev *device.Device, precision Precision) (*Model, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if err := precision.CheckOn(dev); err != nil {
		return nil, err
	}
	m := &Model{Config: cfg, Device: dev, store: gomodel.NewStore(), precision: precision}
	for _, t := range cfg.Tensors() {
		zero := tensors.FromShape(shapes.Make(precision.stored(t, dev), t.Shape...))
		v, err := m.store.CreateVariable(t.Name, zero)
		if err == nil && dev.Many != nil {
			err = v.SetShardingSpec(dev.Many.Whole)
		}
		if err != nil {
			return nil, fmt.Errorf("allocating %s: %w", t.Name, err)
		}
	}
	return m, nil
}

// Precision is how the model keeps and multiplies its weights.
func (m *Model) Precision() Precision { return m.precision }

// Close frees the compiled graphs and the parameters, not the device.
func (m *Model) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range []*gomodel.Exec{m.images.unit, m.images.raw, m.texts.unit, m.texts.raw, m.levels.unit, m.levels.raw} {
		if e != nil {
			m.Device.Free(e)
		}
	}
	m.images, m.texts, m.levels = tower{}, tower{}, tower{}
	m.store.Finalize()
	if m.exported != nil {
		m.exported.Close()
	}
}

// SetTensor copies a tensor's values to the device. Of a mapped file nothing else is copied when its type is the one the model keeps.
func (m *Model) SetTensor(t tensor.Tensor) error {
	v, err := m.variable(t.Name)
	if err != nil {
		return err
	}
	if !slices.Equal(v.Shape().Dimensions, t.Shape) && v.Shape().Size()+t.Size() > 2 {
		return fmt.Errorf("%w: %s has shape %v, model %q needs %v", ErrTensor, t.Name, t.Shape, m.Config.Name, v.Shape().Dimensions)
	}
	if m.precision == F16 && weights.HalfByReference(t.Name) && t.DType != "F16" {
		values, err := t.Float32()
		if err != nil {
			return err
		}
		t = tensor.F16(t.Name, t.Shape, values)
	}
	data := t.Data
	if kept := fileType[v.DType()]; t.DType != kept {
		values, err := t.Float32()
		if err != nil {
			return err
		}
		switch kept {
		case "I64":
			data = tensor.I64(t.Name, int64(math.Round(float64(values[0])))).Data
		case "F32":
			data = tensor.F32(t.Name, t.Shape, values).Data
		case "BF16":
			data = tensor.BF16(t.Name, t.Shape, values).Data
		case "F16":
			data = tensor.F16(t.Name, t.Shape, values).Data
		}
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	m.fingerprint = ""
	err = m.Device.Set(v, data)
	if err != nil {
		err = fmt.Errorf("copying %s to %s: %w", t.Name, m.Device, err)
	}
	// Until it is set, a variable has a zero value whose memory nobody has touched, and which the collector counts: with all of a model's, it would
	// let what is read and converted, and afterwards any garbage, gather to a second copy of the weights before it runs.
	if m.unswept += len(data); m.unswept > maxUnswept {
		m.unswept = 0
		debug.FreeOSMemory()
	}
	return err
}

// maxUnswept is how many bytes of values are set, at most, before the collector runs.
const maxUnswept = 256 << 20

func (m *Model) variable(name string) (*gomodel.Variable, error) {
	v := m.store.GetVariable("/" + name)
	switch {
	case m.exported != nil:
		return nil, fmt.Errorf("%w: it lies in exported files, whose weights are neither read nor written (%s); take the model that was exported", ErrTensor, name)
	case v == nil:
		return nil, fmt.Errorf("%w: model %q has no %q", ErrTensor, m.Config.Name, name)
	}
	return v, nil
}

// Set gives one tensor its values, row-major. An integer buffer takes one rounded value.
func (m *Model) Set(name string, shape []int, values []float32) error {
	if t := tensor.F32(name, shape, values); t.Size() != len(values) {
		return fmt.Errorf("%w: %s of shape %v has %d values", ErrTensor, name, shape, len(values))
	}
	return m.SetTensor(tensor.F32(name, shape, values))
}

// Get copies one tensor out of the model.
func (m *Model) Get(name string) (shape []int, values []float32, err error) {
	err = m.read(name, m.Device.Backend.HasSharedBuffers(), new([]uint64), func(t tensor.Tensor) (err error) {
		shape = t.Shape
		values, err = t.Float32()
		return err
	})
	return shape, values, err
}

// LogitScale is exp of the parameter: what multiplies the cosines (100 in the published weights).
func (m *Model) LogitScale() (float64, error) {
	if m.exported != nil {
		return m.exported.LogitScale(), nil
	}
	_, v, err := m.Get("logit_scale")
	if err != nil {
		return 0, err
	}
	return math.Exp(float64(v[0])), nil
}

// EncodeImages turns n pictures, [n,3,R,R] as imaging makes them, into n unit vectors, [n,D].
func (m *Model) EncodeImages(ctx context.Context, pixels []float32, n int) ([]float32, error) {
	return m.encodeImages(ctx, pixels, n, true)
}

// RawImages is EncodeImages without normalisation: what the reference's encode_image gives.
func (m *Model) RawImages(ctx context.Context, pixels []float32, n int) ([]float32, error) {
	return m.encodeImages(ctx, pixels, n, false)
}

func (m *Model) encodeImages(ctx context.Context, pixels []float32, n int, unit bool) ([]float32, error) {
	r := m.Config.ImageResolution
	if len(pixels) != n*3*r*r {
		return nil, fmt.Errorf("encoding %d images: got %d values, want [%d,3,%d,%d]", n, len(pixels), n, r, r)
	}
	if m.exported != nil {
		return inFiles(ctx, m, pixels, n, unit, m.exported.Images)
	}
	return encode(ctx, m, m.images.graph(unit), pixels, n, []int{3, r, r}, VisualFeatures, unit)
}

func (t *tower) graph(unit bool) **gomodel.Exec {
	if unit {
		return &t.unit
	}
	return &t.raw
}

// EncodeTexts turns n token rows, [n,T] as tokenizer makes them, into n unit vectors, [n,D]. T is any length up to the model's positions.
// Rows are encoded with others of about their length, each batch cut after its longest: padding is masked in the reference and is cut off here.
func (m *Model) EncodeTexts(ctx context.Context, ids []int32, n int) ([]float32, error) {
	return m.encodeTexts(ctx, ids, n, true)
}

// RawTexts is EncodeTexts without normalisation: what the reference's encode_text gives.
func (m *Model) RawTexts(ctx context.Context, ids []int32, n int) ([]float32, error) {
	return m.encodeTexts(ctx, ids, n, false)
}

func (m *Model) encodeTexts(ctx context.Context, ids []int32, n int, unit bool) ([]float32, error) {
	if n == 0 {
		return nil, nil
	}
	t := len(ids) / n
	if len(ids) != n*t || t < 1 || t > m.Config.TextMaxPositions {
		return nil, fmt.Errorf("encoding %d texts: got %d ids, want n rows of 1 to %d", n, len(ids), m.Config.TextMaxPositions)
	}
	row := func(i int) []int32 { return ids[i*t : (i+1)*t] }
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return TextLength(row(a)) - TextLength(row(b)) })
	return m.textsAhead(ctx, row, order, unit, inFlight(m.Device))
}

// textsAhead encodes rows in an order, with so many batches at a time, and gives the features in the order of the rows.
func (m *Model) textsAhead(ctx context.Context, row func(i int) []int32, order []int, unit bool, flights int) ([]float32, error) {
	d := m.Config.EmbedDim
	out := make([]float32, len(order)*d)
	spread := func(batch []int, features []float32, err error) error {
		if err == nil {
			for k, i := range batch {
				copy(out[i*d:(i+1)*d], features[k*d:])
			}
		}
		return err
	}
	p := pipeline[[]int]{model: m, flights: flights}
	defer p.drop()
	for batch := range slices.Chunk(order, m.most()) {
		length := TextLength(row(batch[len(batch)-1]))
		some := make([]int32, 0, len(batch)*length)
		for _, i := range batch {
			some = append(some, row(i)[:length]...)
		}
		if m.exported != nil {
			features, err := inFiles(ctx, m, some, len(batch), unit, m.exported.Texts)
			if err := spread(batch, features, err); err != nil {
				return nil, err
			}
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, m.encoding(err)
		}
		m.mu.Lock() // others may encode between the batches
		err := add(ctx, &p, batch, m.texts.graph(unit), some, len(batch), []int{length}, TextFeatures, unit)
		if err == nil && p.full() {
			err = spread(p.next())
		}
		m.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
	for len(p.flying) > 0 {
		if err := spread(p.next()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// textStep is the granularity of text lengths: each length is a graph to compile.
const textStep = 16

// TextLength is how many ids of a row need encoding: up to its last token, rounded up. A row of nothing but padding is left as it is.
func TextLength(row []int32) int {
	for i := len(row) - 1; i >= 0; i-- {
		if row[i] != 0 {
			return min((i/textStep+1)*textStep, len(row))
		}
	}
	return len(row)
}
