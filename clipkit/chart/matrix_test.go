package chart

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"clipnb/clipkit/chart/svg"
)

// parsedMatrix is the part of a matrix' option that the tests look at.
type parsedMatrix struct {
	XAxis, YAxis struct {
		Data      []string
		AxisLabel struct{ Interval any }
	}
	Series []struct{ Data []json.RawMessage }
}

// cells are the numbers of each cell, in order, and the texts in them.
func cells(t *testing.T, c *Chart) (numbers [][]float64, texts []string, p parsedMatrix) {
	t.Helper()
	if err := json.Unmarshal(c.option, &p); err != nil {
		t.Fatalf("the option is not JSON: %v\n%.300s", err, c.option)
	}
	for _, raw := range p.Series[0].Data {
		var full struct {
			Value []float64
			Label struct{ Formatter string }
		}
		if json.Unmarshal(raw, &full.Value) != nil {
			if err := json.Unmarshal(raw, &full); err != nil {
				t.Fatal(err)
			}
		}
		numbers, texts = append(numbers, full.Value), append(texts, full.Label.Formatter)
	}
	return numbers, texts, p
}

func TestConfusion(t *testing.T) {
	c := Confusion([]string{"猫", "狗"}, [][]int{{3, 1}, {0, 0}})
	numbers, texts, p := cells(t, c)
	// Column, row, percent of the row, count. The row without pictures has no percentages to speak of.
	if got, want := fmt.Sprint(numbers), "[[0 0 75 3] [1 0 25 1] [0 1 0 0] [1 1 0 0]]"; got != want {
		t.Errorf("cells %s, want %s", got, want)
	}
	if got := fmt.Sprintf("%q", texts); got != `["3" "1" "" ""]` {
		t.Errorf("texts in cells %s", got)
	}
	if fmt.Sprint(p.XAxis.Data, p.YAxis.Data, c.live.Rows, c.live.Columns) != "[猫 狗] [猫 狗] [猫 狗] [猫 狗]" || len(c.notes) != 0 {
		t.Errorf("labels %v and %v, whole ones %v and %v, notes %q", p.XAxis.Data, p.YAxis.Data, c.live.Rows, c.live.Columns, c.notes)
	}
	drawn := string(c.SVG())
	for _, text := range []string{"混淆矩阵", ">猫<", ">3<", "true class", svg.Shade(ramps[0], 0.75)} {
		if !strings.Contains(drawn, text) {
			t.Errorf("the SVG lacks %q", text)
		}
	}
}

// A hundred classes: labels thin out, tooltips know every name, and the chart stays small.
func TestConfusionOfManyClasses(t *testing.T) {
	labels, counts := make([]string, 100), make([][]int, 100)
	for i := range labels {
		labels[i] = fmt.Sprintf("一个名字很长很长很长很长的类别，编号 %d", i)
		counts[i] = make([]int, 100)
		for j := range counts[i] {
			counts[i][j] = (i*31 + j*17) % 50
		}
	}
	c := Confusion(labels, counts)
	numbers, texts, p := cells(t, c)
	if len(numbers) != 10_000 || texts[0] != "" || p.XAxis.AxisLabel.Interval != "auto" || !c.live.Canvas {
		t.Errorf("%d cells, text %q, label interval %v, canvas %v", len(numbers), texts[0], p.XAxis.AxisLabel.Interval, c.live.Canvas)
	}
	if c.live.Rows[99] != labels[99] || p.YAxis.Data[99] == labels[99] {
		t.Errorf("tooltips say %q, the axis %q", c.live.Rows[99], p.YAxis.Data[99])
	}
	if n := len(c.HTML()); n > 1<<20 {
		t.Errorf("%d bytes of HTML, want at most 1 MiB", n)
	}
	if n := strings.Count(string(c.static[0].Document("#334155")), "编号") + strings.Count(string(c.static[0].Document("#334155")), "…<"); n > 150 {
		t.Errorf("%d labels in the static picture: they overlap", n)
	}
}

func TestMatrixBounds(t *testing.T) {
	labels := make([]string, maxSide+1)
	counts := make([][]int, maxSide+1)
	for i := range counts {
		counts[i] = make([]int, maxSide+1)
		counts[i][i] = 1
	}
	c := Confusion(labels, counts)
	if numbers, _, _ := cells(t, c); len(numbers) != maxSide*maxSide || len(c.notes) != 1 || !strings.Contains(c.notes[0], "only the first 256 rows") {
		t.Errorf("%d cells, notes %q", len(numbers), c.notes)
	}
	for name, c := range map[string]*Chart{
		"row 2 has 1 values for 2 labels": Confusion([]string{"a", "b"}, [][]int{{1, 2}, {3}}),
		"3 rows of values for 2 labels":   Confusion([]string{"a", "b"}, [][]int{{1, 2}, {3, 4}, {5, 6}}),
		"row 1 has 3 values for 1 labels": Heatmap([][]float64{{1, 2, 3}}, make([]Picture, 1), []string{"a"}),
	} {
		if len(c.notes) != 1 || !strings.Contains(c.notes[0], name) {
			t.Errorf("notes %q, want %q", c.notes, name)
		}
	}
	for _, c := range []*Chart{Confusion(nil, nil), Confusion([]string{"a"}, nil), Heatmap(nil, nil, nil), Heatmap([][]float64{{math.NaN()}}, make([]Picture, 1), []string{"a"})} {
		if html := c.HTML(); !strings.Contains(html, "no rows yet") {
			t.Errorf("a matrix without cells is %s", html)
		}
	}
}

func TestHeatmap(t *testing.T) {
	png := readTestdata(t, "good.png")
	c := Heatmap([][]float64{{0.31, math.NaN()}, {0.1, 0.2}},
		[]Picture{{Encoded: png, Caption: "猫 {p1|}"}, {Encoded: readTestdata(t, "truncated.png"), Caption: "狗"}}, []string{"一只猫", "一条狗"})
	numbers, texts, p := cells(t, c)
	if got := fmt.Sprint(numbers); got != "[[0 0 0.31] [0 1 0.1] [1 1 0.2]]" {
		t.Errorf("cells %s", got)
	}
	if got := fmt.Sprint(texts); got != "[0.31 0.10 0.20]" {
		t.Errorf("texts %s", got)
	}
	// The readable picture is named in its row's label; braces of a caption name none.
	if p.YAxis.Data[0] != "猫 (p1|) {p0|}" || p.YAxis.Data[1] != "狗" {
		t.Errorf("row labels %q", p.YAxis.Data)
	}
	if c.live.Rows[0] != "猫 {p1|}" || !strings.HasPrefix(c.live.Pictures[0], "data:image/") || c.live.Pictures[1] != "" {
		t.Errorf("tooltips have %q and %.60q", c.live.Rows, c.live.Pictures)
	}
	if got := strings.Join(c.notes, "; "); !strings.Contains(got, "values left out (NaN, ±Inf): 1") || !strings.Contains(got, "pictures that cannot be read: 1") {
		t.Errorf("notes %s", got)
	}
	if n := strings.Count(string(c.static[0].Document("#334155")), "<image "); n != 1 {
		t.Errorf("%d pictures in the static form, want 1", n)
	}
}

func TestShade(t *testing.T) {
	if svg.Shade(ramps[0], 0) != ramps[0][0] || svg.Shade(ramps[0], 0.5) != ramps[0][1] || svg.Shade(ramps[0], 1) != ramps[0][2] {
		t.Errorf("shades %s %s %s, want %v", svg.Shade(ramps[0], 0), svg.Shade(ramps[0], 0.5), svg.Shade(ramps[0], 1), ramps[0])
	}
	m := matrix{low: 2, high: 2}
	if level := m.level(cell{shade: 2}); level != 0 {
		t.Errorf("equal values have level %v, want 0", level)
	}
}

// Whatever counts and labels are given, a chart is drawn or says why not.
func FuzzConfusion(f *testing.F) {
	f.Add("猫", "</script>", 1, 2, 3, 4)
	f.Add("", "{p0|}", -1, math.MaxInt, math.MinInt, 0)
	f.Fuzz(func(t *testing.T, a, b string, n1, n2, n3, n4 int) {
		c := Confusion([]string{a, b}, [][]int{{n1, n2}, {n3, n4}})
		checkFragment(t, c.HTML())
		checkStill(t, c.SVG())
		if strings.Contains(string(c.SVG()), "NaN") {
			t.Errorf("the picture holds NaN: %s", c.SVG())
		}
		cells(t, c)
	})
}
