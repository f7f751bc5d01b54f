package chart

import (
	"strings"
	"testing"
)

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
