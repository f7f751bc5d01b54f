package chart

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestSimilarities(t *testing.T) {
	matching := []float64{0.3, 0.4, 0.5, math.NaN()}
	other := []float64{0, 0.1, 0.1, 0.2, math.Inf(1)}
	c := Similarities(matching, other, 0.25)
	p := parse(t, c)
	if len(p.Series) != 2 {
		t.Fatalf("%d curves, want 2", len(p.Series))
	}
	for i, want := range []float64{3, 4} {
		area, last := 0.0, 0.0
		for j, d := range p.Series[i].Data {
			v := d.Value.([]any)
			x, y := v[0].(float64), v[1].(float64)
			if j > 0 {
				area += (x - last) * y
			}
			last = x
		}
		// 50 bins over 0 to 0.5: all pairs of a kind together are 100 % in each bin's width.
		if math.Abs(area-100*0.01) > 1e-3 {
			t.Errorf("%s (%v scores): the area is %v, want 1", p.Series[i].Name, want, area)
		}
	}
	notes := strings.Join(c.notes, "; ")
	for _, want := range []string{"matching pairs: 3", "other pairs: 4", "threshold: 0.25", "values left out (NaN, ±Inf): 2"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes %q lack %q", notes, want)
		}
	}
	if !strings.Contains(string(c.option), `"xAxis":0.25`) {
		t.Error("the threshold's line is not drawn")
	}
}

func TestSimilarityBins(t *testing.T) {
	c := SimilarityBins(Bins{From: -1, To: 1, Matching: []int{0, 10}, Other: []int{30, 10}}, math.NaN())
	p := parse(t, c)
	got, err := json.Marshal(p.Series[1].Data)
	if err != nil {
		t.Fatal(err)
	}
	if want := `[{"Value":[-1,0]},{"Value":[-1,75]},{"Value":[0,75]},{"Value":[0,25]},{"Value":[1,25]},{"Value":[1,0]}]`; string(got) != want {
		t.Errorf("the other pairs' outline is %s, want %s", got, want)
	}
	if strings.Contains(string(c.option), "markLine") || strings.Contains(c.notes[0], "threshold") {
		t.Error("no threshold was given, and one is drawn")
	}
	for name, b := range map[string]Bins{
		"nothing": {}, "no width": {From: 1, To: 1, Matching: []int{1}}, "no pairs": {To: 1, Matching: []int{0}, Other: []int{-5}}, "NaN": {From: math.NaN(), To: 1, Matching: []int{1}},
	} {
		if html := SimilarityBins(b, 0).HTML(); !strings.Contains(html, "no rows yet") {
			t.Errorf("%s: %s", name, html)
		}
	}
	if c := Similarities([]float64{0.5}, nil, 0.5); len(parse(t, c).Series) != 1 {
		t.Error("a single score is not drawn")
	}
	if html := Similarities(nil, nil, 0).HTML(); !strings.Contains(html, "no rows yet") {
		t.Errorf("no scores: %s", html)
	}
}

// Whatever the scores, each is in a bin or counted as left out.
func FuzzSimilarities(f *testing.F) {
	f.Add(0.1, 0.2, 0.3)
	f.Add(math.NaN(), 1e100, -1e100)
	f.Add(5e-324, 0.0, math.Inf(1))
	f.Fuzz(func(t *testing.T, a, b, threshold float64) {
		c := Similarities([]float64{a}, []float64{b}, threshold)
		checkFragment(t, c.HTML())
		if c.option != nil && strings.Contains(string(c.static[0].Document("#334155")), "NaN") {
			t.Errorf("the picture holds NaN: %s", c.static[0].Document("#334155"))
		}
	})
}
