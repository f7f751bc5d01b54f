package chart

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestMap(t *testing.T) {
	png := readTestdata(t, "good.png")
	c := Map([][2]float64{{1, 2}, {3, 4}, {math.NaN(), 0}, {5, 6}}, []string{"图", "文", "文", "图"},
		[]Picture{{Encoded: png, Caption: "猫"}, {Caption: "一只猫"}, {}, {Encoded: []byte("no picture"), Caption: "坏"}})
	p := parse(t, c)
	if len(p.Series) != 2 || p.Series[0].Name != "图" || p.Series[1].Name != "文" {
		t.Fatalf("series %+v", p.Series)
	}
	// The third number of a point is its place among the pictures.
	if got := fmt.Sprint(p.Series[0].Data, p.Series[1].Data); got != "[{[1 2 0]} {[5 6 3]}] [{[3 4 1]}]" {
		t.Errorf("points %s", got)
	}
	if len(c.live.Pictures) != 4 || !strings.HasPrefix(c.live.Pictures[0], "data:image/") || c.live.Pictures[1] != "" || c.live.Pictures[3] != "" {
		t.Errorf("pictures %.80q, want one for the first point", c.live.Pictures)
	}
	if got := strings.Join(c.notes, "; "); !strings.Contains(got, "(NaN, ±Inf): 1") || !strings.Contains(got, "cannot be read: 1") {
		t.Errorf("notes %s", got)
	}
	if c.legend[0].shape == c.legend[1].shape {
		t.Error("two kinds have one shape")
	}
	if n := strings.Count(string(c.static[0].Document("#334155")), "<use "); n != 3 {
		t.Errorf("%d points in the static picture, want 3", n)
	}
}

func TestMapWithoutKindsAndPictures(t *testing.T) {
	if c := Map([][2]float64{{1, 1}, {1, 1}}, nil, nil); len(parse(t, c).Series) != 1 || len(c.notes) != 0 || strings.Contains(string(c.SVG()), "NaN") {
		t.Errorf("two equal points: notes %q\n%s", c.notes, c.SVG())
	}
	if html := Map(nil, nil, nil).HTML(); !strings.Contains(html, "no rows yet") {
		t.Errorf("no points: %s", html)
	}
	if c := Map([][2]float64{{1, 1}, {2, 2}}, []string{"a"}, nil); len(c.notes) != 1 || !strings.Contains(c.notes[0], "1 kinds for 2 points") {
		t.Errorf("notes %q", c.notes)
	}
}

func TestMapStaysSmall(t *testing.T) {
	points, kinds, pictures := make([][2]float64, maxPoints+1), make([]string, maxPoints+1), make([]Picture, maxPoints+1)
	for i := range points {
		points[i], kinds[i] = [2]float64{math.Sin(float64(i)), math.Cos(float64(7 * i))}, fmt.Sprint("kind ", i%40)
		pictures[i].Caption = "说明"
	}
	pictures[maxThumbnails+5].Encoded = readTestdata(t, "good.png")
	c := Map(points, kinds, pictures)
	if n := len(c.HTML()); n > 2<<20 {
		t.Errorf("%d bytes of HTML", n)
	}
	if n := len(c.static[0].Document("#334155")); n > 100_000 {
		t.Errorf("a static picture of %d bytes", n)
	}
	if len(c.notes) != 1 || !strings.Contains(c.notes[0], "the first 20000 of 20001 points") || !c.live.Canvas {
		t.Errorf("notes %q, canvas %v", c.notes, c.live.Canvas)
	}
	seen := map[string]bool{}
	for _, m := range c.legend[:30] {
		seen[fmt.Sprint(m.colour, m.shape)] = true
	}
	if len(seen) != 30 {
		t.Errorf("30 kinds have %d different marks", len(seen))
	}
}
