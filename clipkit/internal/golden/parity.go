package golden

import (
	"encoding/json"
	"math"
	"testing"
)

// Comparison is how far n values are from the reference's. It travels from a test to the parity table as an attribute of `go test -json`.
type Comparison struct {
	What   string
	Values int
	Abs    float64 // the largest absolute difference
	Rel    float64 // the same as a share of the largest wanted value
	Limit  float64 // of Rel
}

// Pass tells whether the comparison holds. Differences that no float32 around 1 can show count as none.
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

// Parity reports a comparison that a test made itself, for the parity table, and fails the test when rel is above tolerance.
// For things that are equal or not (tokens, 8-bit pixels), abs is the number of those that differ, rel their share, tolerance 0.
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

// finite makes infinity and NaN a number that JSON can carry and no limit accepts.
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
