package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"sort"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/weights/tensor"
)

const maxHeader = 100 << 20 // the format's own limit

// headerEntry is what the header says of one tensor.
type headerEntry struct {
	DType   string    `json:"dtype"`
	Shape   []int     `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`
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
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(header, &raw); err != nil {
		return nil, bad("header is not JSON: %v", err)
	}
	f := &File{name: name, tensors: map[string]tensor.Tensor{}}
	entries := map[string]headerEntry{}
	var needed uint64 // bytes of data
	for key, value := range raw {
		if key == "__metadata__" {
			if err := json.Unmarshal(value, &f.Metadata); err != nil {
				return nil, bad("metadata: %v", err)
			}
			continue
		}
		d := json.NewDecoder(bytes.NewReader(value))
		d.DisallowUnknownFields()
		var e headerEntry
		if err := d.Decode(&e); err != nil {
			return nil, bad("tensor %q: %v", key, err)
		}
		if err := e.check(); err != nil {
			return nil, bad("tensor %q: %v", key, err)
		}
		needed = max(needed, e.Offsets[1])
		entries[key] = e
		f.order = append(f.order, key)
	}
	if needed > uint64(len(body)) {
		return nil, bad("the file is truncated: it has %d bytes and its header describes %d; copy or download it again", len(data), uint64(len(data)-len(body))+needed)
	}
	for _, key := range f.order {
		e := entries[key]
		f.tensors[key] = tensor.Tensor{Name: key, DType: e.DType, Shape: e.Shape, Data: body[e.Offsets[0]:e.Offsets[1]]}
	}
	sort.Slice(f.order, func(i, j int) bool {
		a, b := entries[f.order[i]].Offsets, entries[f.order[j]].Offsets
		if a != b {
			return slices.Compare(a[:], b[:]) < 0
		}
		return f.order[i] < f.order[j]
	})
	var end uint64
	for _, key := range f.order {
		o := entries[key].Offsets
		if o[0] != end {
			return nil, bad("tensor %q starts at byte %d, expected %d: a hole or an overlap", key, o[0], end)
		}
		end = o[1]
	}
	if end != uint64(len(body)) {
		return nil, bad("tensors end at byte %d of %d: the file has extra bytes", end, len(body))
	}
	return f, nil
}

// check tells whether type, shape and offsets agree with each other.
func (e headerEntry) check() error {
	size := tensor.ElementSize(e.DType)
	if size == 0 {
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
