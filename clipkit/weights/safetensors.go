package weights

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/weights/tensor"
)

const (
	maxHeader = 100 << 20 // the format's own limit
	maxAxes   = 8
)

// headerEntry is what the header says of one tensor.
type headerEntry struct {
	DType   string    `json:"dtype"`
	Shape   []int     `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`

	name string
}

// parseSafetensors reads data, which stays in use; name is for messages.
func parseSafetensors(name string, data []byte) (*File, error) {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%s: %w: %s", name, tensor.ErrFormat, fmt.Sprintf(format, a...))
	}
	if len(data) < 8 {
		return nil, bad("%d bytes, too short for a header", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if n > maxHeader {
		return nil, bad("header of %d bytes in a file of %d, want at most %d", n, len(data), maxHeader)
	}
	if n > uint64(len(data)-8) {
		return nil, bad("header of %d bytes: the file is truncated: it has %d bytes and needs more than %d; copy or download it again", n, len(data), n+8)
	}
	header, body := data[8:8+n], data[8+n:]
	list, metadata, err := (&headerReader{b: header}).read()
	if err != nil {
		return nil, bad("%v", err)
	}
	slices.SortFunc(list, func(a, b headerEntry) int {
		return cmp.Or(slices.Compare(a.Offsets[:], b.Offsets[:]), cmp.Compare(a.name, b.name))
	})
	var needed uint64 // bytes of data
	for _, e := range list {
		needed = max(needed, e.Offsets[1])
	}
	if needed > uint64(len(body)) {
		return nil, bad("the file is truncated: it has %d bytes and its header describes %d; copy or download it again", len(data), uint64(len(data)-len(body))+needed)
	}
	var end uint64
	var tensors []tensor.Tensor
	for _, e := range list {
		if e.Offsets[0] != end {
			return nil, bad("tensor %q starts at byte %d, expected %d: a hole or an overlap", e.name, e.Offsets[0], end)
		}
		end = e.Offsets[1]
		tensors = append(tensors, tensor.Tensor{Name: e.name, DType: e.DType, Shape: e.Shape, Data: body[e.Offsets[0]:e.Offsets[1]]})
	}
	if end != uint64(len(body)) {
		return nil, bad("tensors end at byte %d of %d: the file has extra bytes", end, len(body))
	}
	f := newFile(name, tensors)
	f.Metadata = metadata
	return f, nil
}

// check tells whether type, shape and offsets agree with each other.
func (e headerEntry) check() error {
	size := tensor.ElementSize(e.DType)
	if size == 0 {
		return fmt.Errorf("unknown dtype %q", e.DType)
	}
	bytes := uint64(size)
	for _, d := range e.Shape {
		hi, lo := bits.Mul64(bytes, uint64(d))
		if hi != 0 {
			return fmt.Errorf("shape %v overflows", e.Shape)
		}
		bytes = lo
	}
	if e.Offsets[0] > e.Offsets[1] || e.Offsets[1] > math.MaxInt64 || e.Offsets[1]-e.Offsets[0] != bytes {
		return fmt.Errorf("shape %v of %s needs %d bytes, offsets are %v", e.Shape, e.DType, bytes, e.Offsets)
	}
	return nil
}

// WriteSafetensors writes path atomically, tensors in the given order.
func WriteSafetensors(path string, tensors []tensor.Tensor, metadata map[string]string) error {
	return atomicfile.Write(path, func(w io.Writer) error { return EncodeSafetensors(w, tensors, metadata) })
}

// EncodeSafetensors writes the format to w. Tensors that are made when they are asked for (tensor.Lazy, tensor.Lent) are held one at a time.
func EncodeSafetensors(w io.Writer, tensors []tensor.Tensor, metadata map[string]string) error {
	for _, t := range tensors {
		if err := t.Check(); err != nil {
			return fmt.Errorf("writing %w", err)
		}
	}
	header, err := SafetensorsHeader(tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, t := range tensors {
		err := t.Use(func(data []byte) error {
			if len(data) != t.NumBytes() {
				return fmt.Errorf("writing tensor %q: %d bytes do not make %v of %s", t.Name, len(data), t.Shape, t.DType)
			}
			_, err := w.Write(data)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// SafetensorsHeader is what stands in a file before the data of tensors, which follow in their order. It reads no Data, so that they can be made
// one after the other.
func SafetensorsHeader(tensors []tensor.Tensor, metadata map[string]string) ([]byte, error) {
	header := map[string]any{}
	if len(metadata) > 0 {
		header["__metadata__"] = metadata
	}
	var at uint64
	for _, t := range tensors {
		size := tensor.ElementSize(t.DType)
		if size == 0 {
			return nil, fmt.Errorf("writing tensor %q: unknown dtype %q", t.Name, t.DType)
		}
		if _, twice := header[t.Name]; twice {
			return nil, fmt.Errorf("writing tensor %q: the name occurs twice", t.Name)
		}
		shape := t.Shape
		if shape == nil {
			shape = []int{} // a scalar: null is not a shape
		}
		end := at + uint64(size*t.Size())
		header[t.Name] = headerEntry{DType: t.DType, Shape: shape, Offsets: [2]uint64{at, end}}
		at = end
	}
	text, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	for len(text)%8 != 0 { // data is aligned
		text = append(text, ' ')
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), nil
}
