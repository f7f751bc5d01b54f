package golden

import (
	"encoding/json"
	"math"
	"testing"
)

// Comparison says how far some values are from the reference's. It gets from a test to the parity table as an attribute of `go test -json`.
type Comparison struct {
	What   string
	Values int
	Abs    float64 // the largest absolute difference
	Rel    float64 // Abs as a share of the largest wanted value
	Limit  float64 // what Rel may be
}

// Pass tells whether the comparison holds. A difference far below the precision of a float32 near 1 counts as none.
func (c Comparison) Pass() bool { return c.Rel <= c.Limit || c.Abs <= 1e-12 }

// Share is how much of its limit a comparison uses: 0 for equal values, above 1 for a failure.
func (c Comparison) Share() float64 {
	switch {
	case c.Abs <= 1e-12:
		return 0
	case c.Limit == 0:
		return math.Inf(1)
	}
	return c.Rel / c.Limit
}

// attribute is the key under which a comparison is reported.
const attribute = "parity"

// Parity reports a comparison of n values that a test made itself, and fails the test when rel is above tolerance.
// For values that are either equal or not (tokens, 8-bit pixels), abs is the number of those that differ, rel their share, tolerance 0.
func Parity(t testing.TB, what string, n int, abs, rel, tolerance float64) {
	t.Helper()
	c := Comparison{What: what, Values: n, Abs: finite(abs), Rel: finite(rel), Limit: tolerance}
	if n == 0 {
		t.Errorf("%s: nothing was compared", what)
	}
	if !c.Pass() {
		t.Errorf("%s: %d values, largest difference %.3g, relative %.3g, want ≤ %.3g relative", what, n, abs, rel, tolerance)
	}
	value, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Attr(attribute, string(value))
}

// finite replaces infinity and NaN, which JSON cannot hold, by a number that is above every limit.
func finite(x float64) float64 {
	if math.IsNaN(x) || x > math.MaxFloat64 {
		return math.MaxFloat64
	}
	return x
}

// Attribute reads a comparison back from an attribute of a test, if it is one.
func Attribute(key, value string) (c Comparison, ok bool, err error) {
	if key != attribute {
		return c, false, nil
	}
	err = json.Unmarshal([]byte(value), &c)
	return c, err == nil, err
}
