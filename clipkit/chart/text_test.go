package chart

import (
	"fmt"
	"strings"
	"testing"

	"clipnb/clipkit/chart/svg"
	"clipnb/clipkit/experiment"
)

// Each figure is a text too, in which no text from outside moves the terminal's cursor.
func TestFiguresAreTexts(t *testing.T) {
	for i, f := range everything(t) {
		text := fmt.Sprint(f)
		if strings.TrimSpace(text) == "" || strings.Contains(text, "\x1b") || strings.Contains(text, "<div") {
			t.Errorf("figure %d (%T) as text: %q", i, f, text)
		}
		for _, line := range strings.Split(text, "\n") {
			if len(line) > 2000 {
				t.Errorf("figure %d (%T) has a line of %d bytes", i, f, len(line))
			}
		}
	}
}

func TestTextsHoldTheValues(t *testing.T) {
	right, wrong := true, false
	rows := []experiment.Row{{Kind: "train", Step: 1, Loss: 5.25}, {Kind: "train", Step: 2, Loss: 1.5}, {Kind: "valid", Step: 2, Loss: 2}}
	recall := experiment.Recall{R1: 9, R5: 35.83, R10: 12}
	for _, c := range []struct {
		figure Figure
		want   string
	}{
		{Loss(rows), "训练损失 · Training loss\n训练 · train: 5.25 → 1.5  █▁\n验证 · validation: 2 → 2  ▁"},
		{RecallBars(Named{Name: "before", TextToImage: recall, ImageToText: recall}), strings.Join([]string{
			"召回率 · Recall",
			"        text→image (%)   image→text (%)",
			"        R@1   R@5  R@10  R@1   R@5  R@10",
			"before  9.0  35.8  12.0  9.0  35.8  12.0"}, "\n")},
		{Grid("红心", []Picture{{Caption: "一颗红心", Score: 0.41239, Right: &right}, {Caption: "狗", Right: &wrong}, {Caption: "猫"}}), "红心\n  ✓ 0.4124  一颗红心\n  ✗ 狗\n  猫"},
		{Table([]string{"Step", "Loss"}, [][]string{{"20", "1.40"}}), "Step  Loss\n  20  1.40"},
		{Loss(nil), "训练损失 · Training loss\n" + nothing},
		{Confusion([]string{"a", "b"}, [][]int{{3, 1}, {0, 2}}), "混淆矩阵 · Confusion matrix\nConfusion matrix, 2 × 2"},
	} {
		if got := fmt.Sprint(c.figure); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
	many := fmt.Sprint(Grid("", make([]Picture, 1000)))
	if n := strings.Count(many, "\n"); n != maxLines+1 || !strings.Contains(many, "976 more") {
		t.Errorf("a thousand pictures are %d lines", n)
	}
}

// A picture for a place of unknown colour stands on nothing; one for paper on white.
func TestStill(t *testing.T) {
	rows := training(30)
	still := string(Still(Loss(rows), Accuracy(rows)))
	checkStill(t, []byte(still))
	for _, part := range []string{svg.Pencil, "训练损失 · Training loss", "批内准确率 · In-batch accuracy"} {
		if !strings.Contains(still, part) {
			t.Errorf("the picture lacks %s", part)
		}
	}
	if strings.Contains(strings.ToLower(still), "#ffffff") || strings.Contains(still, svg.Ink) || strings.Contains(still, "#000000") {
		t.Errorf("the picture has white or black in it: %.2000s", still)
	}
	if paper := string(Loss(rows).SVG()); !strings.Contains(paper, "#ffffff") || !strings.Contains(paper, svg.Ink) {
		t.Error("the file for a paper is not dark on white")
	}
}

func TestGroupedTable(t *testing.T) {
	html := Table([]string{"", "文→图 (%)\nR@1", "文→图 (%)\nR@5", "图→文 (%)\nR@1", "note"}, [][]string{{"a", "9.0", "35.8", "12.0", ""}}).HTML()
	for want, n := range map[string]int{`<th colspan="2"`: 1, ">文→图 (%)<": 1, ">图→文 (%)<": 1, ">R@1<": 2, ">R@5<": 1, ">note<": 1, "<tr>": 3} {
		if got := strings.Count(html, want); got != n {
			t.Errorf("%d of %s, want %d:\n%s", got, want, n, html)
		}
	}
	checkFragment(t, html)
	if plain := Table([]string{"a", "b"}, nil).HTML(); strings.Count(plain, "<tr>") != 2 {
		t.Errorf("a table without groups: %s", plain)
	}
}

// Labels of bars have one number of digits.
func TestBarLabels(t *testing.T) {
	option := string(RecallBars(Named{Name: "a", TextToImage: experiment.Recall{R1: 9, R5: 35.83, R10: 12}}).option)
	for _, want := range []string{`"formatter":"9.0"`, `"formatter":"35.8"`, `"formatter":"12.0"`} {
		if !strings.Contains(option, want) {
			t.Errorf("no bar has %s: %s", want, option)
		}
	}
}
