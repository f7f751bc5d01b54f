package svg

import (
	"strings"
	"testing"
)

func TestFit(t *testing.T) {
	for _, test := range []struct {
		in    string
		limit float64
		want  string
	}{
		{"short", 10, "short"}, {"中文字", 3, "中文字"}, {"中文字幕组", 3, "中文…"}, {"two\n\t lines", 20, "two lines"}, {"", 5, ""},
		{"abcdefghij", 3, "abc…"}, {"中", 0.5, "…"}, {"\xff\x1b", 5, "\ufffd\ufffd"},
	} {
		if got := Fit(test.in, test.limit); got != test.want {
			t.Errorf("Fit(%q, %v) is %q, want %q", test.in, test.limit, got, test.want)
		}
	}
	if got := Fit(strings.Repeat("长", 1<<20), 10); got != strings.Repeat("长", 9)+"…" {
		t.Errorf("a long text becomes %q", got)
	}
}
