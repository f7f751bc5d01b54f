#include "library.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __SSE2__
#include <xmmintrin.h>
#endif

// Sums of ranks that share a host, through a window of shared memory that MPI makes for them: MPI's own reductions copy every piece through queues of
// small messages. Of each piece every rank adds up one slice, so that all get the same bits: pairs of ranks first, then pairs of pairs, so that four
// ranks with a micro-batch each get those of two with two. A piece is read and written once in memory; what goes between the ranks stays in their
// common cache. With several hosts each slice is then added up over the ranks that have it, by MPI.

enum {
    PIECE = 1 << 18, // floats, 1 MiB
    BLOCK = 1 << 10, // floats that are added up at a time, in the innermost cache
    TRIED = 16 * PIECE, // what a way of adding up is tried with
    LINE = 16,       // floats in a line of the cache: two ranks never write to the same one
};

static struct {
    handle ranks;  // of this host
    handle across; // those of the same place on all hosts
    int local;     // the rank among those of this host
    int rank, size, hosts;
    handle window;
    float **of; // [size]: two pieces of each rank, used in turns
    int turn;
    int chosen, past; // past: values for others are written past the caches
} host;

int host_rank(void) { return host.local; }
int host_shares(void) { return host.of != NULL; }

// same tells whether value is the same on all ranks.
static int same(int value, int size, int *yes) {
    int *all = malloc(size * sizeof *all), e = f.allgather(&value, sizeof value, k.byte, all, sizeof value, k.byte, k.world);
    *yes = 1;
    for (int i = 0; i < size && !e; i++)
        if (all[i] != value) *yes = 0;
    free(all);
    return e;
}

int host_open(int rank, int size, int window, int most) {
    int equal, e = f.split(k.world, k.shared, rank, k.info_null, &host.ranks);
    if (!e) e = f.rank(host.ranks, &host.local);
    if (!e && most) e = f.split_by(host.ranks, rank / most, rank, &host.ranks);
    if (!e) e = f.rank(host.ranks, &host.rank);
    if (!e) e = f.size(host.ranks, &host.size);
    if (!e) e = same(host.size, size, &equal);
    if (e || !equal || !window || host.size == 1) return e;
    host.hosts = size / host.size;
    if (host.hosts > 1 && (e = f.split_by(k.world, host.rank, rank, &host.across))) return e;
    if ((e = f.handler(host.ranks, k.errors_return))) return e;

    void *own;
    float **of = malloc(host.size * sizeof *of);
    int made = !f.window(2 * PIECE * sizeof(float), sizeof(float), k.info_null, host.ranks, &own, &host.window);
    for (int r = 0; r < host.size && made; r++) {
        intptr_t bytes;
        int unit;
        made = !f.window_of(host.window, r, &bytes, &unit, &of[r]);
    }
    made = made && !f.window_open(0, host.window);
    e = same(made, size, &equal);
    if (e || !equal || !made) { // a small /dev/shm: MPI's own sums do without
        free(of);
        return e;
    }
    host.of = of;
    return 0;
}

int host_close(void) {
    if (!host_shares()) return 0;
    free(host.of);
    host.of = NULL;
    int e = f.window_shut(host.window);
    return e ? e : f.window_free(&host.window);
}

// meet waits until all ranks of the host are here, and see what the others have written.
static int meet(void) {
    int e = f.window_sync(host.window);
    if (!e) e = f.barrier(host.ranks);
    return e ? e : f.window_sync(host.window);
}

// begins is where slice s of n values begins.
static size_t begins(int s, size_t n) {
    size_t at = n * s / host.size / LINE * LINE;
    return s == host.size ? n : at;
}

// tree adds n values of ranks first to first + ranks - 1 up, by halves.
static void tree(float *sum, const float **of, int first, int ranks, size_t n) {
    if (ranks == 1) {
        memcpy(sum, of[first], n * sizeof *sum);
        return;
    }
    int half = 1;
    while (2 * half < ranks) half *= 2;
    float right[BLOCK];
    tree(sum, of, first, half, n);
    tree(right, of, first + half, ranks - half, n);
    for (size_t i = 0; i < n; i++) sum[i] += right[i];
}

// give copies n values to where other ranks take them.
static void give(float *to, const float *from, size_t n) {
#ifdef __SSE2__
    if (host.past) {
        for (; n && (uintptr_t)to % 16; n--) *to++ = *from++;
        for (; n >= 4; n -= 4, to += 4, from += 4) _mm_stream_ps(to, _mm_loadu_ps(from));
        for (; n; n--) *to++ = *from++;
        _mm_sfence();
        return;
    }
#endif
    memcpy(to, from, n * sizeof *to);
}

// add puts the sum of all ranks' slices, n values from at on, into x and beside it for the others to take.
static void add(float *x, float **piece, size_t at, size_t n) {
    float sum[BLOCK];
    const float *of[host.size];
    for (size_t end = at + n; at < end; at += n) {
        n = end - at < BLOCK ? end - at : BLOCK;
        for (int r = 0; r < host.size; r++) of[r] = (r == host.rank ? x : piece[r]) + at;
        tree(sum, of, 0, host.size, n);
        memcpy(x + at, sum, n * sizeof *sum);
        give(piece[host.rank] + at, sum, n);
    }
}

static int sum_piece(float *x, size_t n) {
    float *piece[host.size];
    for (int r = 0; r < host.size; r++) piece[r] = host.of[r] + host.turn * PIECE;
    host.turn ^= 1; // who still copies out of this piece has not passed the next one's first meeting

    size_t from = begins(host.rank, n), to = begins(host.rank + 1, n);
    give(piece[host.rank], x, from);
    give(piece[host.rank] + to, x + to, n - to);
    int e = meet();
    if (e) return e;
    add(x, piece, from, to - from);
    if (host.hosts > 1 && to > from) {
        if ((e = f.allreduce(k.in_place, x + from, (int)(to - from), k.float32, k.sum, host.across))) return e;
        give(piece[host.rank] + from, x + from, to - from);
    }
    if ((e = meet())) return e;
    for (int r = 0; r < host.size; r++) {
        size_t at = begins(r, n), n_r = begins(r + 1, n) - at;
        if (r != host.rank) memcpy(x + at, piece[r] + at, n_r * sizeof *x);
    }
    return 0;
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

// choose tries which way is faster for what goes to others. Where cores have no cache in common a line that another one wrote last comes slowly.
static int choose(void) {
    enum { TIMES = 4 };
    host.chosen = 1;
    float *x = calloc(TRIED, sizeof *x);
    double best[2] = {1e9, 1e9};
    int e = 0;
    for (int i = 0; i < 2 * TIMES && !e; i++) {
        host.past = i % 2;
        double start = seconds();
        e = host_sum(x, TRIED);
        double took = seconds() - start;
        if (took < best[i % 2]) best[i % 2] = took;
    }
    host.past = best[1] < best[0];
    free(x);
    return e;
}

int host_sum(float *x, size_t n) {
    int e = n > TRIED && !host.chosen ? choose() : 0; // extraction over ranks has nothing large to add up
    for (size_t piece; n && !e; x += piece, n -= piece) {
        piece = n < PIECE ? n : PIECE;
        e = sum_piece(x, piece);
    }
    return e;
}
