package device

// #include <stdlib.h>
// #ifdef __GLIBC__
// #include <malloc.h>
// static void trim(void) { malloc_trim(0); }
// #else
// static void trim(void) {}
// #endif
import "C"

// TrimMemory gives memory that C libraries have freed back to the system: what compiling leaves, and after training the blocks that wait for a next
// step (package blocks).
func TrimMemory() { C.trim() }
