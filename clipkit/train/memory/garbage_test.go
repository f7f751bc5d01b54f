package memory

import (
	"runtime/debug"
	"testing"
)

// Large steps have the collector run oftener until they are over, small ones leave it alone.
func TestBoundGarbage(t *testing.T) {
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	before := percent()
	for _, c := range []struct {
		step int64
		want int
	}{{Garbage, before}, {4 * Garbage, 25}, {1000 * Garbage, 10}} {
		restore := BoundGarbage(c.step)
		if got := percent(); got != c.want {
			t.Errorf("a step of %d bytes: %d %%, want %d", c.step, got, c.want)
		}
		restore()
		if got := percent(); got != before {
			t.Errorf("after a step of %d bytes: %d %%, want %d", c.step, got, before)
		}
	}
}
