//go:build unix

package weights

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forget tells the system that the pages of a mapped tensor are not needed any more, so that a large model that has been copied to the
// device does not count twice. The bytes stay readable: they would be fetched from the file again.
func (f *File) forget(t Tensor) {
	page := os.Getpagesize()
	if f.mapped == nil || len(t.Data) < 2*page {
		return
	}
	if base := uintptr(unsafe.Pointer(unsafe.SliceData([]byte(f.mapped)))); !within(t.Data, base, len(f.mapped)) {
		return // joined or transposed: not in the file
	}
	start := page - int(uintptr(unsafe.Pointer(unsafe.SliceData(t.Data)))%uintptr(page))
	whole := t.Data[start : start+(len(t.Data)-start)/page*page]
	_ = unix.Madvise(whole, unix.MADV_DONTNEED) // only advice
}

func within(data []byte, base uintptr, size int) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	return at >= base && at+uintptr(len(data)) <= base+uintptr(size)
}
