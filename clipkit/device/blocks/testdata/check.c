// Built and run by the tests of package blocks, with the name of the check to run, or none for all. It needs -fno-builtin: the compiler takes for granted that
// posix_memalign changes none of these variables.
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

// The system's answer when it gives no more memory, for check_refused.
static int refuses;
static int maybe_mprotect(void *at, size_t n, int how) { return refuses ? (errno = ENOMEM, -1) : mprotect(at, n, how); }
#define mprotect maybe_mprotect
#include "../blocks.c"
#include <stdio.h>

#if defined(__linux__) && defined(__GLIBC__)
#include <signal.h>
#include <sys/wait.h>
#define CHECK(ok, ...) \
    do { \
        if (!(ok)) { printf("line %d: %s: ", __LINE__, #ok), printf(__VA_ARGS__), printf("\n"); exit(1); } \
    } while (0)
#define HELD 24

static void fill(unsigned char *p, size_t n, unsigned char with) {
    for (size_t i = 0; i < n; i += 997) p[i] = with + i;
    p[n - 1] = with;
}

static void verify(unsigned char *p, size_t n, unsigned char with) {
    CHECK(p[n - 1] == with, "%zu bytes", n);
    for (size_t i = 0; i < n - 1; i += 997) CHECK(p[i] == (unsigned char)(with + i), "byte %zu of %zu", i, n);
}

static void *hammer(void *seed) {
    unsigned r = (unsigned)(uintptr_t)seed;
    unsigned char *at[HELD] = {0}, with[HELD];
    size_t size[HELD];
    for (int step = 0; step < 4000; step++) {
        int k = rand_r(&r) % HELD;
        if (!at[k]) {
            // A step's sizes come again and again; some blocks are small, some alignments are none of ours.
            size[k] = rand_r(&r) % 4 ? ((size_t)1 << 20) + (rand_r(&r) % 9) * 300000 : 1 + rand_r(&r) % 5000;
            size_t alignment = (size_t)8 << (rand_r(&r) % 10), n = size[k];
            void *p;
            CHECK(posix_memalign(&p, alignment, n) == 0, "%zu bytes", n);
            CHECK((uintptr_t)p % alignment == 0, "%p for %zu", p, alignment);
            CHECK(malloc_usable_size(p) >= n, "%zu of %zu", malloc_usable_size(p), n);
            CHECK(!(n >= LARGE && alignment <= ALIGN) == !is_ours(p), "%zu bytes aligned to %zu", n, alignment);
            at[k] = p, with[k] = (unsigned char)rand_r(&r);
            fill(p, n, with[k]);
            continue;
        }
        if (rand_r(&r) % 8 == 0) {
            size_t n = 1 + rand_r(&r) % 3000000;
            unsigned char *p = realloc(at[k], n), last = with[k];
            CHECK(p, "%zu bytes", n);
            if (n >= size[k]) CHECK(p[size[k] - 1] == last, "growing to %zu", n);
            at[k] = p, size[k] = n;
            fill(p, n, last);
        }
        verify(at[k], size[k], with[k]);
        free(at[k]), at[k] = NULL;
    }
    for (int k = 0; k < HELD; k++) free(at[k]);
    return NULL;
}

// in_child runs work in a process of its own and gives how that ended; what it wrote to standard error is in said.
static char said[512];
static int in_child(void (*work)(void)) {
    int out[2], status;
    CHECK(pipe(out) == 0, "pipe");
    pid_t child = fork();
    if (!child) {
        alarm(600); // far beyond what it takes; a lock that nobody will open ends here
        dup2(out[1], 2);
        work();
        _exit(0);
    }
    close(out[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(out[0], said + n, sizeof said - 1 - n)) > 0;) n += got;
    said[n] = 0;
    close(out[0]);
    CHECK(waitpid(child, &status, 0) == child, "child");
    return status;
}

static void *some(size_t n) {
    void *p;
    CHECK(posix_memalign(&p, 64, n) == 0, "%zu bytes", n);
    return p;
}

static void allocate(void) {
    for (int i = 0; i < 4; i++) free(memset(some(3 << 20), 1, 3 << 20));
}
static void free_twice(void) {
    void *p = some(3 << 20);
    free(p), free(p);
}
static void free_what_was_given_back(void) {
    void *p = some(3 << 20);
    free(p), malloc_trim(0), free(p);
}
static void free_the_middle(void) { free((char *)some(3 << 20) + 64); }
static void realloc_freed(void) {
    void *p = some(3 << 20);
    free(p), p = realloc(p, 4 << 20);
}

static void *foreign;
static int foreign_freed;
static void stand_in(void *p) { foreign_freed += p == foreign; }


// Four threads allocate, fill, grow and free at random, and nothing they wrote may change, while the process forks.
static void check_fork(void) {
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, hammer, (void *)(i + 1));
    for (int i = 0; i < 20; i++) {
        int status = in_child(allocate);
        CHECK(status == 0, "a fork beside threads that allocate ended with %d: %s", status, said);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK(used == 0 && waiting > 0, "%zu in use, %zu wait", used, waiting);
    CHECK(waiting <= most + most / 32, "%zu wait, at most %zu were in use", waiting, most);
}

static void check_kept(void) {
    void *a = some(5 << 20), *b;
    free(a);
    b = some((5 << 20) - 4096);
    CHECK(a == b, "a block of about the size waits");
    CHECK(used > 0 && used + waiting <= most + most / 32, "%zu in use, %zu wait, %zu at most", used, waiting, most);
    malloc_trim(0);
    CHECK(waiting == 0 && most == used, "%zu wait", waiting);
    CHECK(realloc(b, 0) == NULL && used == 0, "%zu in use", used);
}

// What is refused changes nothing: neither what is in use, nor how much may wait.
static void check_refused(void) {
    void *a, *b;
    free(some(5 << 20));
    size_t before = most;
    CHECK(posix_memalign(&a, 64, SIZE_MAX / 2 - 4096) != 0, "more than there is");
    CHECK(posix_memalign(&a, 64, (size_t)1 << 46) != 0, "more than the arena");
    b = some(LARGE);
    CHECK(posix_memalign(&a, 64, ARENA - SLOT) != 0 || !is_ours(a), "the arena but for its last slot, beside a block");
    free(b);
    CHECK(used == 0 && most == before, "%zu in use, %zu at most, it was %zu", used, most, before);
    // The system may refuse what would fit into the arena.
    refuses = 1;
    int refused = posix_memalign(&a, 64, (size_t)1 << 30);
    refuses = 0;
    CHECK(refused || !is_ours(a), "no memory, and it was given");
    if (!refused) free(a); // the next allocator found some
    CHECK(used == 0 && most == before, "%zu in use, %zu at most, it was %zu", used, most, before);
    for (int i = 0; i < 8; i++) { // and what is kept from now on is what was kept before
        a = some(5 << 20), b = some(1 << 20);
        free(a), free(b);
        CHECK(waiting <= most + most / 32 && most <= before + (2 << 20), "%zu wait, %zu at most, it was %zu", waiting, most, before);
    }
}

static void on_abort(int signal) { // as a reporter of crashes may
    (void)signal;
    free(memset(some(3 << 20), 1, 3 << 20));
}
static void free_twice_with_a_reporter(void) {
    signal(SIGABRT, on_abort);
    free_twice();
}

static void check_twice(void) {
    void (*wrong[])(void) = {free_twice, free_what_was_given_back, free_the_middle, realloc_freed, free_twice_with_a_reporter};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int status = in_child(wrong[i]);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(said, "(): memory that"), "mistake %zu ended with %d: %s", i, status, said);
    }
}

// Memory of another allocator is not read: here even its page, and the one before it, could not be.
static void check_foreign(void) {
    char *pages = mmap(NULL, 2 * SLOT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED, "mmap");
    void (*libc)(void *) = next_free;
    next_free = stand_in;
    for (size_t at = 0; at < SLOT + PAGE; at += ALIGN) foreign = pages + at, free(foreign);
    next_free = libc;
    CHECK(foreign_freed == (SLOT + PAGE) / ALIGN, "%d", foreign_freed);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*check)(void);
    } all[] = {{"fork", check_fork}, {"kept", check_kept}, {"refused", check_refused}, {"twice", check_twice}, {"foreign", check_foreign}};
    if (getenv("CLIPKIT_BLOCKS")) {
        void *a = some(5 << 20);
        CHECK(!is_ours(a), "off");
        free(a);
        return puts("ok") < 0;
    }
    CHECK(arena, "no arena");
    int ran = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (argc < 2 || !strcmp(argv[1], all[i].name)) all[i].check(), ran++;
    CHECK(ran, "no check is called %s", argv[1]);
    return puts("ok") < 0;
}
#else
#include <stdio.h>
int main(void) { return puts("ok") < 0; }
#endif
