// Package blocks keeps the large blocks of memory that an engine on the processor frees for its next step. A program that trains there imports it:
//
//	import _ "clipnb/clipkit/device/blocks"
//
// A program that imports clipnb/clipkit may be built with -tags clipkit_blocks instead, which is how the Jupyter kernel compiles cells. On Linux
// with glibc, posix_memalign, free, realloc, reallocarray, malloc_usable_size and malloc_trim of such a program then come before libc's, or before
// those of a preloaded allocator, which serves everything else (blocks.c). CLIPKIT_BLOCKS=off in the environment leaves it all to that one. Nothing
// else in clipkit depends on this package.
package blocks

// #cgo linux LDFLAGS: -ldl -lpthread
import "C"
