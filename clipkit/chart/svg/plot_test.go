package svg

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// texts are those of a drawing with where they stand; the drawing is well-formed and holds no number that is none.
func texts(t *testing.T, d *Drawing) (all []placed) {
	t.Helper()
	file := string(d.Document(Ink))
	if strings.Contains(file, "NaN") || strings.Contains(file, "Inf") || strings.Contains(file, "%!") {
		t.Fatalf("broken numbers: %s", file)
	}
	x := xml.NewDecoder(strings.NewReader(file))
	for {
		token, err := x.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in %s", err, file)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "text" {
			continue
		}
		p := placed{}
		var size float64
		anchor := ""
		for _, a := range start.Attr {
			v, _ := strconv.ParseFloat(a.Value, 64)
			switch a.Name.Local {
			case "x":
				p.left = v
			case "y":
				p.bottom = v
			case "font-size":
				size = v
			case "text-anchor":
				anchor = a.Value
			case "transform":
				p.turned = true
			}
		}
		if err := x.DecodeElement(&p.text, &start); err != nil {
			t.Fatal(err)
		}
		wide := size * Ems(p.text)
		p.left -= map[string]float64{"middle": wide / 2, "end": wide}[anchor]
		p.right, p.top = p.left+wide, p.bottom-size
		all = append(all, p)
	}
}

type placed struct {
	text                     string
	left, right, top, bottom float64
	turned                   bool
}

// apart fails where two texts lie over each other or one leaves the drawing.
func apart(t *testing.T, d *Drawing) {
	t.Helper()
	all := slices.DeleteFunc(texts(t, d), func(p placed) bool { return p.turned })
	for i, a := range all {
		if a.left < 0 || a.right > Width || a.top < 0 || a.bottom > float64(d.Height) {
			t.Errorf("%q is outside: %+v", a.text, a)
		}
		for _, b := range all[:i] {
			if a.left < b.right && b.left < a.right && a.top+1 < b.bottom && b.top+1 < a.bottom {
				t.Errorf("%q lies over %q", a.text, b.text)
			}
		}
	}
}

func TestMarksAreRound(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		want      string
	}{
		{0, 94, "0 20 40 60 80"}, {0, 60, "0 10 20 30 40 50 60"}, {1.41, 5.3, "2 3 4 5"}, {0, 1e-4, "0 2e-05 4e-05 6e-05 8e-05 0.0001"}, {-1, 1, "-1.0 -0.5 0.0 0.5 1.0"},
		{10, 1_000_000, "200000 400000 600000 800000 1000000"}, {0.501, 0.502, "0.5010 0.5012 0.5014 0.5016 0.5018 0.5020"},
	} {
		if got := strings.Join(ruled(test.low, test.high, 6).labels, " "); got != test.want {
			t.Errorf("%v to %v: %s, want %s", test.low, test.high, got, test.want)
		}
	}
	for _, v := range []float64{0, 3, -1e100, 5e-324, 1e100, math.Nextafter(1e100, 0)} {
		for _, w := range []float64{v, v + 1, math.Nextafter(v, 1e200), v * 2, 1e100} {
			a := ruled(min(v, w), max(v, w), 6)
			if n := len(a.marks); n == 0 || n > 8 || len(slices.Compact(slices.Clone(a.labels))) != n || !(a.low < a.high) {
				t.Errorf("%v to %v: %q", v, w, a.labels)
			}
		}
	}
}

func TestLabelsStandApart(t *testing.T) {
	var lines []Line
	for i := range 8 { // which end together
		lines = append(lines, Line{Points: [][2]float64{{0, float64(i)}, {1_000_000, 3}}, Colour: "#3b82f6", Opacity: 1, Width: 1.5, Letter: string(rune('A' + i))})
	}
	for i := range 4 { // and low, above a mark
		lines = append(lines, Line{Points: [][2]float64{{0, 5}, {200_000, 0}}, Colour: "#000000", Opacity: 1, Width: 1, Letter: string(rune('I' + i))})
	}
	d := Lines("optimizer step", "损失 · loss", lines)
	apart(t, d)
	if s := d.String(); strings.Count(s, "<path fill=\"none\" stroke=\"#3b82f6\"") != 8 {
		t.Errorf("8 lines are drawn as %s", s)
	}
	names := []string{"text→image R@1", "text→image R@5", "text→image R@10", "image→text R@1", "image→text R@5", "image→text R@10"}
	for n := 1; n <= 6; n++ {
		series := make([]Series, n)
		for i := range series {
			series[i] = Series{Values: []float64{9, 35.81, 12, math.NaN(), 100, 0}, Digits: 1, Colour: "#16a34a", Outlined: i == 1, Letter: string(rune('A' + i))}
		}
		d := Bars("%", names, series)
		apart(t, d)
		if numbers := strings.Count(d.String(), ">35.8<"); n <= 2 && numbers != n {
			t.Errorf("%d series have %d numbers", n, numbers)
		}
	}
	apart(t, Bars("ms", []string{strings.Repeat("a very long name ", 20), strings.Repeat("很长的名字", 20), "x"}, []Series{{Values: []float64{1e9, 2, 3}, Colour: "#16a34a"}}))
}

func TestTableAndPictures(t *testing.T) {
	number := func(s string) bool { _, err := strconv.ParseFloat(s, 64); return err == nil }
	d := Table([]string{"模型", "text→image (%)\nR@1", "text→image (%)\nR@5", "note"},
		[][]string{{"before", "9.0", "35.8", strings.Repeat("long ", 100)}, {"after", "12.0", "9.5", "<b>", "more than the header has"}, nil}, number)
	apart(t, d)
	all := texts(t, d)
	at := func(text string) placed {
		i := slices.IndexFunc(all, func(p placed) bool { return p.text == text })
		if i < 0 {
			t.Fatalf("no %q in %+v", text, all)
		}
		return all[i]
	}
	if math.Abs(at("9.0").right-at("12.0").right) > 0.1 || at("text→image (%)").left != at("R@1").left || at("before").bottom >= at("after").top {
		t.Errorf("misplaced: %+v", all)
	}
	at("<b>")
	var rows [][]string
	var tiles []Tile
	for i := range 100 {
		rows = append(rows, []string{fmt.Sprint(i)})
		tiles = append(tiles, Tile{Lines: []string{fmt.Sprint("picture ", i), "0.1234"}})
	}
	tiles[0].URI, tiles[0].Colour = "data:image/png;base64,AA==", "#16a34a"
	for name, d := range map[string]*Drawing{"table": Table([]string{"n"}, rows, number), "pictures": Pictures("猫 · cats", tiles)} {
		apart(t, d)
		if s := d.String(); !strings.Contains(s, "… 40 more") || strings.Contains(s, ">61<") || strings.Contains(s, "picture 60") {
			t.Errorf("%s: more than 60: %.300s", name, s)
		}
	}
	wide := slices.Repeat([]string{"a wide column"}, 80)
	texts(t, Table(wide, [][]string{wide}, number))
	texts(t, Table(nil, nil, number))
	texts(t, Pictures("", nil))
}
