// Large blocks of memory for the engines on the processor; malloc.go says why. What posix_memalign gives out from 1 MiB on comes from here: the
// engines' libraries find these calls in the program before they find libc's. Everything else goes on to the next allocator.
//
// A block is mapped by itself. Its first page has a header and then, at an offset that changes from block to block so that arrays which are
// walked through together do not fall on the same lines of the caches, the memory handed out:
//
//	mapping, at a multiple of 2 MiB:  | … header | memory … |
//
// A freed block waits in a list, the oldest first, until somebody wants one of about its size. All that is mapped stays below the most that has
// ever been in use at once and a little more, so that keeping does not raise the peak.
#define _GNU_SOURCE
#include "blocks.h"
#include <stdlib.h>
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE ((size_t)1 << 20)
#define HUGE_PAGE ((size_t)2 << 20)
#define PAGE ((size_t)4096)
#define ALIGN ((size_t)128)
#define COLOURS 24
#define MAGIC 0x636c69706b697421u

typedef struct block {
    size_t length;      // of the mapping
    struct block *next; // in the list of free ones
    void *mapping;
    uint64_t magic; // of this address, directly before the memory
} block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static block *oldest, *newest;
static size_t used, kept, most; // bytes of mappings in use, in the list, and of the former the most at once
static unsigned colour;
static int off; // CLIPKIT_BLOCKS=off

// The next allocator's calls. Looking them up may itself allocate and free: what is freed meanwhile is left.
static void (*next_free)(void *);
static void *(*next_realloc)(void *, size_t);
static size_t (*next_usable)(void *);
static int (*next_memalign)(void **, size_t, size_t);

__attribute__((constructor)) static void find_next(void) {
    if (next_free) return;
    const char *wish = getenv("CLIPKIT_BLOCKS");
    off = wish && !strcmp(wish, "off");
    next_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    next_usable = (size_t(*)(void *))dlsym(RTLD_NEXT, "malloc_usable_size");
    next_memalign = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    next_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
}

// block_of gives the header of memory that came from here, else NULL. What lies before memory of another allocator may be read: its own header.
static inline block *block_of(void *p) {
    uintptr_t within = (uintptr_t)p & (HUGE_PAGE - 1);
    if (within < ALIGN || within > PAGE || within % ALIGN) return NULL;
    if (((uint64_t *)p)[-1] != (MAGIC ^ (uintptr_t)p)) return NULL;
    return (block *)p - 1;
}

static size_t usable(block *b) { return (size_t)((char *)b->mapping + b->length - (char *)(b + 1)); }

// unlink_block takes a block out of the list; before is the one before it.
static void unlink_block(block *before, block *b) {
    *(before ? &before->next : &oldest) = b->next;
    if (newest == b) newest = before;
    kept -= b->length;
}

// map_block maps length bytes.
static block *map_block(size_t length) {
    char *at = mmap(NULL, length + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return NULL;
    char *start = (char *)(((uintptr_t)at + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1)), *end = at + length + HUGE_PAGE;
    if (start > at) munmap(at, start - at);
    if (end > start + length) munmap(start + length, end - (start + length));
    madvise(start, length, MADV_HUGEPAGE);
    block *b = (block *)(start + ALIGN * (1 + colour++ % COLOURS)) - 1;
    b->length = length, b->next = NULL, b->mapping = start, b->magic = MAGIC ^ (uintptr_t)(b + 1);
    return b;
}

// drop gives free blocks back to the system, the oldest first, until no more than limit bytes of them are left.
static void drop(size_t limit) {
    while (kept > limit) {
        block *b = oldest;
        unlink_block(NULL, b);
        munmap(b->mapping, b->length);
    }
}

static void *take(size_t size) {
    size_t length = (size + PAGE + PAGE - 1) & ~(PAGE - 1);
    pthread_mutex_lock(&lock);
    block *best = NULL, *before_best = NULL, *before = NULL;
    for (block *b = oldest; b; before = b, b = b->next)
        if (b->length >= length && b->length - length <= length / 8 && (!best || b->length < best->length)) best = b, before_best = before;
    if (best) {
        unlink_block(before_best, best);
        used += best->length;
        if (used > most) most = used;
    } else {
        used += length;
        if (used > most) most = used;
        drop(most - used + most / 32);
        if (!(best = map_block(length))) {
            drop(0);
            best = map_block(length);
        }
        if (!best) used -= length;
    }
    pthread_mutex_unlock(&lock);
    return best ? best + 1 : NULL;
}

static void give(block *b) {
    pthread_mutex_lock(&lock);
    used -= b->length;
    kept += b->length;
    b->next = NULL;
    *(newest ? &newest->next : &oldest) = b;
    newest = b;
    pthread_mutex_unlock(&lock);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    find_next();
    if (off || size < LARGE || size > PTRDIFF_MAX / 2 || alignment > ALIGN || alignment < sizeof(void *) || alignment & (alignment - 1))
        return next_memalign(out, alignment, size);
    void *p = take(size);
    if (!p) return next_memalign(out, alignment, size); // who may find a place among the smaller ones
    *out = p;
    return 0;
}

void free(void *p) {
    block *b = p ? block_of(p) : NULL;
    if (b) {
        give(b);
    } else if (next_free) {
        next_free(p);
    }
}

void *realloc(void *p, size_t size) {
    find_next();
    block *b = p ? block_of(p) : NULL;
    if (!b) return next_realloc(p, size);
    void *other = size ? malloc(size) : NULL;
    if (other) memcpy(other, p, usable(b) < size ? usable(b) : size);
    if (other || !size) give(b);
    return other;
}

size_t malloc_usable_size(void *p) {
    find_next();
    block *b = p ? block_of(p) : NULL;
    return b ? usable(b) : next_usable(p);
}

void clipkit_free_blocks(void) {
    pthread_mutex_lock(&lock);
    drop(0);
    most = used;
    pthread_mutex_unlock(&lock);
    malloc_trim(0);
}
#else
void clipkit_free_blocks(void) {}
#endif
