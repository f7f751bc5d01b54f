// Package blocks keeps the large blocks of memory that an engine on the processor frees for its next step. A program that trains there imports it:
//
//	import _ "clipnb/clipkit/device/blocks"
//
// or, where it has no place for that line, is built with -tags clipkit_blocks: so are the cells of "Go · CPU" (kernels/cpu/kernel.json). It has to be
// linked into the program, as a preloaded library would also be loaded by every compiler and shell that a cell starts, and would have to be built and
// found first.
//
// On Linux with glibc, posix_memalign, free, realloc, reallocarray, malloc_usable_size and malloc_trim of such a program come before libc's, or before
// those of a preloaded allocator, which serves everything else (blocks.c). Elsewhere the package does nothing. CLIPKIT_BLOCKS=off in the environment
// switches it off. device.TrimMemory gives all that waits back.
//
// # Why
//
// An engine takes all memory of a step from posix_memalign and frees it afterwards. glibc serves an aligned request from a larger block and hands on
// what is left of it on both sides, so that after the next step's small allocations the same request no longer fits where it was: the memory of a
// step of ViT-B-16 in bf16 depends on chance, and malloc and the kernel's clearing of pages take a tenth of the time. Here a large block that is freed
// waits as it is for the next request of its size, in huge pages where the system has them.
//
// Beside other allocators, preloaded: CPU seconds a step and the largest resident size, on 2 cores of Zen 5 with much other work (train's
// BenchmarkFullStep/bf16/batch=8/texts=52 and BenchmarkStep/cpu:xla). Lines with a star ran within the hour, the others at the same time as blocks:
//
//	                                      ViT-B-16 in bf16      emoji
//	blocks                                6.4 s, 4411 MiB       0.70 s,  983 MiB
//	jemalloc 5.3, thp:always              7.4 s, 4799 MiB       0.80 s, 1114 MiB
//	jemalloc 5.3                        * 8.3 s, 4436 MiB
//	mimalloc 2.0, large pages             8.2 s, 5146 MiB       1.13 s, 1244 MiB
//	glibc, all thresholds at 16 GiB,    * 7.8 s, 5141 MiB       0.98 s, 1054 MiB
//	  top_pad 256 MiB, hugetlb=1
//	glibc                               * 8.2 s, 5782 MiB       1.09 s, 1024 MiB
package blocks

// #cgo linux LDFLAGS: -ldl -lpthread
import "C"
