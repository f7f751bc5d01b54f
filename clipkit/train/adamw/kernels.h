// One pass over a tensor's values where they lie. inplace.go checks the sizes.
#include <stddef.h>

typedef struct {
    float decay, step, sqrt_bias; // Scalars
    float beta1, rest1, beta2, rest2, epsilon;
} adamw_scalars;

void adamw(float *w, float *m, float *v, const float *grad, size_t n, adamw_scalars s);
void add_to(float *sum, const float *x, size_t n);
