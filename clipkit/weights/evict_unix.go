//go:build unix

package weights

import (
	"os"
	"slices"
	"unsafe"

	"clipnb/clipkit/weights/tensor"

	"github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// evict tells the system that a mapped tensor's pages may leave memory, so that a large model does not lie there twice once it has been copied
// to the device. The bytes stay readable: reading them again fetches them from the file.
func (f *File) evict(t tensor.Tensor) {
	page := os.Getpagesize()
	if f.mapped == nil || len(t.Data) < 2*page {
		return
	}
	if !slices.ContainsFunc(f.mapped, func(m mmap.MMap) bool {
		return liesWithin(t.Data, uintptr(unsafe.Pointer(unsafe.SliceData([]byte(m)))), len(m))
	}) {
		return // made by Join or Transpose: not in the file
	}
	start := page - int(uintptr(unsafe.Pointer(unsafe.SliceData(t.Data)))%uintptr(page))
	whole := t.Data[start : start+(len(t.Data)-start)/page*page]
	_ = unix.Madvise(whole, unix.MADV_DONTNEED) // only advice
}

func liesWithin(data []byte, base uintptr, size int) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	return at >= base && at+uintptr(len(data)) <= base+uintptr(size)
}
