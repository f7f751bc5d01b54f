package indextest

import (
	"errors"
	"math"
	"strings"
	"testing"

	"clipnb/clipkit/index"
)

func refused(t *testing.T, engine Engine) {
	x := open(t, engine, "refused", 2)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		what    string
		items   []index.Item
		vectors []float32
		err     error
	}{
		{"too few values", []index.Item{item(1)}, []float32{1}, index.ErrShape},
		{"too many values", []index.Item{item(1)}, []float32{1, 0, 1}, index.ErrShape},
		{"values without items", nil, []float32{1, 0}, index.ErrShape},
		{"NaN", []index.Item{item(1), item(2)}, []float32{1, 0, 0, nan}, index.ErrValue},
		{"infinity", []index.Item{item(1)}, []float32{inf, 0}, index.ErrValue},
		{"an ID twice", []index.Item{item(1), item(1)}, []float32{1, 0, 0, 1}, index.ErrValue},
		{"a tag that is no text", []index.Item{item(1, "a", "\xff")}, []float32{1, 0}, index.ErrValue},
		{"a tag with a zero byte", []index.Item{item(1, "a\x00", "b")}, []float32{1, 0}, index.ErrValue},
		{"tags beyond the limit", []index.Item{item(1, "a", strings.Repeat("x", index.MaxTags))}, []float32{1, 0}, index.ErrValue},
	} {
		if err := x.Add(ctx, c.items, c.vectors); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	length(t, x, 0)
	for _, q := range []index.Query{
		{Vector: []float32{1}, Model: model, K: 1}, {Vector: []float32{1, 0, 0}, Model: model, K: 1}, {Model: model, K: 1},
	} {
		if _, err := x.Search(ctx, q); !errors.Is(err, index.ErrShape) {
			t.Errorf("%v: %v", q, err)
		}
	}
	if _, err := x.Search(ctx, index.Query{Vector: []float32{nan, 1}, Model: model, K: 1}); !errors.Is(err, index.ErrValue) {
		t.Error(err)
	}
	for _, m := range []string{other, ""} {
		if _, err := x.Search(ctx, index.Query{Vector: []float32{1, 0}, Model: m, K: 1}); !errors.Is(err, index.ErrOtherModel) {
			t.Errorf("a query of the model %q: %v", m, err)
		}
	}
	if _, err := engine(t, "refused0", model, 0); !errors.Is(err, index.ErrShape) {
		t.Errorf("dimension 0: %v", err)
	}
	if _, err := engine(t, "refused1", "", 4); !errors.Is(err, index.ErrValue) {
		t.Errorf("no model: %v", err)
	}
}

func models(t *testing.T, engine Engine) {
	x := open(t, engine, "models", 2)
	add(t, x, []float32{1, 0}, item(1))
	if _, err := engine(t, "models", other, 2); !errors.Is(err, index.ErrOtherModel) {
		t.Errorf("another model: %v", err)
	}
	if _, err := engine(t, "models", model, 3); !errors.Is(err, index.ErrShape) {
		t.Errorf("another dimension: %v", err)
	}
	length(t, x, 1)
}
