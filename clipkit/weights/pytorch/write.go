package pytorch

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
	"clipnb/clipkit/weights/tensor"
)

const (
	alignment    = 64        // bytes; PyTorch begins every storage at a multiple of it
	modulePrefix = "module." // DistributedDataParallel puts it before each name, and the reference saves them so (cn_clip/training/main.py:326)
)

// storageClass names the PyTorch storage of a type.
var storageClass = map[string]string{"F64": "torch.DoubleStorage", "F32": "torch.FloatStorage", "F16": "torch.HalfStorage",
	"BF16": "torch.BFloat16Storage", "I64": "torch.LongStorage", "I32": "torch.IntStorage", "I16": "torch.ShortStorage",
	"I8": "torch.CharStorage", "U8": "torch.ByteStorage", "BOOL": "torch.BoolStorage"}

// Write writes path atomically as torch.save would. With a checkpoint that is {"epoch", "step", "name", "state_dict"}, and "optimizer" if ck
// has one; names get the prefix "module." unless they have it or ck says Unprefixed. With a nil ck it is the state dict alone, under the
// names that the tensors have. torch.load reads the file with weights_only=True and with mmap=True, and the reference resumes from it.
func Write(path string, tensors []tensor.Tensor, ck *Checkpoint) error {
	return atomicfile.Write(path, func(w io.Writer) error { return encode(w, tensors, ck) })
}

func encode(w io.Writer, tensors []tensor.Tensor, ck *Checkpoint) error {
	var storages []tensor.Tensor
	put := func(t tensor.Tensor) (any, error) {
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
	for i, t := range storages { // one is in memory at a time
		err := t.Use(func(data []byte) error {
			if len(data) != t.NumBytes() {
				return fmt.Errorf("writing a .pt: tensor %q: %d bytes do not make %v of %s", t.Name, len(data), t.Shape, t.DType)
			}
			out.entry("data/"+strconv.Itoa(i), data)
			return out.err
		})
		if err != nil {
			return err
		}
	}
	out.entry("version", []byte("3\n"))
	return out.close()
}

// checkpointValue is the value that the pickle holds; put stores a tensor in the file and gives what stands for it.
func checkpointValue(tensors []tensor.Tensor, ck *Checkpoint, put func(tensor.Tensor) (any, error)) (any, error) {
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

// tensorValue describes t as a contiguous view of the whole storage with this key.
func tensorValue(t tensor.Tensor, key int) (any, error) {
	class, ok := storageClass[t.DType]
	if !ok {
		return nil, fmt.Errorf("tensor %q: %s is no type of PyTorch's", t.Name, t.DType)
	}
	if err := t.Check(); err != nil {
		return nil, err
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
		_ = d.Set(pairs[i], pairs[i+1]) // which refuses no string
	}
	return d
}

// archiveWriter writes a zip archive of uncompressed entries. The data of each begins at a multiple of 64 bytes: a filler in the header's
// extra field, which PyTorch names "FB" too, makes it so.
type archiveWriter struct {
	zip     *zip.Writer
	written *countingWriter
	err     error
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

func newArchiveWriter(w io.Writer) *archiveWriter {
	c := &countingWriter{w: w}
	return &archiveWriter{zip: zip.NewWriter(c), written: c}
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
	fill := -(a.written.n + header + int64(len(name)) + field) & (alignment - 1)
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
