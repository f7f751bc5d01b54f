#include "kernels.h"
#include <string.h>

// VECTOR compiles a function twice, for AVX2 and for any x86-64, and the loader takes the better one.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR __attribute__((target_clones("avx2", "default")))
#else
#define VECTOR
#endif

typedef int32_t ints __attribute__((vector_size(32))); // eight at once; two or more registers where they are narrower

#define CLAMP(v, low, high) ((v) < (low) ? (low) : (v) > (high) ? (high) : (v))
#define INLINE static inline __attribute__((always_inline))

// limit limits the numbers of a vector to 0…255; a comparison of vectors gives 0 or all bits.
#define limit(v) (((v) & ((v) > 0)) - (((v) - 255) & ((v) > 255)))

// A weight has 22 fractional bits, so that the sums fit 32 bits (Resample.c, PRECISION_BITS).
#define PRECISION 22
#define BYTE(sum) CLAMP((sum) >> PRECISION, 0, 255)

// rows_of is resample_rows for a constant n, which lets the compiler unroll the loops over a pixel's bytes.
INLINE void rows_of(int n, const uint8_t *restrict in, int in_w, int h, uint8_t *restrict out, int out_w, const int32_t *first, const int32_t *count,
                    const int32_t *weights, int taps, int16_t *restrict scratch) {
    for (int y = 0; y < h; y += 4) {
        int rows = h - y < 4 ? h - y : 4;
        for (int r = 0; r < rows; r++) {
            const uint8_t *p = in + (size_t)(y + r) * in_w * n;
            int16_t *q = scratch + 4 * r;
            for (int x = 0; x < in_w; x++, p += n, q += 16)
                for (int c = 0; c < n; c++) q[c] = p[c];
        }
        for (int x = 0; x < out_w; x++) {
            const int16_t *p = scratch + 16 * (size_t)first[x];
            const int32_t *k = weights + (size_t)x * taps;
            ints even = {0}, odd = {0}; // sums of the numbers at even and odd places
            even += 1 << (PRECISION - 1), odd += 1 << (PRECISION - 1);
            for (int t = 0; t < count[x]; t++, p += 16) {
                ints v;
                memcpy(&v, p, sizeof v);
                even += (v & 0xffff) * k[t];
                odd += (v >> 16) * k[t];
            }
            ints both = limit(even >> PRECISION) | limit(odd >> PRECISION) << 16;
            int16_t levels[16];
            memcpy(levels, &both, sizeof levels);
            uint8_t *q = out + ((size_t)y * out_w + x) * n;
            for (int r = 0; r < rows; r++, q += (size_t)out_w * n)
                for (int c = 0; c < n; c++) q[c] = levels[4 * r + c];
        }
    }
}

// resample_rows resizes the rows of pixels of n ≤ 4 bytes to out_w pixels, four rows at a time. scratch holds in_w · 16 numbers: the pixels of the
// four rows side by side, four numbers each.
VECTOR void resample_rows(const uint8_t *in, int in_w, int h, int n, uint8_t *out, int out_w, const int32_t *first, const int32_t *count,
                          const int32_t *weights, int taps, int16_t *scratch) {
    switch (n) {
    case 1: rows_of(1, in, in_w, h, out, out_w, first, count, weights, taps, scratch); break;
    case 2: rows_of(2, in, in_w, h, out, out_w, first, count, weights, taps, scratch); break;
    case 3: rows_of(3, in, in_w, h, out, out_w, first, count, weights, taps, scratch); break;
    case 4: rows_of(4, in, in_w, h, out, out_w, first, count, weights, taps, scratch); break;
    }
}

// resample_columns makes out_h rows of row bytes.
VECTOR void resample_columns(const uint8_t *in, size_t row, uint8_t *out, int out_h, const int32_t *first, const int32_t *count,
                             const int32_t *weights, int taps) {
    enum { wide = 32 };
    for (int y = 0; y < out_h; y++, weights += taps, out += row) {
        const uint8_t *top = in + first[y] * row;
        size_t x = 0;
        for (; x + wide <= row; x += wide) {
            int32_t sums[wide];
            const uint8_t *p = top + x;
            for (int i = 0; i < wide; i++) sums[i] = 1 << (PRECISION - 1);
            for (int t = 0; t < count[y]; t++, p += row)
                for (int i = 0; i < wide; i++) sums[i] += p[i] * weights[t];
            for (int i = 0; i < wide; i++) out[x + i] = BYTE(sums[i]);
        }
        for (; x < row; x++) {
            int32_t sum = 1 << (PRECISION - 1);
            for (int t = 0; t < count[y]; t++) sum += top[t * row + x] * weights[t];
            out[x] = BYTE(sum);
        }
    }
}
