package exchange

import (
	"errors"
	"fmt"
	"unsafe"
)

// ErrWorld is wrapped when processes cannot be joined, or when one of them is gone.
var ErrWorld = errors.New("exchange")

// World is all processes of a run. Its methods are called by all of them in the same order, and by one goroutine at a time.
type World interface {
	Rank() int  // of this process, from 0
	Size() int  // how many there are
	Local() int // the rank among those of this host

	// Gather puts the mine of rank r at r*len(mine) of all, on every rank; all mines have the same length.
	Gather(mine, all []byte) error
	// Sum adds x up over all ranks, in place: every rank ends with the same bits.
	Sum(x []float32) error
	// Share makes x everywhere what it is on root.
	Share(x []byte, root int) error

	// Abort ends all ranks, after this one's reason was printed. It does not return where there are others.
	Abort(reason error)
	Close() error
}

// Alone is the world of one process.
var Alone World = alone{}

type alone struct{}

func (alone) Rank() int                   { return 0 }
func (alone) Size() int                   { return 1 }
func (alone) Local() int                  { return 0 }
func (alone) Sum([]float32) error         { return nil }
func (alone) Share(_ []byte, r int) error { return inWorld(r, 1) }
func (alone) Abort(error)                 {}
func (alone) Close() error                { return nil }

func (alone) Gather(mine, all []byte) error {
	if len(all) != len(mine) {
		return fmt.Errorf("%w: gathering %d bytes of one process into %d", ErrWorld, len(mine), len(all))
	}
	copy(all, mine)
	return nil
}

func inWorld(root, size int) error {
	if root < 0 || root >= size {
		return fmt.Errorf("%w: rank %d of a world of %d", ErrWorld, root, size)
	}
	return nil
}

// Number is what can travel as its bytes: all processes run on machines of the same byte order.
type Number interface {
	~int32 | ~int64 | ~uint64 | ~float32 | ~float64 | ~uint8
}

// Gather gives the values of all ranks, rank 0's first.
func Gather[T Number](w World, mine []T) ([]T, error) {
	all := make([]T, w.Size()*len(mine))
	return all, w.Gather(bytesOf(mine), bytesOf(all))
}

// Share makes values everywhere what they are on root.
func Share[T Number](w World, values []T, root int) error { return w.Share(bytesOf(values), root) }

func bytesOf[T Number](x []T) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), len(x)*int(unsafe.Sizeof(x[0])))
}
