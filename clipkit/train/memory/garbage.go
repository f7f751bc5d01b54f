package memory

import "runtime/debug"

// Garbage is how many bytes decoding may leave for the collector at most, before the trainer has it run oftener.
const Garbage = 128 << 20

// BoundGarbage keeps what decoding leaves for the collector below Garbage, where the pixels of a step, so many bytes which the collector counts, would
// let as many gather.
func BoundGarbage(step int64) (restore func()) {
	if step <= Garbage {
		return func() {}
	}
	before := debug.SetGCPercent(int(max(10, 100*Garbage/step)))
	return func() { debug.SetGCPercent(before) }
}
