#include "kernels.h"
#include <string.h>

// VECTOR compiles a function twice, for AVX2 and for any x86-64, and the loader takes the better one.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR __attribute__((target_clones("avx2", "default")))
#else
#define VECTOR
#endif

typedef int32_t ints __attribute__((vector_size(32))); // eight at once; two or more registers where they are narrower
typedef uint32_t words __attribute__((vector_size(32)));
typedef int16_t shorts __attribute__((vector_size(16)));
typedef uint16_t halves __attribute__((vector_size(16)));

#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (ints){__VA_ARGS__})
#endif

#define CLAMP(v, low, high) ((v) < (low) ? (low) : (v) > (high) ? (high) : (v))
#define INLINE static inline __attribute__((always_inline))

// to_bytes limits n numbers to bytes. A plain loop, because compilers turn it into better code than a conversion of vectors.
INLINE void to_bytes(const int32_t *v, int n, uint8_t *out) {
    for (int i = 0; i < n; i++) out[i] = CLAMP(v[i], 0, 255);
}

// wrap keeps the low 16 bits, as numbers from −32768 to 32767.
#define wrap(v) ((words)((ints)((v) << 16) >> 16))

// idct_pass is one dimension of libjpeg's accurate integer inverse DCT (jidctint.c), for eight columns at once. The sums are unsigned, because a
// hostile file may make them overflow; some of them in 16 bits, as in libjpeg-turbo's vector code (jidctint-avx2.asm), which shows in damaged files.
INLINE void idct_pass(ints x[8], int shift) {
    words in[8];
    for (int i = 0; i < 8; i++) in[i] = (words)x[i];
    words z1 = (in[2] + in[6]) * 4433;
    words t2 = z1 - in[6] * 15137, t3 = z1 + in[2] * 6270;
    words t0 = (wrap(in[0] + in[4]) << 13) + (1u << (shift - 1)), t1 = (wrap(in[0] - in[4]) << 13) + (1u << (shift - 1));
    words e0 = t0 + t3, e3 = t0 - t3, e1 = t1 + t2, e2 = t1 - t2;

    t0 = in[7], t1 = in[5], t2 = in[3], t3 = in[1];
    words z2 = (t1 + t2) * 20995, z3 = wrap(t0 + t2), z4 = wrap(t1 + t3), z5 = (z3 + z4) * 9633;
    z1 = (t0 + t3) * 7373, z3 = z5 - z3 * 16069, z4 = z5 - z4 * 3196;
    t0 = t0 * 2446 - z1 + z3, t1 = t1 * 16819 - z2 + z4, t2 = t2 * 25172 - z2 + z3, t3 = t3 * 12299 - z1 + z4;

    x[0] = (ints)(e0 + t3) >> shift, x[7] = (ints)(e0 - t3) >> shift;
    x[1] = (ints)(e1 + t2) >> shift, x[6] = (ints)(e1 - t2) >> shift;
    x[2] = (ints)(e2 + t1) >> shift, x[5] = (ints)(e2 - t1) >> shift;
    x[3] = (ints)(e3 + t0) >> shift, x[4] = (ints)(e3 - t0) >> shift;
}

// transpose is three perfect shuffles of the 64 numbers.
INLINE void transpose(ints x[8]) {
    for (int pass = 0; pass < 3; pass++) {
        ints y[8];
        for (int i = 0; i < 4; i++) {
            y[2 * i] = SHUFFLE(x[i], x[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
            y[2 * i + 1] = SHUFFLE(x[i], x[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
        }
        memcpy(x, y, sizeof y);
    }
}

// only_first_row says whether all coefficients of a block below its first row are 0.
INLINE int only_first_row(const int16_t *coefficients) {
    int any = 0;
    for (int i = 8; i < 64; i++) any |= coefficients[i];
    return !any;
}

// idct_row turns a row of blocks, [blocks, 8, 8] in natural order, into 8 rows of samples.
VECTOR void idct_row(const int16_t *coefficients, const uint16_t *quant, size_t blocks, uint8_t *out, size_t stride) {
    for (size_t b = 0; b < blocks; b++, coefficients += 64, out += 8) {
        ints x[8];
        for (int i = 0; i < 8; i++) {
            halves c, q;
            memcpy(&c, coefficients + 8 * i, sizeof c);
            memcpy(&q, quant + 8 * i, sizeof q);
            x[i] = __builtin_convertvector((shorts)(c * q), ints);
        }
        int32_t middle[64], wide = 0;
        for (int i = 0; i < 8; i++) wide |= (x[0][i] + 8192) & ~16383; // too much for 16 bits behind the first pass
        if (wide && only_first_row(coefficients)) {
            x[0] <<= 2; // libjpeg-turbo's short cut lets it overflow, its first pass limits it
            for (int i = 0; i < 8; i++) x[i] = (ints)wrap((words)x[0]);
        } else {
            idct_pass(x, 11);
            memcpy(middle, x, sizeof x);
            for (int i = 0; i < 64; i++) middle[i] = CLAMP(middle[i], -32768, 32767);
            memcpy(x, middle, sizeof x);
        }
        transpose(x);
        idct_pass(x, 18);
        transpose(x);
        for (int r = 0; r < 8; r++) x[r] += 128;
        int32_t samples[64];
        uint8_t levels[64];
        memcpy(samples, x, sizeof x);
        to_bytes(samples, 64, levels);
        for (int r = 0; r < 8; r++) memcpy(out + r * stride, levels + 8 * r, 8);
    }
}

// upsample stretches a plane of chroma across and down by whole factors to w × h samples as libjpeg does (jdsample.c): weights ¾ and ¼ for
// factors of 2, repetition otherwise. sums holds in_w + 2 numbers.
VECTOR void upsample(const uint8_t *in, size_t in_stride, int in_w, int in_h, int across, int down, uint8_t *out, int w, int h, int32_t *sums) {
    int smooth_across = across == 2 && down <= 2 && in_w > 2, smooth_down = down == 2 && (across == 1 || smooth_across);
    for (int y = 0; y < h; y++, out += w) {
        int near = y / down, far = near;
        if (smooth_down) far = CLAMP(near - 1 + 2 * (y % 2), 0, in_h - 1);
        const uint8_t *a = in + near * in_stride, *b = in + far * in_stride;
        if (!smooth_across && !smooth_down) {
            for (int x = 0; x < w; x++) out[x] = a[x / across];
        } else if (!smooth_across) {
            for (int x = 0; x < w; x++) out[x] = (3 * a[x] + b[x] + 1 + y % 2) >> 2;
        } else {
            int32_t left = smooth_down ? 8 : 4, right = smooth_down ? 7 : 8, *s = sums + 1;
            for (int x = 0; x < in_w; x++) s[x] = 3 * a[x] + b[x];
            s[-1] = s[0], s[in_w] = s[in_w - 1];
            for (int x = 0; x < w / 2; x++) {
                out[2 * x] = (3 * s[x] + s[x - 1] + left) >> 4;
                out[2 * x + 1] = (3 * s[x] + s[x + 1] + right) >> 4;
            }
            if (w % 2) out[w - 1] = (3 * s[w / 2] + s[w / 2 - 1] + left) >> 4;
        }
    }
}

// ycc_rgb is jdcolor.c's conversion, in 16-bit fixed point.
VECTOR void ycc_rgb(const uint8_t *y, size_t y_stride, const uint8_t *cb, size_t cb_stride, const uint8_t *cr, size_t cr_stride, int w, int h, uint8_t *rgb) {
    for (; h > 0; h--, y += y_stride, cb += cb_stride, cr += cr_stride, rgb += 3 * (size_t)w)
        for (int x = 0; x < w; x++) {
            int32_t u = cb[x] - 128, v = cr[x] - 128;
            int32_t r = y[x] + ((91881 * v + 32768) >> 16);
            int32_t g = y[x] + ((-22554 * u - 46802 * v + 32768) >> 16);
            int32_t b = y[x] + ((116130 * u + 32768) >> 16);
            rgb[3 * x] = CLAMP(r, 0, 255), rgb[3 * x + 1] = CLAMP(g, 0, 255), rgb[3 * x + 2] = CLAMP(b, 0, 255);
        }
}
