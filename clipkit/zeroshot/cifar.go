package zeroshot

import (
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/regular"
)

// The binary version of CIFAR-100: for each picture its coarse class, its fine class, then 32 × 32 levels of red, of green and of blue.
const (
	cifarSide    = 32
	cifarPlane   = cifarSide * cifarSide
	cifarRecord  = 2 + 3*cifarPlane
	cifarClasses = 100
	cifarLimit   = 1_000_000 // pictures; the published files have 10,000 and 50,000
)

// openCIFAR100 opens dir/<split>.bin, "test" or "train", by the 100 fine classes, whose English names are in dir/fine_label_names.txt; labels,
// when not nil, name them otherwise (the order is the same as in ELEVATER's label_cn.txt: apple, aquarium_fish, baby, …).
// The pictures stay in the file, which must not change while the set is open.
func openCIFAR100(dir, split string, labels []string) (Set, error) {
	if labels == nil {
		var err error
		if labels, err = ReadLabels(filepath.Join(dir, "fine_label_names.txt")); err != nil {
			return nil, err
		}
	}
	name := filepath.Join(dir, split+".bin")
	f, err := regular.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening CIFAR-100: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		var s *cifar100
		if s, err = newCIFAR100(name, f, info.Size(), labels); err == nil {
			s.close = sync.OnceValue(f.Close)
			return s, nil
		}
	}
	f.Close()
	return nil, err
}

type cifar100 struct {
	name   string
	data   io.ReaderAt
	labels []string
	class  []int
	close  func() error
}

// newCIFAR100 reads every picture's class, and no pixels yet.
func newCIFAR100(name string, data io.ReaderAt, size int64, labels []string) (*cifar100, error) {
	switch {
	case len(labels) != cifarClasses:
		return nil, fmt.Errorf("%w: %s: %d labels for the %d fine classes of CIFAR-100", ErrInput, name, len(labels), cifarClasses)
	case size == 0 || size%cifarRecord != 0:
		return nil, fmt.Errorf("%w: %s has %d bytes, want a multiple of %d, which is one picture; it is cut off, or CIFAR-10's", ErrInput, name, size, cifarRecord)
	case size/cifarRecord > cifarLimit:
		return nil, fmt.Errorf("%w: %s has %d pictures; at most %d", ErrInput, name, size/cifarRecord, cifarLimit)
	}
	s := &cifar100{name: name, data: data, labels: labels}
	var classes [2]byte
	for i := range size / cifarRecord {
		if _, err := data.ReadAt(classes[:], i*cifarRecord); err != nil {
			return nil, fmt.Errorf("reading picture %d of %s: %w", i, name, err)
		}
		if classes[1] >= cifarClasses {
			return nil, fmt.Errorf("%w: %s: picture %d has the fine class %d, want 0 to %d; this is not CIFAR-100's binary version", ErrInput, name, i, classes[1], cifarClasses-1)
		}
		s.class = append(s.class, int(classes[1]))
	}
	return s, nil
}

func (s *cifar100) Name() string {
	return filepath.Base(filepath.Dir(s.name)) + "/" + filepath.Base(s.name)
}
func (s *cifar100) Labels() []string { return s.labels }
func (s *cifar100) Len() int         { return len(s.class) }
func (s *cifar100) Class(i int) int  { return s.class[i] }
func (s *cifar100) Close() error     { return s.close() }

func (s *cifar100) Picture(i int) (*imaging.Picture, error) {
	var planes [3 * cifarPlane]byte
	if n, err := s.data.ReadAt(planes[:], int64(i)*cifarRecord+2); n < len(planes) {
		return nil, fmt.Errorf("reading picture %d of %s: %w", i, s.name, err)
	}
	p := &imaging.Picture{Mode: imaging.RGB, Width: cifarSide, Height: cifarSide, Pix: make([]byte, 0, len(planes))}
	for at := range cifarPlane {
		p.Pix = append(p.Pix, planes[at], planes[cifarPlane+at], planes[2*cifarPlane+at])
	}
	return p, nil
}
