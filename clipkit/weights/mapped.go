package weights

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"clipnb/clipkit/internal/mapping"
	"clipnb/clipkit/weights/tensor"

	"github.com/edsrzf/mmap-go"
)

// mappedFile is a file whose tensors lie in a mapping. It may be cut short by another program at any moment, and devices and C would end this program
// then: they get bytes that were copied before, one tensor at a time.
type mappedFile struct {
	file *os.File
	data mmap.MMap
	room sync.Pool // of *[]byte
}

func mapFile(file *os.File) (*mappedFile, error) {
	data, err := mmap.Map(file, mmap.RDONLY, 0)
	return &mappedFile{file: file, data: data}, err
}

// guard runs work, which reads the mapping.
func (m *mappedFile) guard(work func() error) error {
	err := mapping.Guard(work)
	if err == nil {
		err = mapping.Check(m.file, int64(len(m.data))) // what was cut off within a page reads as zeros
	}
	return err
}

// lent is a tensor of the file that is copied where it is used.
func (m *mappedFile) lent(t tensor.Tensor) tensor.Tensor {
	return tensor.Lent(t.Name, t.DType, t.Shape, func(use func([]byte) error) error {
		room, ok := m.room.Get().(*[]byte)
		if !ok {
			room = new([]byte)
		}
		defer m.room.Put(room)
		err := m.guard(func() error {
			return t.Use(func(data []byte) error {
				*room = append((*room)[:0], data...)
				return nil
			})
		})
		if errors.Is(err, mapping.ErrCut) {
			err = fmt.Errorf("tensor %q: %w; copy or download it again", t.Name, err)
		}
		if err != nil {
			return err
		}
		m.evict(t.Data)
		return use(*room)
	})
}

func (m *mappedFile) close() error {
	err := m.data.Unmap()
	if other := m.file.Close(); err == nil {
		err = other
	}
	return err
}
