#include "kernels.h"

// VECTOR compiles a function for AVX with fused multiply-add and for any x86-64, and the loader takes the better one. Elsewhere (NEON, clang)
// vectors have four lanes.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR __attribute__((target_clones("fma", "default")))
#define LANES 8
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define VECTOR
#define LANES 4
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#endif
#define INLINE static inline __attribute__((always_inline))

typedef float floats __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t ints __attribute__((vector_size(4 * LANES), aligned(4)));

#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (ints){__VA_ARGS__})
#endif

enum {
    ROWS = 6,             // queries at once: 6 × 16 sums fill twelve of AVX's sixteen registers, or 24 of NEON's 32
    PARTS = PANEL / LANES // vectors that hold one score for each of a panel's rows
};

// transpose turns LANES numbers of each of LANES rows into LANES vectors of one number of every row: perfect shuffles.
INLINE void transpose(const float *rows, size_t dim, floats x[LANES]) {
    for (int i = 0; i < LANES; i++) x[i] = *(const floats *)(rows + i * dim);
    for (int pass = 1; pass < LANES; pass *= 2) {
        floats y[LANES];
        for (int i = 0; i < LANES / 2; i++) {
            y[2 * i] = SHUFFLE(x[i], x[i + LANES / 2], LOW);
            y[2 * i + 1] = SHUFFLE(x[i], x[i + LANES / 2], HIGH);
        }
        for (int i = 0; i < LANES; i++) x[i] = y[i];
    }
}

// pack turns n ≤ 16 rows [n, dim] into a panel [dim, 16]; missing rows are zeros.
VECTOR void pack(const float *rows, size_t n, size_t dim, float *panel) {
    size_t d = 0;
    for (; n == PANEL && d + LANES <= dim; d += LANES)
        for (int p = 0; p < PARTS; p++) {
            floats x[LANES];
            transpose(rows + p * LANES * dim + d, dim, x);
            for (int i = 0; i < LANES; i++) *(floats *)(panel + (d + i) * PANEL + p * LANES) = x[i];
        }
    for (; d < dim; d++)
        for (size_t i = 0; i < PANEL; i++) panel[d * PANEL + i] = i < n ? rows[i * dim + d] : 0;
}

// products adds up rows × 16 inner products over the dimension in its order, one sum for each product. So a score depends on the two
// vectors alone, not on the block that they fall in, and is the same in both directions: what ties, ties everywhere.
INLINE void products(int rows, const float *queries, size_t stride, size_t dim, const float *panel, floats sum[][PARTS]) {
    floats s[ROWS][PARTS] = {0};
    for (size_t d = 0; d < dim; d++) {
        floats x[PARTS];
        for (int p = 0; p < PARTS; p++) x[p] = *(const floats *)(panel + d * PANEL + p * LANES);
        for (int r = 0; r < rows; r++) {
            float q = queries[r * stride + d];
            for (int p = 0; p < PARTS; p++) s[r][p] += q * x[p];
        }
    }
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < PARTS; p++) sum[r][p] = s[r][p];
}

// products_wide is products for WIDE queries with AVX-512, whose vectors hold a panel's whole row: the same sums, to the bit. wide tells whether this
// processor has it.
enum { WIDE = 12 };
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target("avx512f"), noinline)) static void products_wide(const float *queries, size_t stride, size_t dim, const float *panel, floats sum[][PARTS]) {
    typedef float row __attribute__((vector_size(4 * PANEL), aligned(4)));
    row s[WIDE] = {0};
    for (size_t d = 0; d < dim; d++) {
        row x = *(const row *)(panel + d * PANEL);
#pragma GCC unroll 12
        for (int r = 0; r < WIDE; r++) s[r] += queries[r * stride + d] * x;
    }
    for (int r = 0; r < WIDE; r++) *(row *)sum[r] = s[r];
}
INLINE int wide(void) { return __builtin_cpu_supports("avx512f"); }
#else
static void products_wide(const float *queries, size_t stride, size_t dim, const float *panel, floats sum[][PARTS]) {
    products(ROWS, queries, stride, dim, panel, sum);
    products(ROWS, queries + ROWS * stride, stride, dim, panel, sum + ROWS);
}
INLINE int wide(void) { return 0; }
#endif

VECTOR void panel_scores(const float *queries, size_t count, size_t dim, const float *panel, float *out) {
    for (size_t q = 0; q < count; q++) {
        floats s[1][PARTS];
        products(1, queries + q * dim, dim, dim, panel, s);
        for (int i = 0; i < PANEL; i++) out[q * PANEL + i] = s[0][i / LANES][i % LANES];
    }
}

// insert keeps the k best in falling order; an equal score goes behind those that came before it.
INLINE void insert(float score, int32_t id, size_t k, float *best, int32_t *where) {
    size_t at = k - 1;
    for (; at > 0 && score > best[at - 1]; at--) best[at] = best[at - 1], where[at] = where[at - 1];
    best[at] = score, where[at] = id;
}

// top offers the rows whose bit is in mask.
INLINE void top(const floats s[PARTS], unsigned mask, int32_t first, size_t k, float *best, int32_t *where) {
    ints better = s[0] > best[k - 1];
    for (int p = 1; p < PARTS; p++) better |= s[p] > best[k - 1];
    int32_t any = 0;
    for (int i = 0; i < LANES; i++) any |= better[i];
    if (!any) return;
    for (int i = 0; i < PANEL; i++)
        if ((mask >> i & 1) && s[i / LANES][i % LANES] > best[k - 1]) insert(s[i / LANES][i % LANES], first + i, k, best, where);
}

// panel_top's queries lie stride numbers apart. It offers the vectors from first on whose bit is in mask to the lists best and where, [count, k].
VECTOR void panel_top(const float *queries, size_t stride, size_t count, size_t dim, const float *panel, unsigned mask, int32_t first, size_t k, float *best, int32_t *where) {
    floats s[WIDE][PARTS];
    size_t q = 0;
    for (; wide() && q + WIDE <= count; q += WIDE) {
        products_wide(queries + q * stride, stride, dim, panel, s);
        for (int r = 0; r < WIDE; r++) top(s[r], mask, first, k, best + (q + r) * k, where + (q + r) * k);
    }
    for (; q + ROWS <= count; q += ROWS) {
        products(ROWS, queries + q * stride, stride, dim, panel, s);
        for (int r = 0; r < ROWS; r++) top(s[r], mask, first, k, best + (q + r) * k, where + (q + r) * k);
    }
    for (; q < count; q++) {
        products(1, queries + q * stride, stride, dim, panel, s);
        top(s[0], mask, first, k, best + q * k, where + q * k);
    }
}

// rows_top is panel_top for one query and 16 vectors as they lie: packing would cost more than the products, which are added up in the same order.
// Reading the memory is most of the work, and 16 streams are more than processors foresee: so it calls for the 16 vectors at next meanwhile.
VECTOR void rows_top(const float *query, size_t dim, const float *rows, const float *next, unsigned mask, int32_t first, size_t k, float *best, int32_t *where) {
    floats s[PARTS] = {0};
    size_t d = 0;
    for (; d + LANES <= dim; d += LANES)
        for (int p = 0; p < PARTS; p++) {
            floats x[LANES];
            const char *ahead = (const char *)(next + (d * PARTS + p * LANES) * LANES);
            for (int i = 0; i < LANES * LANES * (int)sizeof(float); i += 64) __builtin_prefetch(ahead + i);
            transpose(rows + p * LANES * dim + d, dim, x);
            for (int i = 0; i < LANES; i++) s[p] += query[d + i] * x[i];
        }
    for (; d < dim; d++)
        for (int p = 0; p < PARTS; p++) {
            floats x = {0};
            for (int i = 0; i < LANES; i++) x[i] = rows[(p * LANES + i) * dim + d];
            s[p] += query[d] * x;
        }
    top(s, mask, first, k, best, where);
}

INLINE int64_t rank(const floats s[PARTS], int n, int32_t first, float bound, int32_t own) {
    int64_t before = 0;
    for (int i = 0; i < n; i++) {
        float score = s[i / LANES][i % LANES];
        before += score > bound || (score == bound && first + i < own);
    }
    return before;
}

// panel_rank adds to before [count] how many of the vectors first … first+n-1 come before vector own[q], whose score is bound[q].
VECTOR void panel_rank(const float *queries, size_t count, size_t dim, const float *panel, int n, int32_t first, const float *bound, const int32_t *own,
                       int64_t *before) {
    floats s[WIDE][PARTS];
    size_t q = 0;
    for (; wide() && q + WIDE <= count; q += WIDE) {
        products_wide(queries + q * dim, dim, dim, panel, s);
        for (int r = 0; r < WIDE; r++) before[q + r] += rank(s[r], n, first, bound[q + r], own[q + r]);
    }
    for (; q + ROWS <= count; q += ROWS) {
        products(ROWS, queries + q * dim, dim, dim, panel, s);
        for (int r = 0; r < ROWS; r++) before[q + r] += rank(s[r], n, first, bound[q + r], own[q + r]);
    }
    for (; q < count; q++) {
        products(1, queries + q * dim, dim, dim, panel, s);
        before[q] += rank(s[0], n, first, bound[q], own[q]);
    }
}
