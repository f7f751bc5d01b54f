#include "kernels.h"
#include <math.h>

// Four values at once: these loops wait for the memory. A compiler makes no such code of sqrtf, which may set errno.
typedef float floats __attribute__((vector_size(16), aligned(4)));

#if defined(__SSE__)
#include <xmmintrin.h>
#define ROOT(x) ((floats)_mm_sqrt_ps((__m128)(x)))
#elif defined(__aarch64__)
#include <arm_neon.h>
#define ROOT(x) ((floats)vsqrtq_f32((float32x4_t)(x)))
#else
#define ROOT(x) ((floats){sqrtf((x)[0]), sqrtf((x)[1]), sqrtf((x)[2]), sqrtf((x)[3])})
#endif

// adamw is the UpdateGraph of adamw.go.
static inline void adamw4(floats *w, floats *m, floats *v, floats g, adamw_scalars s) {
    *m = *m * s.beta1 + g * s.rest1;
    *v = *v * s.beta2 + g * g * s.rest2;
    *w = *w * s.decay - s.step * (*m / (ROOT(*v) / s.sqrt_bias + s.epsilon));
}

void adamw(float *w, float *m, float *v, const float *grad, size_t n, adamw_scalars s) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4) adamw4((floats *)(w + i), (floats *)(m + i), (floats *)(v + i), *(const floats *)(grad + i), s);
    for (; i < n; i++) {
        floats one = {w[i]}, first = {m[i]}, second = {v[i]}, g = {grad[i]};
        adamw4(&one, &first, &second, g, s);
        w[i] = one[0], m[i] = first[0], v[i] = second[0];
    }
}

void add_to(float *restrict sum, const float *restrict x, size_t n) {
    for (size_t i = 0; i < n; i++) sum[i] += x[i];
}
