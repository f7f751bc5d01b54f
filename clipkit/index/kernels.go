package index

// #cgo CFLAGS: -O3
// #cgo noescape pack
// #cgo nocallback pack
// #cgo noescape panel_scores
// #cgo nocallback panel_scores
// #cgo noescape panel_top
// #cgo nocallback panel_top
// #cgo noescape rows_top
// #cgo nocallback rows_top
// #cgo noescape panel_rank
// #cgo nocallback panel_rank
// #include "kernels.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// panelRows is how many vectors a panel holds: its lanes.
const panelRows = C.PANEL

func floats(s []float32) *C.float { return (*C.float)(unsafe.SliceData(s)) }
func ints(s []int32) *C.int32_t   { return (*C.int32_t)(unsafe.SliceData(s)) }
func counts(s []int64) *C.int64_t { return (*C.int64_t)(unsafe.SliceData(s)) }
func size(n int) C.size_t         { return C.size_t(n) }
func newPanel(dim int) []float32  { return make([]float32, panelRows*dim) }
func rows(v []float32, d int) int { return len(v) / d }

// must stops before C would reach beyond a slice: a mistake in this package.
func must(ok bool, what string) {
	if !ok {
		panic(fmt.Sprintf("index: %s: slices too short", what))
	}
}

// fill packs up to 16 vectors [n, dim] into panel.
func fill(panel, vectors []float32, dim int) {
	n := rows(vectors, dim)
	must(n <= panelRows && len(panel) == panelRows*dim, "pack")
	C.pack(floats(vectors), size(n), size(dim), floats(panel))
}

// scores writes the inner products of queries [q, dim] with a panel to out [q, 16].
func scores(queries, panel, out []float32, dim int) {
	n := rows(queries, dim)
	must(len(panel) == panelRows*dim && len(out) >= n*panelRows, "scores")
	C.panel_scores(floats(queries), size(n), size(dim), floats(panel), floats(out))
}

// spread lets queries [q, dim] lie stride numbers apart. Where dim is a multiple of many cache lines, all of them would fall into a few of a cache's
// sets, and push each other out.
func spread(queries []float32, dim int) (apart []float32, stride int) {
	n := rows(queries, dim)
	if dim%256 != 0 || n == 1 {
		return queries, dim
	}
	stride = dim + 16
	apart = make([]float32, n*stride)
	for i := range n {
		copy(apart[i*stride:], queries[i*dim:(i+1)*dim])
	}
	return apart, stride
}

// offer gives those vectors of a block that count to the lists of the k best, best and where [q, k]. Queries are as spread leaves them, next is the
// block after it, and panel is scratch.
func offer(queries []float32, stride int, b, next block, panel []float32, dim, k int, best []float32, where []int32) {
	q, n := rows(queries, stride), rows(b.vectors, dim)
	must(stride >= dim && n <= panelRows && int(b.mask) < 1<<n && k >= 1 && len(best) == q*k && len(where) == q*k, "top")
	if q == 1 && n == panelRows {
		ahead := next.vectors
		if ahead == nil {
			ahead = b.vectors
		}
		C.rows_top(floats(queries), size(dim), floats(b.vectors), floats(ahead), C.uint(b.mask), C.int32_t(b.first), size(k), floats(best), ints(where))
		return
	}
	fill(panel, b.vectors, dim)
	C.panel_top(floats(queries), size(stride), size(q), size(dim), floats(panel), C.uint(b.mask), C.int32_t(b.first), size(k), floats(best), ints(where))
}

// precede adds to before [q] how many of up to 16 vectors [n, dim] come before vector own[q], whose score is bound[q]. panel is scratch.
func precede(queries, vectors, panel []float32, dim, first int, bound []float32, own []int32, before []int64) {
	q, n := rows(queries, dim), rows(vectors, dim)
	must(n <= panelRows && len(bound) == q && len(own) == q && len(before) == q, "rank")
	fill(panel, vectors, dim)
	C.panel_rank(floats(queries), size(q), size(dim), floats(panel), C.int(n), C.int32_t(first), floats(bound), ints(own), counts(before))
}
