package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"os"
	"slices"
	"sort"

	"clipnb/clipkit/internal/atomicfile"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/dtypes/float16"
)

// ErrFormat is wrapped when a file is not what its name says, or is damaged.
var ErrFormat = errors.New("weights: not a valid safetensors file")

const maxHeader = 100 << 20 // the format's own limit

// dtypeSize in bytes, for the types that weights come in.
var dtypeSize = map[string]int{"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}

// Tensor is a named array as it lies in a file: row-major, little-endian.
type Tensor struct {
	Name  string
	DType string // "F32", "F16", "BF16", "F64", "I64", "I32", "U8", "BOOL"
	Shape []int
	Data  []byte
}

// Size is the number of elements.
func (t Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Float32 converts the values; integers and float64 are rounded to the nearest float32.
func (t Tensor) Float32() ([]float32, error) {
	out := make([]float32, t.Size())
	le := binary.LittleEndian
	for i := range out {
		switch t.DType {
		case "F32":
			out[i] = math.Float32frombits(le.Uint32(t.Data[4*i:]))
		case "F64":
			out[i] = float32(math.Float64frombits(le.Uint64(t.Data[8*i:])))
		case "F16":
			out[i] = float16.Float16(le.Uint16(t.Data[2*i:])).Float32()
		case "BF16":
			out[i] = bfloat16.BFloat16(le.Uint16(t.Data[2*i:])).Float32()
		case "I64":
			out[i] = float32(int64(le.Uint64(t.Data[8*i:])))
		case "I32":
			out[i] = float32(int32(le.Uint32(t.Data[4*i:])))
		default:
			return nil, fmt.Errorf("tensor %q is %s, which holds no weights", t.Name, t.DType)
		}
	}
	return out, nil
}

// F32 makes a tensor of float32 values.
func F32(name string, shape []int, values []float32) Tensor {
	data := make([]byte, 4*len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
	}
	return Tensor{Name: name, DType: "F32", Shape: shape, Data: data}
}

// F16 makes a tensor of half-precision values, rounded to nearest even.
func F16(name string, shape []int, values []float32) Tensor {
	data := make([]byte, 2*len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint16(data[2*i:], uint16(float16.FromFloat32(v)))
	}
	return Tensor{Name: name, DType: "F16", Shape: shape, Data: data}
}

// I64 makes a scalar of one integer.
func I64(name string, value int64) Tensor {
	return Tensor{Name: name, DType: "I64", Data: binary.LittleEndian.AppendUint64(nil, uint64(value))}
}

// Safetensors is an open file or a byte slice that holds one.
type Safetensors struct {
	Metadata map[string]string
	name     string
	data     []byte // after the header
	entries  map[string]entry
	order    []string // by position in the file
}

type entry struct {
	DType   string    `json:"dtype"`
	Shape   []int     `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`
}

// OpenSafetensors reads and checks a file.
func OpenSafetensors(path string) (*Safetensors, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("opening weights: %w", err)
	}
	return ParseSafetensors(path, data)
}

// ParseSafetensors checks data, which stays in use; name is for messages.
func ParseSafetensors(name string, data []byte) (*Safetensors, error) {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%s: %w: %s", name, ErrFormat, fmt.Sprintf(format, a...))
	}
	if len(data) < 8 {
		return nil, bad("%d bytes, too short for a header", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if n > maxHeader || n > uint64(len(data)-8) {
		return nil, bad("header of %d bytes in a file of %d", n, len(data))
	}
	header, body := data[8:8+n], data[8+n:]
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(header, &raw); err != nil {
		return nil, bad("header is not JSON: %v", err)
	}
	s := &Safetensors{name: name, data: body, entries: map[string]entry{}}
	for key, value := range raw {
		if key == "__metadata__" {
			if err := json.Unmarshal(value, &s.Metadata); err != nil {
				return nil, bad("metadata: %v", err)
			}
			continue
		}
		d := json.NewDecoder(bytes.NewReader(value))
		d.DisallowUnknownFields()
		var e entry
		if err := d.Decode(&e); err != nil {
			return nil, bad("tensor %q: %v", key, err)
		}
		if err := e.check(uint64(len(body))); err != nil {
			return nil, bad("tensor %q: %v", key, err)
		}
		s.entries[key] = e
		s.order = append(s.order, key)
	}
	sort.Slice(s.order, func(i, j int) bool {
		a, b := s.entries[s.order[i]].Offsets, s.entries[s.order[j]].Offsets
		if a != b {
			return slices.Compare(a[:], b[:]) < 0
		}
		return s.order[i] < s.order[j]
	})
	var end uint64
	for _, key := range s.order {
		o := s.entries[key].Offsets
		if o[0] != end {
			return nil, bad("tensor %q starts at byte %d, expected %d: a hole or an overlap", key, o[0], end)
		}
		end = o[1]
	}
	if end != uint64(len(body)) {
		return nil, bad("tensors end at byte %d of %d: the file is cut or has extra bytes", end, len(body))
	}
	return s, nil
}

func (e entry) check(body uint64) error {
	size, ok := dtypeSize[e.DType]
	if !ok {
		return fmt.Errorf("unknown dtype %q", e.DType)
	}
	if len(e.Shape) > 8 {
		return fmt.Errorf("%d axes", len(e.Shape))
	}
	bytes := uint64(size)
	for _, d := range e.Shape {
		if d < 0 {
			return fmt.Errorf("shape %v", e.Shape)
		}
		hi, lo := bits.Mul64(bytes, uint64(d))
		if hi != 0 {
			return fmt.Errorf("shape %v overflows", e.Shape)
		}
		bytes = lo
	}
	if e.Offsets[0] > e.Offsets[1] || e.Offsets[1] > body || e.Offsets[1]-e.Offsets[0] != bytes {
		return fmt.Errorf("shape %v of %s needs %d bytes, offsets are %v in %d bytes of data", e.Shape, e.DType, bytes, e.Offsets, body)
	}
	return nil
}

// Names lists the tensors in the order of the file.
func (s *Safetensors) Names() []string { return s.order }

// Tensor finds one by name; its Data points into the file's bytes.
func (s *Safetensors) Tensor(name string) (Tensor, error) {
	e, ok := s.entries[name]
	if !ok {
		return Tensor{}, fmt.Errorf("%s has no tensor %q", s.name, name)
	}
	return Tensor{Name: name, DType: e.DType, Shape: e.Shape, Data: s.data[e.Offsets[0]:e.Offsets[1]]}, nil
}

// WriteSafetensors writes path atomically, tensors in the given order.
func WriteSafetensors(path string, tensors []Tensor, metadata map[string]string) error {
	return atomicfile.Write(path, func(w io.Writer) error { return EncodeSafetensors(w, tensors, metadata) })
}

// EncodeSafetensors writes the format to w.
func EncodeSafetensors(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	header := map[string]any{}
	if len(metadata) > 0 {
		header["__metadata__"] = metadata
	}
	var at uint64
	for _, t := range tensors {
		size, ok := dtypeSize[t.DType]
		if !ok || len(t.Data) != size*t.Size() {
			return fmt.Errorf("writing tensor %q: %d bytes do not make %v of %s", t.Name, len(t.Data), t.Shape, t.DType)
		}
		if _, twice := header[t.Name]; twice {
			return fmt.Errorf("writing tensor %q: the name occurs twice", t.Name)
		}
		shape := t.Shape
		if shape == nil {
			shape = []int{} // a scalar: null is not a shape
		}
		end := at + uint64(len(t.Data))
		header[t.Name] = entry{DType: t.DType, Shape: shape, Offsets: [2]uint64{at, end}}
		at = end
	}
	h, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for len(h)%8 != 0 { // data is aligned
		h = append(h, ' ')
	}
	if err := binary.Write(w, binary.LittleEndian, uint64(len(h))); err != nil {
		return err
	}
	if _, err := w.Write(h); err != nil {
		return err
	}
	for _, t := range tensors {
		if _, err := w.Write(t.Data); err != nil {
			return err
		}
	}
	return nil
}
