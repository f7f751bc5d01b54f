// The loops over pixels, in C so that the compiler turns them into vector instructions. kernels.go checks every size before it calls them.
#include <stddef.h>
#include <stdint.h>

void idct_row(const int16_t *coefficients, const uint16_t *quant, size_t blocks, uint8_t *out, size_t stride);
void upsample(const uint8_t *in, size_t in_stride, int in_w, int in_h, int across, int down, uint8_t *out, int w, int h, int32_t *sums);
void ycc_rgb(const uint8_t *y, size_t y_stride, const uint8_t *cb, size_t cb_stride, const uint8_t *cr, size_t cr_stride, int w, int h, uint8_t *rgb);
