// The loops over pixels, in C so that the compiler turns them into vector instructions. kernels.go checks every size before it calls them.
#include <stddef.h>
#include <stdint.h>

void resample_rows(const uint8_t *in, int in_w, int h, int n, uint8_t *out, int out_w, const int32_t *first, const int32_t *count,
                   const int32_t *weights, int taps, int16_t *scratch);
void resample_columns(const uint8_t *in, size_t row, uint8_t *out, int out_h, const int32_t *first, const int32_t *count,
                      const int32_t *weights, int taps);
