package chart

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"clipnb/clipkit/experiment"
)

func TestOverlay(t *testing.T) {
	a, b := training(30), training(5)
	a[1].Loss = math.NaN()
	c := Overlay(Loss, Run{"小步", a}, Run{"大步", b}, Run{"空", nil})
	p := parse(t, c)
	lines := map[string]int{}
	for _, s := range p.Series {
		lines[s.Name] = len(s.Data)
	}
	want := map[string]int{"A 小步: 训练（平滑） · train, smoothed over 5 rows": 29, "A 小步: 验证 · validation": 3, "B 大步: 训练 · train": 5}
	if fmt.Sprint(lines) != fmt.Sprint(want) {
		t.Errorf("lines %v, want %v", lines, want)
	}
	if c.legend[0].colour == c.legend[2].colour || c.legend[0].shape == c.legend[1].shape {
		t.Errorf("legend %+v: runs differ in colour, quantities in stroke", c.legend)
	}
	if len(c.notes) != 1 || !strings.Contains(c.notes[0], "(NaN, ±Inf): 1") {
		t.Errorf("notes %q", c.notes)
	}
	if n := strings.Count(string(c.option), `"endLabel":{"show":true`); n != 3 {
		t.Errorf("%d lines end in a letter, want 3", n)
	}
	if html := Overlay(Loss).HTML(); !strings.Contains(html, "no rows yet") {
		t.Errorf("no runs: %s", html)
	}
}

// One run knows its share of the peak and another doesn't: there are two axes all the same.
func TestOverlayOfDifferentAxes(t *testing.T) {
	unknown := []experiment.Row{{Kind: "train", Step: 1, ImagesPerSecond: 100}}
	for _, runs := range [][]Run{{{"a", unknown}, {"b", training(3)}}, {{"b", training(3)}, {"a", unknown}}} {
		if p := parse(t, Overlay(Throughput, runs...)); len(p.YAxis) != 2 || len(p.Series) != 3 {
			t.Errorf("%d axes and %d lines, want 2 and 3", len(p.YAxis), len(p.Series))
		}
	}
}

func TestRecallOverSteps(t *testing.T) {
	rows := append(training(10), experiment.Row{Kind: "valid", Step: 100, TextToImage: &experiment.Recall{R1: 40, Mean: 60}})
	p := parse(t, Recall(rows))
	if len(p.Series) != 2 || fmt.Sprint(p.Series[0].Data, p.Series[1].Data) != "[{[100 40]}] [{[100 60]}]" {
		t.Errorf("series %+v, want R@1 and the mean of one direction", p.Series)
	}
}
