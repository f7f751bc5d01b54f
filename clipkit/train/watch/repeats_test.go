package watch

import (
	"strings"
	"testing"
)

func TestRepeats(t *testing.T) {
	var r Repeats
	if text := r.In(1, []int64{1, 2}, []string{"a", "b"}); text != "" {
		t.Error(text)
	}
	text := r.In(2, []int64{1, 1, 1, 2}, []string{"a", "b", "c", "a"})
	if !strings.Contains(text, "of the 4 pairs of step 2 here, 3 have a picture and 2 a caption") {
		t.Error(text)
	}
	if text := r.In(3, []int64{1, 1}, []string{"a", "b"}); text != "" {
		t.Errorf("twice: %s", text)
	}
}

func TestFilled(t *testing.T) {
	for _, c := range []struct {
		pairs, batches, perBatch, steps, perStep int
		want                                     []string
	}{
		{64, 8, 8, 8, 1, nil},
		{60, 8, 8, 8, 1, []string{"60 pairs fill 8 batches of 8 with 4 pairs taken a second time"}},
		{72, 9, 8, 4, 2, []string{"1 of an epoch's 9 batches", "no whole step of 2"}},
		{70, 9, 8, 4, 2, []string{"with 2 pairs", "; 1 of an epoch's 9 batches"}},
	} {
		text := Filled(c.pairs, c.batches, c.perBatch, c.steps, c.perStep)
		if (text == "") != (c.want == nil) {
			t.Errorf("%+v: %q", c, text)
		}
		for _, part := range c.want {
			if !strings.Contains(text, part) {
				t.Errorf("%q is not in %q", part, text)
			}
		}
	}
}
