package chart

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"clipnb/clipkit/chart/option"
	"clipnb/clipkit/chart/svg"
)

// The sizes of a matrix: how many rows and columns are drawn, up to which number each cell carries its value and each row its picture.
const (
	maxSide     = 256
	maxLabelled = 24
	maxPictured = 40
)

// ramps are the colours from low to high on a light and on a dark page: what is low fades into the page.
var ramps = [2][]string{
	{"#f1f5f9", "#60a5fa", "#1e3a8a"},
	{"#1e293b", "#2563eb", "#dbeafe"},
}

// matrix is a chart of coloured cells, the first row on top.
type matrix struct {
	title           label
	notes           []string
	rowName, column label
	rows, columns   []string
	pictures        []string // data: URIs of the rows; nil: none
	low, high       float64  // of the colours
	scale           label    // what the colours mean
	names           []string // of a cell's numbers, for tooltips: of the shade, then of the count if it has one
	cells           []cell
	inside          func(cell) string // the text in a cell, "" for none
}

type cell struct {
	row, column int
	shade       float64
	count       int
}

func (m matrix) chart() *Chart {
	out := &Chart{title: m.title, notes: m.notes}
	if len(m.cells) == 0 {
		return out
	}
	out.alt = fmt.Sprintf("%s, %d × %d", m.title.en, len(m.rows), len(m.columns))
	out.option, out.live = m.option()
	out.static = []*svg.Drawing{m.still()}
	return out
}

// clip keeps the rows and columns that can be drawn, and says so.
func (m *matrix) clip(rows, columns []string) {
	if len(rows) > maxSide || len(columns) > maxSide {
		m.notes = append(m.notes, fmt.Sprintf("只绘前 %d 行列 · only the first %[1]d rows and columns of %d × %d are drawn", maxSide, len(rows), len(columns)))
	}
	m.rows, m.columns = rows[:min(len(rows), maxSide)], columns[:min(len(columns), maxSide)]
}

// compare notes values that don't fit their labels; what has a place is drawn all the same.
func (m *matrix) compare(rows, columns, n int, length func(row int) int) {
	if n != rows {
		m.notes = append(m.notes, fmt.Sprintf("行数与标签不符 · %d rows of values for %d labels", n, rows))
	}
	for i := range n {
		if length(i) != columns {
			m.notes = append(m.notes, fmt.Sprintf("列数与标签不符 · row %d has %d values for %d labels", i+1, length(i), columns))
			return
		}
	}
}

// has reports whether a cell has a place.
func (m *matrix) has(row, column int) bool { return row < len(m.rows) && column < len(m.columns) }

// labelled reports whether cells are large enough for text.
func (m matrix) labelled() bool { return max(len(m.rows), len(m.columns)) <= maxLabelled }

// pictured reports whether rows are high enough for pictures.
func (m matrix) pictured() bool { return m.pictures != nil && len(m.rows) <= maxPictured }

// pitch is a cell's height and width in pixels, where width gives room for all columns.
func (m matrix) pitch(room float64) (height, width float64) {
	height = min(40, max(720/float64(len(m.rows)), 2.5))
	if m.pictured() {
		height = max(height, 26)
	}
	return height, min(56, room/float64(len(m.columns)))
}

// unmarked takes away the braces that name a picture in an axis label.
var unmarked = strings.NewReplacer("{", "(", "}", ")")

// option is written in ECharts' own words: go-echarts has none for pictures in labels and colours by theme.
func (m matrix) option() ([]byte, live) {
	const size = 11 // of labels, pixels
	rows, columns := make([]string, len(m.rows)), make([]string, len(m.columns))
	rich := map[string]any{}
	left, bottom := 0.0, 0.0
	for i, name := range m.rows {
		rows[i] = svg.Fit(unmarked.Replace(name), 14)
		left = max(left, size*svg.Ems(rows[i]))
		if m.pictured() && m.pictures[i] != "" {
			style := fmt.Sprintf("p%d", i)
			rich[style] = map[string]any{"width": 24, "height": 24, "backgroundColor": map[string]any{"image": m.pictures[i]}}
			rows[i] += " {" + style + "|}"
		}
	}
	for i, name := range m.columns {
		columns[i] = svg.Fit(unmarked.Replace(name), 12)
		bottom = max(bottom, size*svg.Ems(columns[i]))
	}
	left += 44
	if m.pictured() {
		left += 32
	}
	rowHeight, columnWidth := m.pitch(900 - left)
	turn := 0
	if bottom > columnWidth-6 {
		turn = 60
		bottom *= 0.87
	} else {
		bottom = size
	}
	bottom += 40
	height := rowHeight * float64(len(m.rows))
	// Many columns follow the page's width; a few keep the size of their cells.
	grid := map[string]any{"left": left, "top": 44, "height": height, "right": 16}
	if wide := columnWidth * float64(len(m.columns)); wide < 480 {
		delete(grid, "right")
		grid["width"] = wide
	}

	data := make([]any, len(m.cells))
	for i, c := range m.cells {
		value := []any{c.column, c.row, round(c.shade), c.count}[:2+len(m.names)]
		data[i] = value
		if m.labelled() {
			data[i] = map[string]any{"value": value, "label": map[string]any{"formatter": m.inside(c)}}
		}
	}
	interval := any("auto")
	if max(len(rows), len(columns)) <= 60 {
		interval = 0
	}
	axis := func(names []string, name label, gap float64, label map[string]any) map[string]any {
		label["interval"], label["fontSize"] = interval, size
		return map[string]any{
			"type": "category", "data": names, "name": name.String(), "nameLocation": "middle", "nameGap": gap,
			"axisLabel": label, "axisTick": map[string]any{"show": false}, "axisLine": map[string]any{"show": false},
		}
	}
	y := axis(rows, m.rowName, left-18, map[string]any{"rich": rich})
	y["inverse"] = true
	return option.Encode(map[string]any{
			"animation":       false,
			"backgroundColor": "transparent",
			"grid":            grid,
			"xAxis":           axis(columns, m.column, bottom-20, map[string]any{"rotate": turn}),
			"yAxis":           y,
			"tooltip":         map[string]any{"confine": true},
			"visualMap": map[string]any{
				"type": "continuous", "dimension": 2, "min": m.low, "max": m.high, "precision": 2, "calculable": true,
				"orient": "horizontal", "left": left, "top": 0, "itemWidth": 14, "itemHeight": 160, "text": []string{"", m.scale.String()},
			},
			"series": []any{map[string]any{
				"type": "heatmap", "data": data, "progressive": 0, "label": map[string]any{"show": m.labelled(), "fontSize": 10},
				"emphasis": map[string]any{"itemStyle": map[string]any{"borderColor": "#f97316", "borderWidth": 2}},
			}},
		}), live{
			Height: int(44 + height + bottom), Tips: "cell", Canvas: len(m.cells) > 2500, Pictures: m.pictures, Rows: fitAll(m.rows), Columns: fitAll(m.columns),
			RowName: m.rowName.String(), ColumnName: m.column.String(), Names: m.names, Ramps: ramps,
		}
}

// still draws the matrix without tooltips, in sixteen colours.
func (m matrix) still() *svg.Drawing {
	s := &svg.Drawing{}
	size := min(11, max(8, 500/float64(len(m.rows))))
	left, bottom := 0.0, 0.0
	for _, name := range m.rows {
		left = max(left, size*svg.Ems(svg.Fit(name, 12)))
	}
	for _, name := range m.columns {
		bottom = max(bottom, size*svg.Ems(svg.Fit(name, 12)))
	}
	left += 34
	if m.pictured() {
		left += 26
	}
	height, width := m.pitch(svg.Width - 10 - left)
	height = min(height, max(520/float64(len(m.rows)), 2.5))
	const top = 34.0
	end := top + height*float64(len(m.rows))

	s.Text(left, 14, 11, "start", m.scale.String())
	at := left + 11*svg.Ems(m.scale.String()) + 12
	s.Text(at, 14, 11, "start", short(m.low))
	at += 11*svg.Ems(short(m.low)) + 4
	for i := range 32 {
		s.Rect(at+4*float64(i), 5, 4, 11, svg.Shade(ramps[0], float64(i)/31))
	}
	s.Text(at+134, 14, 11, "start", short(m.high))

	every := func(pitch float64) int { return max(1, int(math.Ceil(1.2*size/pitch))) }
	for i, name := range m.rows {
		y := top + height*(float64(i)+0.5)
		if i%every(height) != 0 {
			continue
		}
		right := left - 6
		if m.pictured() {
			if m.pictures[i] != "" {
				fmt.Fprintf(s, `<image x="%.4g" y="%.4g" width="20" height="20" href="%s"/>`, left-24, y-10, m.pictures[i])
			}
			right -= 24
		}
		s.Text(right, y+size/3, size, "end", svg.Fit(name, 12))
	}
	for i, name := range m.columns {
		if i%every(width) == 0 {
			s.Turned(left+width*(float64(i)+0.5)+size/3, end+6, size, "end", svg.Fit(name, 12))
		}
	}
	fmt.Fprintf(s, `<g transform="translate(%.4g %g) scale(%.6g %.6g)">%s</g>`, left, top, width, height, m.stripes())
	if m.labelled() {
		for _, c := range m.cells {
			ink := "#0f172a"
			if m.level(c) > 0.5 {
				ink = "#ffffff"
			}
			if text := m.inside(c); text != "" {
				fmt.Fprintf(s, `<text x="%.4g" y="%.4g" font-size="9" text-anchor="middle" fill="%s">%s</text>`,
					left+width*(float64(c.column)+0.5), top+height*(float64(c.row)+0.5)+3, ink, svg.Escape(text))
			}
		}
	}
	s.Turned(14, (top+end)/2, 11, "middle", m.rowName.String())
	s.Text(left+width*float64(len(m.columns))/2, end+bottom+24, 11, "middle", m.column.String())
	s.Height = int(end + bottom + 32)
	return s
}

// level is a cell's place between low and high, in sixteenths.
func (m matrix) level(c cell) float64 {
	if m.high <= m.low {
		return 0
	}
	return math.Round(16*min(1, max(0, (c.shade-m.low)/(m.high-m.low)))) / 16
}

// stripes are the cells in units of their size: one path for each level, in it one rectangle for each run of neighbours.
func (m matrix) stripes() string {
	paths := map[float64]*strings.Builder{}
	for i := 0; i < len(m.cells); {
		first, level := m.cells[i], m.level(m.cells[i])
		n := 1
		for i+n < len(m.cells) && m.cells[i+n].row == first.row && m.cells[i+n].column == first.column+n && m.level(m.cells[i+n]) == level {
			n++
		}
		if paths[level] == nil {
			paths[level] = &strings.Builder{}
		}
		fmt.Fprintf(paths[level], "M%d %dh%dv1h-%[3]dz", first.column, first.row, n)
		i += n
	}
	var b strings.Builder
	for _, level := range slices.Sorted(maps.Keys(paths)) {
		fmt.Fprintf(&b, `<path fill="%s" d="%s"/>`, svg.Shade(ramps[0], level), paths[level])
	}
	return b.String()
}

// fitAll prepares names for tooltips, which wrap them.
func fitAll(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = svg.Fit(name, 300)
	}
	return out
}
