// Built and run by TestBlocks: four threads allocate, fill, grow and free at random, and nothing they wrote may change. It needs -fno-builtin: the
// compiler takes for granted that posix_memalign changes none of these variables.
#include "../blocks.c"
#include <stdio.h>
#include <unistd.h>

#if defined(__GLIBC__)
#define CHECK(ok, ...) \
    do { \
        if (!(ok)) { printf("line %d: %s: ", __LINE__, #ok), printf(__VA_ARGS__), printf("\n"); exit(1); } \
    } while (0)
#define SLOTS 24

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
    unsigned char *at[SLOTS] = {0}, with[SLOTS];
    size_t size[SLOTS];
    for (int step = 0; step < 4000; step++) {
        int k = rand_r(&r) % SLOTS;
        if (!at[k]) {
            // A step's sizes come again and again; some blocks are small, some alignments are none of ours.
            size[k] = rand_r(&r) % 4 ? ((size_t)1 << 20) + (rand_r(&r) % 9) * 300000 : 1 + rand_r(&r) % 5000;
            size_t alignment = (size_t)8 << (rand_r(&r) % 10), n = size[k];
            void *p;
            CHECK(posix_memalign(&p, alignment, n) == 0, "%zu bytes", n);
            CHECK((uintptr_t)p % alignment == 0, "%p for %zu", p, alignment);
            CHECK(malloc_usable_size(p) >= n, "%zu of %zu", malloc_usable_size(p), n);
            CHECK(!(n >= LARGE && alignment <= ALIGN) == !block_of(p), "%zu bytes aligned to %zu", n, alignment);
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
    for (int k = 0; k < SLOTS; k++) free(at[k]);
    return NULL;
}

int main(void) {
    void *a, *b;
    if (getenv("CLIPKIT_BLOCKS")) {
        CHECK(posix_memalign(&a, 64, 5 << 20) == 0 && !block_of(a), "off");
        free(a);
        return puts("ok") < 0;
    }
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, hammer, (void *)(i + 1));
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK(used == 0 && kept > 0, "%zu in use, %zu kept", used, kept);
    CHECK(kept <= most + most / 32, "%zu kept, at most %zu were in use", kept, most);

    CHECK(posix_memalign(&a, 64, 5 << 20) == 0, "a");
    free(a);
    CHECK(posix_memalign(&b, 64, (5 << 20) - 4096) == 0 && a == b, "a block of about the size waits");
    CHECK(used > 0 && used + kept <= most + most / 32, "%zu in use, %zu kept, %zu at most", used, kept, most);
    clipkit_free_blocks();
    CHECK(kept == 0 && most == used, "%zu kept", kept);
    CHECK(realloc(b, 0) == NULL && used == 0, "%zu in use", used);
    CHECK(posix_memalign(&a, 64, SIZE_MAX / 2 - 4096) != 0 && used == 0, "more than there is");
    CHECK(posix_memalign(&a, 64, (size_t)1 << 46) != 0 && used == 0, "more than can be mapped");
    return puts("ok") < 0;
}
#else
#include <stdio.h>
int main(void) { return puts("ok") < 0; }
#endif
