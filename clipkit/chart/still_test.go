package chart

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
		if got := fit(test.in, test.limit); got != test.want {
			t.Errorf("fit(%q, %v) is %q, want %q", test.in, test.limit, got, test.want)
		}
	}
	if got := fit(strings.Repeat("长", 1<<20), 10); got != strings.Repeat("长", 9)+"…" {
		t.Errorf("a long text becomes %q", got)
	}
}

func TestSVG(t *testing.T) {
	svg := string(Throughput(training(30)).SVG())
	for _, want := range []string{"吞吐量 · Throughput", "share of peak", `height="664"`, "<rect x=\"0\" y=\"0\""} {
		if !strings.Contains(svg, want) {
			t.Errorf("the SVG lacks %q:\n%.600s", want, svg)
		}
	}
	if strings.Count(svg, "<svg") != 1 {
		t.Error("an SVG inside an SVG")
	}
	checkStill(t, []byte(svg))
	if svg := string(Loss(nil).SVG()); !strings.Contains(svg, "no rows yet") {
		t.Errorf("a chart without rows: %s", svg)
	}
}
