package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"unsafe"

	"clipnb/clipkit/device"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/tensor"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// Ident is a model's identity: what feature files, indexes and runs keep of the model that made them, to know it again. (GoMLX's graph package,
// which the files of this one import whole, has an Identity.)
type Ident struct {
	Name         string `json:"name"`         // shown to people
	Source       string `json:"source"`       // the file, directory or name that it was loaded from
	Architecture string `json:"architecture"` // arch.Config.Name
	Fingerprint  string `json:"fingerprint"`  // Model.Fingerprint
}

// Fingerprint is the SHA-256 of the parameters, written as a safetensors file in float32 without metadata: the same for the same weights on
// every device. It is computed at the first call, a tensor at a time, and kept until the weights may have changed: SetTensor (and Set, Init and
// weights.Load through it) and LendVariables drop it.
//
// That of exported files is their own: it depends on the precision, too.
func (m *Model) Fingerprint() (string, error) {
	if m.exported != nil {
		return m.exported.Fingerprint()
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	if m.fingerprint != "" {
		return m.fingerprint, nil
	}
	h := sha256.New()
	if err := m.hashInto(h, m.Device.Backend.HasSharedBuffers()); err != nil {
		return "", fmt.Errorf("fingerprint of model %q: %w", m.Config.Name, err)
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if m.borrowers == 0 {
		m.fingerprint = sum
	}
	return sum, nil
}

// LendVariables gives out the variables themselves, one per tensor of arch.Config.Tensors under its reference name, for training, which may
// write to them at any time until giveBack. Meanwhile Fingerprint computes at every call.
func (m *Model) LendVariables() (variables *gomodel.Store, giveBack func()) {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.fingerprint = ""
	m.borrowers++
	return m.store, sync.OnceFunc(func() {
		m.writing.Lock()
		defer m.writing.Unlock()
		m.borrowers--
	})
}

// hashInto writes what Fingerprint hashes. shared tells whether the device's memory is the host's.
func (m *Model) hashInto(w io.Writer, shared bool) error {
	var header []tensor.Tensor
	largest := 0
	for _, t := range m.Config.Tensors() {
		largest = max(largest, t.Size())
		if t.Int64 {
			header = append(header, tensor.Tensor{Name: t.Name, DType: "I64"})
			continue
		}
		header = append(header, tensor.Tensor{Name: t.Name, DType: "F32", Shape: t.Shape})
	}
	text, err := weights.SafetensorsHeader(header, nil)
	if err == nil {
		_, err = w.Write(text)
	}
	var room []uint64
	if !shared {
		room = make([]uint64, (4*largest+7)/8) // one for all tensors
	}
	for i := 0; err == nil && i < len(header); i++ {
		err = m.read(header[i].Name, shared, &room, func(t tensor.Tensor) error { return writeAs(w, header[i].DType, t) })
	}
	return err
}

// writeAs writes a tensor's values in a type, converting some at a time.
func writeAs(w io.Writer, dtype string, t tensor.Tensor) error {
	if t.DType == dtype {
		_, err := w.Write(t.Data)
		return err
	}
	const atOnce = 1 << 16
	size := t.Size()
	for from := 0; from < size; from += atOnce {
		to, bytes := min(from+atOnce, size), len(t.Data)/size
		part := tensor.Tensor{Name: t.Name, DType: t.DType, Shape: []int{to - from}, Data: t.Data[from*bytes : to*bytes]}
		values, err := part.Float32()
		if err != nil {
			return err
		}
		if _, err := w.Write(tensor.F32(t.Name, part.Shape, values).Data); err != nil {
			return err
		}
	}
	return nil
}

// read calls use with a tensor, whose Data ends with the call: where the device's memory is the host's (shared), or the tensor has not been moved to
// the device yet, it is the tensor's own memory. Otherwise the tensor is copied into room, which grows as needed; GoMLX's own access would keep a
// copy of every tensor that was once looked at.
func (m *Model) read(name string, shared bool, room *[]uint64, use func(t tensor.Tensor) error) error {
	v, err := m.variable(name)
	if err != nil {
		return err
	}
	err = device.Catch(func() error {
		parts, err := m.Device.Parts(v)
		if err != nil {
			return err
		}
		t := tensor.Tensor{Name: name, DType: fileType[v.DType()], Shape: v.Shape().Dimensions}
		if len(parts) == 1 && (shared || parts[0].HasLocal()) {
			var used error
			err := parts[0].ConstBytes(func(data []byte) {
				t.Data = data
				used = use(t)
			})
			if err != nil {
				return err
			}
			return used
		}
		bytes, part := int(v.Shape().ByteSize()), int(parts[0].ByteSize())
		if words := (bytes + 7) / 8; words > len(*room) {
			*room = make([]uint64, words)
		}
		t.Data = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(*room))), bytes)
		for i, p := range parts {
			buffer, err := p.Buffer(m.Device.Backend, compute.DeviceNum(i))
			if err != nil {
				return err
			}
			start := unsafe.Pointer(&t.Data[i*part])
			if err := buffer.ToFlatData(dtypes.UnsafeAnySliceFromBytes(start, p.DType(), p.Size())); err != nil {
				return err
			}
		}
		return use(t)
	})
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}
