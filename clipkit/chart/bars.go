package chart

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"clipnb/clipkit/chart/plain"
	"clipnb/clipkit/chart/svg"
)

// bars is a chart of one group for each category, in it one bar for each series.
type bars struct {
	title      label
	axis       label
	groups     label // what the categories are
	categories []label
	digits     int // after the point, of every number
	series     []barSeries
	dropped    int // values that cannot be drawn
}

type barSeries struct {
	model     string
	letter    string // above each bar and before the name: colours alone would not tell ten models apart
	colour    string
	published bool
	values    []float64 // one for each category; NaN: no bar
}

// add takes a model's values. Under the name of an earlier one it has that one's letter and colour.
func (c *bars) add(model string, published bool, values []float64) {
	var models []string
	for _, s := range c.series {
		if !slices.Contains(models, s.model) {
			models = append(models, s.model)
		}
	}
	i := slices.Index(models, model)
	if i < 0 {
		i = len(models)
	}
	c.series = append(c.series, barSeries{model, letter(i), palette[i%len(palette)], published, values})
}

// checked counts a value that cannot be drawn, and makes it no bar.
func (c *bars) checked(v float64) float64 {
	if !drawable(v) {
		c.dropped++
		return math.NaN()
	}
	return v
}

// name is a series' in the legend.
func (s barSeries) name() string {
	name := strings.TrimSpace(s.letter + " " + s.model)
	if s.published {
		name += "（已发表 published）"
	}
	return name
}

func (c bars) chart() *Chart {
	out := &Chart{title: c.title}
	if len(c.series) == 0 {
		return out
	}
	alone := !slices.ContainsFunc(c.series, func(s barSeries) bool { return s.model != c.series[0].model })
	var names []string
	for i := range c.series {
		s := &c.series[i]
		if alone {
			s.letter = ""
		}
		m := mark{colour: s.colour, opacity: 1, name: s.name()}
		if s.published {
			m.shape = svg.Hollow
		}
		names = append(names, m.name)
		out.legend = append(out.legend, m)
	}
	out.notes = droppedNote(c.dropped)
	out.alt = c.title.en + " of " + strings.Join(names, ", ")
	out.text = c.table(names)
	out.option = c.option(out.legend)
	out.live = live{Height: height(out.legend), Digits: c.digits}
	out.static = c.static()
	return out
}

// number is a value as bars and tables have it.
func (c bars) number(v float64) string { return strconv.FormatFloat(v, 'f', c.digits, 64) }

// table has a row for each series and a column for each category.
func (c bars) table(names []string) string {
	header := []string{""}
	for _, l := range c.categories {
		header = append(header, strings.ReplaceAll(l.en, " R@", " (%)\nR@"))
	}
	var rows [][]string
	for i, s := range c.series {
		row := []string{names[i]}
		for _, v := range s.values {
			if math.IsNaN(v) {
				row = append(row, "-")
				continue
			}
			row = append(row, c.number(v))
		}
		rows = append(rows, row)
	}
	return plain.Table(header, rows)
}

// static draws the bars.
func (c bars) static() []*svg.Drawing {
	names := make([]string, len(c.categories))
	for i, l := range c.categories {
		names[i] = l.en
	}
	series := make([]svg.Series, len(c.series))
	for i, s := range c.series {
		series[i] = svg.Series{Values: s.values, Digits: c.digits, Colour: s.colour, Outlined: s.published, Letter: s.letter}
	}
	return []*svg.Drawing{svg.Bars(c.axis.en, names, series)}
}

// letter names a model: A to Z, then numbers.
func letter(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return strconv.Itoa(i + 1)
}
