//go:build unix

package weights

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// evict tells the system that the pages of a mapped tensor may leave memory, so that a large model does not lie there twice once it has been copied
// to the device. The bytes stay readable: reading them again fetches them from the file.
func (m *mappedFile) evict(data []byte) {
	page := os.Getpagesize()
	if len(data) < 2*page || !liesWithin(data, m.data) {
		return // of the second kind are tensors that were made when the file was opened: their memory is Go's
	}
	start := page - int(uintptr(unsafe.Pointer(unsafe.SliceData(data)))%uintptr(page))
	whole := data[start : start+(len(data)-start)/page*page]
	_ = unix.Madvise(whole, unix.MADV_DONTNEED) // only advice
}

func liesWithin(data, all []byte) bool {
	at, base := uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(unsafe.Pointer(unsafe.SliceData(all)))
	return at >= base && at+uintptr(len(data)) <= base+uintptr(len(all))
}
