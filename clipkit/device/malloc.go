package device

// #include <stdlib.h>
// #if defined(__GLIBC__)
// #include <malloc.h>
// static int own; // the environment has its own wishes
// // Runs before the program has threads, as only then they all come to share one arena; the others cannot hold large blocks.
// __attribute__((constructor)) static void keep_memory(void) {
//     own = getenv("MALLOC_MMAP_THRESHOLD_") || getenv("MALLOC_TRIM_THRESHOLD_") || getenv("MALLOC_ARENA_MAX") || getenv("MALLOC_MMAP_MAX_");
//     if (own) return;
//     mallopt(M_ARENA_MAX, 1);
//     mallopt(M_MMAP_THRESHOLD, 128 << 20);
//     mallopt(M_TRIM_THRESHOLD, -1);
// }
// static int kept;
// static void keep_blocks(void) {
//     if (own || kept) return;
//     kept = 1;
//     malloc_trim(0); // what compiling left
//     mallopt(M_MMAP_MAX, 0);
// }
// static void free_blocks(void) {
//     if (own || !kept) return;
//     kept = 0;
//     mallopt(M_MMAP_MAX, 65536);
//     malloc_trim(0);
// }
// #else
// static void keep_blocks(void) {}
// static void free_blocks(void) {}
// #endif
import "C"

// An engine on the processor takes all memory of a step from malloc and frees it afterwards. glibc hands large blocks back to the system, and
// clearing their pages anew is up to a tenth of a step's time, more on some virtual machines. Keeping everything makes it fast, but the one block
// of all intermediate values is then taken twice: beside the first lies what a first step leaves behind, and the second no longer fits between.
// So what is freed is kept, up to blocks of 128 MiB; and the largest ones from the second step on. ViT-B-16, batch 8: 5.0 GB where keeping all
// took 6.1.

// KeepBlocks has the process keep also the largest blocks of memory that are freed from now on, for steps that are alike. Call it after the first.
func KeepBlocks() { C.keep_blocks() }

// FreeBlocks ends KeepBlocks and hands back what is free.
func FreeBlocks() { C.free_blocks() }
