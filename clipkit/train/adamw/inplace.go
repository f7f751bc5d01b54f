package adamw

// #cgo CFLAGS: -O3
// #cgo noescape adamw
// #cgo nocallback adamw
// #cgo noescape add_to
// #cgo nocallback add_to
// #include "kernels.h"
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// InPlace is UpdateGraph on the host, in one pass over the memory: it changes w, m and v.
func InPlace(k Constants, w, m, v, grad []float32, scalars [3]float32) error {
	if len(m) != len(w) || len(v) != len(w) || len(grad) != len(w) {
		return fmt.Errorf("%d weights with moments of %d and %d values and a gradient of %d", len(w), len(m), len(v), len(grad))
	}
	c := C.adamw_scalars{decay: C.float(scalars[0]), step: C.float(scalars[1]), sqrt_bias: C.float(scalars[2]),
		beta1: C.float(k.Beta1), rest1: C.float((1 - k.Beta1) * k.Share), beta2: C.float(k.Beta2), rest2: C.float((1 - k.Beta2) * k.Share * k.Share), epsilon: C.float(k.Epsilon)}
	onAllCores(len(w), func(from, to int) {
		C.adamw(floats(w[from:to]), floats(m[from:to]), floats(v[from:to]), floats(grad[from:to]), C.size_t(to-from), c)
	})
	return nil
}

// AddTo adds x to sum.
func AddTo(sum, x []float32) error {
	if len(sum) != len(x) {
		return fmt.Errorf("adding %d values to %d", len(x), len(sum))
	}
	onAllCores(len(sum), func(from, to int) { C.add_to(floats(sum[from:to]), floats(x[from:to]), C.size_t(to-from)) })
	return nil
}

func floats(x []float32) *C.float { return (*C.float)(unsafe.SliceData(x)) }

// onAllCores does n pieces of work in as many parts as there are processors, or in one where they are few.
func onAllCores(n int, part func(from, to int)) {
	parts := min(runtime.GOMAXPROCS(0), 1+n/(1<<16))
	var wait sync.WaitGroup
	for i := range parts {
		wait.Go(func() { part(i*n/parts, (i+1)*n/parts) })
	}
	wait.Wait()
}
