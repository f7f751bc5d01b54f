package weights

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/pickle"
)

const (
	alignment    = 64        // of a storage in the file, as PyTorch has it
	modulePrefix = "module." // of the names in a checkpoint
)

// storageOf names the PyTorch storage of a type.
var storageOf = map[string]string{"F64": "torch.DoubleStorage", "F32": "torch.FloatStorage", "F16": "torch.HalfStorage",
	"BF16": "torch.BFloat16Storage", "I64": "torch.LongStorage", "I32": "torch.IntStorage", "I16": "torch.ShortStorage",
	"I8": "torch.CharStorage", "U8": "torch.ByteStorage", "BOOL": "torch.BoolStorage"}

// WritePyTorch writes path atomically as torch.save would: {"epoch", "step", "name", "state_dict"} and "optimizer" if ck has one; with a nil
// ck the state dict alone, its names as they are. In a checkpoint names get the prefix "module." unless they have it or ck says Unprefixed.
// torch.load reads it with weights_only=True and with mmap=True, and the reference resumes from it.
func WritePyTorch(path string, tensors []Tensor, ck *Checkpoint) error {
	return atomicfile.Write(path, func(w io.Writer) error { return EncodePyTorch(w, tensors, ck) })
}

// EncodePyTorch writes the container to w.
func EncodePyTorch(w io.Writer, tensors []Tensor, ck *Checkpoint) error {
	var storages []Tensor
	put := func(t Tensor) (any, error) {
		v, err := tensorValue(t, len(storages))
		storages = append(storages, t)
		return v, err
	}
	top, err := checkpointValue(tensors, ck, put)
	if err != nil {
		return fmt.Errorf("writing a .pt: %w", err)
	}
	program, err := pickle.Marshal(top)
	if err != nil {
		return fmt.Errorf("writing a .pt: %w", err)
	}
	out := newArchiveWriter(w)
	out.entry("data.pkl", program)
	out.entry("byteorder", []byte("little"))
	for i, t := range storages {
		out.entry("data/"+strconv.Itoa(i), t.Data)
	}
	out.entry("version", []byte("3\n"))
	return out.close()
}

// checkpointValue is what the pickle holds.
func checkpointValue(tensors []Tensor, ck *Checkpoint, put func(Tensor) (any, error)) (any, error) {
	state := &pickle.Dict{}
	for _, t := range tensors {
		name := t.Name
		if ck != nil && !ck.Unprefixed && !strings.HasPrefix(name, modulePrefix) {
			name = modulePrefix + name
		}
		if _, twice := state.Get(name); twice {
			return nil, fmt.Errorf("two tensors %q", name)
		}
		v, err := put(t)
		if err != nil {
			return nil, err
		}
		if err := state.Set(name, v); err != nil {
			return nil, err
		}
	}
	ordered := pickle.Object{Class: pickle.Name("collections.OrderedDict"), Args: pickle.Tuple{}, Items: state}
	if ck == nil {
		return ordered, nil
	}
	top := dict("epoch", ck.Epoch, "step", ck.Step, "name", ck.Name, "state_dict", ordered)
	if ck.Optimizer != nil {
		o, err := ck.Optimizer.value(put)
		if err != nil {
			return nil, err
		}
		if err := top.Set("optimizer", o); err != nil {
			return nil, err
		}
	}
	return top, nil
}

// tensorValue is a contiguous tensor that is the whole of storage key.
func tensorValue(t Tensor, key int) (any, error) {
	class, ok := storageOf[t.DType]
	if !ok || len(t.Data) != dtypeSize[t.DType]*t.Size() {
		return nil, fmt.Errorf("tensor %q: %d bytes do not make %v of %s", t.Name, len(t.Data), t.Shape, t.DType)
	}
	shape, stride := pickle.Tuple{}, pickle.Tuple{}
	step := 1
	for _, d := range slices.Backward(t.Shape) {
		shape, stride = append(shape, d), append(stride, step)
		step *= max(d, 1)
	}
	slices.Reverse(shape)
	slices.Reverse(stride)
	id := pickle.Tuple{"storage", pickle.Name(class), strconv.Itoa(key), "cpu", t.Size()}
	hooks := pickle.Object{Class: pickle.Name("collections.OrderedDict"), Args: pickle.Tuple{}}
	return pickle.Object{Class: pickle.Name("torch._utils._rebuild_tensor_v2"),
		Args: pickle.Tuple{pickle.Persistent{ID: id}, 0, shape, stride, false, hooks}}, nil
}

// dict makes a dictionary of keys and values in turn.
func dict(pairs ...any) *pickle.Dict {
	d := &pickle.Dict{}
	for i := 0; i < len(pairs); i += 2 {
		_ = d.Set(pairs[i], pairs[i+1]) // keys are strings
	}
	return d
}

// archiveWriter writes uncompressed entries whose bytes begin at multiples of 64, by a filler in the header's extra field.
type archiveWriter struct {
	zip *zip.Writer
	at  *position
	err error
}

// position counts what is written.
type position struct {
	w io.Writer
	n int64
}

func (c *position) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

func newArchiveWriter(w io.Writer) *archiveWriter {
	c := &position{w: w}
	return &archiveWriter{zip: zip.NewWriter(c), at: c}
}

func (a *archiveWriter) entry(name string, data []byte) {
	if a.err == nil {
		a.err = a.zip.Flush()
	}
	if a.err != nil {
		return
	}
	if uint64(len(data)) >= math.MaxUint32 {
		a.err = fmt.Errorf("writing a .pt: a tensor of %d bytes, want less than 4 GiB", len(data))
		return
	}
	name = "archive/" + name
	const header, field = 30, 4
	fill := -(a.at.n + header + int64(len(name)) + field) & (alignment - 1)
	extra := binary.LittleEndian.AppendUint16([]byte("FB"), uint16(fill))
	extra = append(extra, make([]byte, fill)...)
	w, err := a.zip.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Store, Extra: extra, CRC32: crc32.ChecksumIEEE(data),
		CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(data))})
	if err == nil {
		_, err = w.Write(data)
	}
	a.err = err
}

func (a *archiveWriter) close() error {
	if a.err != nil {
		return a.err
	}
	return a.zip.Close()
}
