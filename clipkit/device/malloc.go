package device

// #cgo linux LDFLAGS: -ldl -lpthread
// #include "blocks.h"
import "C"

// An engine on the processor takes all memory of a step from posix_memalign and frees it afterwards. glibc serves an aligned request from a
// larger block and hands on what is left of it on both sides, so that after the next step's small allocations the same request no longer fits
// where it was: ViT-B-16 in bf16 took 5.3 to 6.5 GiB for 4.3 GiB of data, by chance, and its malloc and the kernel's clearing of pages a tenth of
// the time. With blocks.c a large block that is freed waits as it is for the next request of its size, in huge pages where the system has
// them: the same step takes what its data takes, in four fifths of the time (BenchmarkFullStep with CLIPKIT_BLOCKS=off: 2.0 s for 1.63, 5.0 GiB
// for 4.3).

// FreeBlocks gives memory that was freed back to the system: what compiling leaves, and after training the blocks that wait for a next step.
func FreeBlocks() { C.clipkit_free_blocks() }
