// Inner products of queries with a panel of up to 16 vectors, and what is done with them while they are in registers. kernels.go checks every
// size before it calls these.
#include <stddef.h>
#include <stdint.h>

enum { PANEL = 16 };

void pack(const float *rows, size_t n, size_t dim, float *panel);
void panel_scores(const float *queries, size_t count, size_t dim, const float *panel, float *out);
void panel_top(const float *queries, size_t stride, size_t count, size_t dim, const float *panel, unsigned mask, int32_t first, size_t k, float *best, int32_t *where);
void rows_top(const float *query, size_t dim, const float *rows, const float *next, unsigned mask, int32_t first, size_t k, float *best, int32_t *where);
void panel_rank(const float *queries, size_t count, size_t dim, const float *panel, int n, int32_t first, const float *bound, const int32_t *own,
                int64_t *before);
