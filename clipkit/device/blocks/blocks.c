// The allocator of package blocks; blocks.go says why and for whom. posix_memalign gives requests from 1 MiB on a block of the arena: a range of
// addresses that is reserved once and used by nobody else, in slots of 2 MiB. Everything else goes on to the next allocator.
//
// Whether memory is ours is a comparison of its address with the arena's, and what is known of a block stands in a table beside it: no byte of
// anybody's memory is read to find out, and memory that is freed twice, or in its middle, is seen and ends the program, as in glibc.
//
// A block begins at a slot, and the memory handed out a little behind that: at an offset that changes from block to block, so that arrays which
// are walked through together do not fall on the same lines of the caches.
//
// A freed block waits in a list, the oldest first, until somebody wants one of about its size. All that is mapped stays below the most that has
// ever been in use at once and a little more, so that keeping does not raise the peak.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdlib.h>
#if defined(__linux__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LARGE ((size_t)1 << 20)
#define SLOT ((size_t)2 << 20) // a huge page
#define SLOTS 262144u          // 512 GiB of addresses; what does not fit is the next allocator's
#define ARENA (SLOT * SLOTS)
#define PAGE ((size_t)4096)
#define ALIGN ((size_t)128)
#define COLOURS 24u

// block is what is known of the block that begins at a slot. The table's pages are zero, and take no memory, until blocks begin there.
typedef struct {
    uint32_t slots;  // it covers; 0 = none begins here
    uint32_t pages;  // mapped, from its beginning
    uint32_t next;   // in the list of free ones, 1 + its slot; 0 = the last
    uint16_t offset; // of the memory handed out
    uint16_t in_use;
} block;

static block table[SLOTS];
static char *arena; // NULL: nothing is served from here
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t oldest, newest;   // 1 + slot of free blocks
static uint32_t top;              // no block lies from this slot on
static size_t used, waiting, most; // bytes of mappings in use, of those in the list, and of the former the most at once
static unsigned colour;

// The next allocator's calls. Looking them up may itself allocate and free: what is freed meanwhile is left.
static void (*next_free)(void *);
static void *(*next_realloc)(void *, size_t);
static size_t (*next_usable)(void *);
static int (*next_memalign)(void **, size_t, size_t);
static int (*next_trim)(size_t);

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }

__attribute__((constructor)) static void begin(void) {
    if (next_free) return;
    next_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    next_usable = (size_t(*)(void *))dlsym(RTLD_NEXT, "malloc_usable_size");
    next_memalign = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    next_trim = (int (*)(size_t))dlsym(RTLD_NEXT, "malloc_trim");
    next_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    const char *wish = getenv("CLIPKIT_BLOCKS");
    if ((wish && !strcmp(wish, "off")) || pthread_atfork(before_fork, after_fork, after_fork)) return;
    char *at = mmap(NULL, ARENA + SLOT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return; // a limit on addresses (ulimit -v)
    arena = (char *)(((uintptr_t)at + SLOT - 1) & ~(SLOT - 1));
}

static int is_ours(void *p) { return arena && (uintptr_t)p - (uintptr_t)arena < ARENA; }

static char *start(block *b) { return arena + (size_t)(b - table) * SLOT; }
static size_t length(block *b) { return b->pages * PAGE; }
static size_t usable(block *b) { return length(b) - b->offset; }

// block_of gives the block of memory that is ours. The lock is held; it is opened before the program ends, because what a program does on SIGABRT may allocate.
static block *block_of(void *p, const char *call) {
    block *b = &table[((uintptr_t)p - (uintptr_t)arena) / SLOT];
    if (b->slots && b->in_use && (char *)p == start(b) + b->offset) return b;
    pthread_mutex_unlock(&lock);
    static const char said[] = "(): memory that was freed already, or that nobody gave out (clipkit/device/blocks)\n";
    if (write(2, call, strlen(call)) >= 0 && write(2, said, sizeof said - 1) >= 0) abort();
    abort();
}

static size_t usable_of(void *p, const char *call) {
    pthread_mutex_lock(&lock);
    size_t n = usable(block_of(p, call));
    pthread_mutex_unlock(&lock);
    return n;
}

// unlink_block takes a block out of the list; before is the one before it, NULL where it is the oldest.
static void unlink_block(block *before, block *b) {
    *(before ? &before->next : &oldest) = b->next;
    if (newest == 1 + (b - table)) newest = before ? 1 + (before - table) : 0;
    waiting -= length(b);
}

// unmap_waiting gives free blocks back to the system, the oldest first, until no more than limit bytes of them are left.
static void unmap_waiting(size_t limit) {
    while (waiting > limit) {
        block *b = &table[oldest - 1];
        unlink_block(NULL, b);
        if (mmap(start(b), length(b), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            madvise(start(b), length(b), MADV_DONTNEED); // too many mappings: the addresses stay readable, the memory goes
        b->slots = 0;
    }
}

// map_block maps pages at the first place that is large enough.
static block *map_block(uint32_t pages) {
    uint32_t slots = (pages * PAGE + SLOT - 1) / SLOT, at = 0;
    for (uint32_t i = 0; i < top && i - at < slots;) {
        if (table[i].slots) i += table[i].slots, at = i;
        else i++;
    }
    if (at + (size_t)slots > SLOTS) return NULL;
    block *b = &table[at];
    if (mprotect(start(b), pages * PAGE, PROT_READ | PROT_WRITE)) return NULL;
    madvise(start(b), pages * PAGE, MADV_HUGEPAGE);
    *b = (block){.slots = slots, .pages = pages, .offset = ALIGN * (1 + colour++ % COLOURS)};
    if (at + slots > top) top = at + slots;
    return b;
}

static void *take(size_t size) {
    if (!arena || size > ARENA - 2 * PAGE) return NULL;
    uint32_t pages = (size + 2 * PAGE - 1) / PAGE;
    pthread_mutex_lock(&lock);
    block *best = NULL, *before_best = NULL, *before = NULL;
    for (uint32_t i = oldest; i; before = &table[i - 1], i = before->next) {
        block *b = &table[i - 1];
        if (b->pages >= pages && b->pages - pages <= pages / 8 && (!best || b->pages < best->pages)) best = b, before_best = before;
    }
    if (best) {
        unlink_block(before_best, best);
    } else {
        size_t want = used + pages * PAGE, limit = want > most ? want : most;
        unmap_waiting(limit - want + limit / 32);
        if (!(best = map_block(pages))) {
            unmap_waiting(0);
            best = map_block(pages);
        }
    }
    if (best) {
        best->in_use = 1;
        used += length(best);
        if (used > most) most = used;
    }
    pthread_mutex_unlock(&lock);
    return best ? start(best) + best->offset : NULL;
}

static void give(void *p, const char *call) {
    pthread_mutex_lock(&lock);
    block *b = block_of(p, call);
    b->in_use = 0, b->next = 0;
    used -= length(b);
    waiting += length(b);
    *(newest ? &table[newest - 1].next : &oldest) = 1 + (b - table);
    newest = 1 + (b - table);
    pthread_mutex_unlock(&lock);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    begin();
    if (size >= LARGE && alignment <= ALIGN && alignment >= sizeof(void *) && !(alignment & (alignment - 1))) {
        int before = errno;
        void *p = take(size);
        errno = before; // what the system said of a try that failed is not for the caller
        if (p) return *out = p, 0;
    }
    return next_memalign(out, alignment, size); // who may find a place among the smaller ones
}

void free(void *p) {
    if (is_ours(p)) give(p, "free");
    else if (next_free) next_free(p);
}

void *realloc(void *p, size_t size) {
    begin();
    if (!is_ours(p)) return next_realloc(p, size);
    size_t had = usable_of(p, "realloc");
    void *other = size ? malloc(size) : NULL;
    if (other) memcpy(other, p, had < size ? had : size);
    if (other || !size) give(p, "realloc");
    return other;
}

void *reallocarray(void *p, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) return errno = ENOMEM, NULL;
    return realloc(p, bytes);
}

size_t malloc_usable_size(void *p) {
    begin();
    return is_ours(p) ? usable_of(p, "malloc_usable_size") : next_usable(p);
}

// malloc_trim gives what is free, large or small, back to the system, and counts the most in use anew.
int malloc_trim(size_t pad) {
    begin();
    pthread_mutex_lock(&lock);
    int given = waiting > 0;
    unmap_waiting(0);
    most = used;
    pthread_mutex_unlock(&lock);
    return (next_trim && next_trim(pad)) || given;
}
#endif
