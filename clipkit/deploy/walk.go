package deploy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	onnxpb "github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// external is what one tensor says of its data in another file.
type external struct {
	location       string
	offset, length int64 // length −1: up to the file's end
}

const (
	maxDepth    = 32       // of messages in each other; a subgraph in a subgraph takes four
	maxText     = 4096     // bytes of an entry's key or value
	maxExternal = 1 << 20  // tensors with data elsewhere
	maxFields   = 16 << 20 // of all messages
)

var errProto = errors.New("no ONNX file")

// externals lists all external data that an ONNX file names, in initializers, in attributes of nodes, in subgraphs and functions: it walks through
// every message of the file and reads none of its weights.
func externals(file io.ReaderAt, size int64) ([]external, error) {
	w := &walk{file: file, at: bufio.NewReaderSize(nil, 4096)}
	w.seek(0)
	err := w.message((&onnxpb.ModelProto{}).ProtoReflect().Descriptor(), size, 0)
	return w.found, err
}

// walk is a position in a file of messages.
type walk struct {
	file   io.ReaderAt
	at     *bufio.Reader
	pos    int64
	fields int
	found  []external
}

func (w *walk) seek(pos int64) {
	w.pos = pos
	w.at.Reset(io.NewSectionReader(w.file, pos, 1<<62-pos))
}

// skip passes over what is not read; far ones without reading.
func (w *walk) skip(n int64) {
	if n <= int64(w.at.Buffered()) {
		_, _ = w.at.Discard(int(n))
		w.pos += n
		return
	}
	w.seek(w.pos + n)
}

func (w *walk) varint() (uint64, error) {
	var b [binary.MaxVarintLen64]byte
	for i := range b {
		c, err := w.at.ReadByte()
		if err != nil {
			return 0, io.ErrUnexpectedEOF
		}
		w.pos++
		if b[i] = c; c < 0x80 {
			v, n := protowire.ConsumeVarint(b[:i+1])
			if n < 0 {
				return 0, protowire.ParseError(n)
			}
			return v, nil
		}
	}
	return 0, errors.New("a number has too many bytes")
}

var tensorName = (&onnxpb.TensorProto{}).ProtoReflect().Descriptor().FullName()

// message walks through one message that ends at end.
func (w *walk) message(d protoreflect.MessageDescriptor, end int64, depth int) error {
	fail := func(err error) error {
		if errors.Is(err, errProto) {
			return err
		}
		return fmt.Errorf("%w: byte %d, in a %s: %w", errProto, w.pos, d.Name(), err)
	}
	if depth > maxDepth {
		return fail(fmt.Errorf("messages in each other more than %d deep", maxDepth))
	}
	var data *external // of a tensor
	for w.pos < end {
		if w.fields++; w.fields > maxFields {
			return fail(fmt.Errorf("more than %d fields", maxFields))
		}
		tag, err := w.varint()
		if err != nil {
			return fail(err)
		}
		number, kind := protowire.DecodeTag(tag)
		size := int64(0)
		switch kind {
		case protowire.VarintType:
			if _, err := w.varint(); err != nil {
				return fail(err)
			}
		case protowire.Fixed32Type:
			size = 4
		case protowire.Fixed64Type:
			size = 8
		case protowire.BytesType:
			v, err := w.varint()
			if err != nil {
				return fail(err)
			}
			if v > uint64(end) {
				return fail(fmt.Errorf("a field of %d bytes", v))
			}
			size = int64(v)
		default:
			return fail(fmt.Errorf("field %d is of wire type %d", number, kind))
		}
		if w.pos+size > end {
			return fail(fmt.Errorf("field %d ends %d bytes after it", number, w.pos+size-end))
		}
		next := w.pos + size
		field := d.Fields().ByNumber(number)
		switch {
		case kind != protowire.BytesType || field == nil || field.Message() == nil:
			w.skip(size)
		case d.FullName() == tensorName && field.Name() == "external_data":
			if data == nil {
				data = &external{offset: -1, length: -1}
			}
			err = w.entry(data, size)
		default:
			err = w.message(field.Message(), next, depth+1)
		}
		if err != nil {
			return fail(err)
		}
		if w.pos != next {
			return fail(fmt.Errorf("field %d does not end where it says", number))
		}
	}
	if data == nil {
		return nil
	}
	data.offset = max(data.offset, 0)
	if w.found = append(w.found, *data); len(w.found) > maxExternal {
		return fail(fmt.Errorf("more than %d tensors have their data elsewhere", maxExternal))
	}
	return nil
}

// entry reads one key and value of a tensor's external data.
func (w *walk) entry(data *external, size int64) error {
	if size > maxText {
		return fmt.Errorf("an entry of external data has %d bytes, want at most %d", size, maxText)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(w.at, b); err != nil {
		return io.ErrUnexpectedEOF
	}
	w.pos += size
	var e onnxpb.StringStringEntryProto
	if err := proto.Unmarshal(b, &e); err != nil {
		return err
	}
	number := func(to *int64) error {
		v, err := strconv.ParseInt(e.Value, 10, 64)
		if err != nil || v < 0 || *to != -1 {
			return fmt.Errorf("external data has %s %.80q, want one number from 0", e.Key, e.Value)
		}
		*to = v
		return nil
	}
	switch e.Key {
	case "location":
		if data.location != "" || e.Value == "" {
			return fmt.Errorf("external data has location %.80q and %.80q, want one", data.location, e.Value)
		}
		data.location = e.Value
	case "offset":
		return number(&data.offset)
	case "length":
		return number(&data.length)
	case "checksum":
	default:
		return fmt.Errorf("external data has the key %.80q, want location, offset, length", e.Key)
	}
	return nil
}
