package svg

import (
	"fmt"
	"strings"
)

// Sizes of tables and pictures, in CSS pixels.
const (
	cellSize  = 13
	cellRoom  = 20 // beside a cell's text
	rowHeight = 24
	tileWidth = 140
	tileSide  = 128
	tileSize  = 12
)

// maxRows is how many rows of a table, or pictures, a drawing shows.
const maxRows = 60

// Table draws rows under a header. A name "group\nname" stands under its group's, which is written once; right says which cells are aligned to the right. What
// is too wide for a column is cut, and of more than 60 rows their number is told.
func Table(header []string, rows [][]string, right func(cell string) bool) *Drawing {
	d := &Drawing{}
	left := len(rows) - maxRows
	rows = rows[:min(len(rows), maxRows)]
	var groups, names []string
	grouped := false
	for _, h := range header {
		group, name, both := strings.Cut(h, "\n")
		if !both {
			group, name = "", h
		}
		groups, names, grouped = append(groups, group), append(names, name), grouped || both
	}
	widths := columnWidths(groups, append([][]string{names}, rows...))
	row := func(cells []string, aligned bool) {
		d.Height += rowHeight
		x := 10.0
		for j, cell := range cells {
			text := Fit(cell, (widths[j]-cellRoom)/cellSize)
			if aligned && right(cell) {
				d.Text(x+widths[j]-cellRoom, float64(d.Height)-8, cellSize, "end", text)
			} else {
				d.Text(x, float64(d.Height)-8, cellSize, "start", text)
			}
			x += widths[j]
		}
	}
	if grouped {
		d.Height += rowHeight
		x := 10.0
		for j := 0; j < len(groups); {
			room, next := span(groups, widths, j)
			d.Text(x, float64(d.Height)-8, cellSize, "start", Fit(groups[j], (room-cellRoom)/cellSize))
			x, j = x+room, next
		}
	}
	row(names, false)
	total := 0.0
	for _, w := range widths {
		total += w
	}
	d.Rect(10, float64(d.Height)-1, total-cellRoom, 1, "currentColor")
	for _, cells := range rows {
		row(cells, true)
	}
	if left > 0 {
		d.Height += rowHeight
		d.Text(10, float64(d.Height)-8, cellSize, "start", fmt.Sprintf("… %d more", left))
	}
	d.Height += 10
	return d
}

// span is how wide the columns of one group are together, and the first column after them.
func span(groups []string, widths []float64, first int) (room float64, next int) {
	for next = first; next < len(groups) && groups[next] == groups[first]; next++ {
		room += widths[next]
	}
	return room, next
}

// columnWidths are those of the widest cells and groups; where that is more than there is, the widest columns give way.
func columnWidths(groups []string, rows [][]string) (widths []float64) {
	total := 0.0
	for _, row := range rows {
		for j, cell := range row {
			if j == len(widths) {
				widths = append(widths, 0)
			}
			widths[j] = max(widths[j], cellRoom+cellSize*Ems(Fit(cell, 60)))
		}
	}
	for j := 0; j < len(groups); {
		room, next := span(groups, widths, j)
		widths[next-1] += max(0, cellRoom+cellSize*Ems(Fit(groups[j], 60))-room)
		j = next
	}
	for _, w := range widths {
		total += w
	}
	for most := Width - 20.0; total > most; {
		widest := 0
		for j, w := range widths {
			if w > widths[widest] {
				widest = j
			}
		}
		cut := min(total-most, widths[widest]/4)
		widths[widest] -= cut
		total -= cut
	}
	return widths
}

// Tile is one picture of [Pictures].
type Tile struct {
	URI    string // data:image/…; "" for none
	Lines  []string
	Colour string // of a frame; "" for none
}

// Pictures draws pictures with lines below them, five in a row, and the number of those that are more than 60.
func Pictures(title string, tiles []Tile) *Drawing {
	d := &Drawing{Height: 10}
	left := len(tiles) - maxRows
	if title != "" {
		d.Height += 20
		d.Text(10, float64(d.Height)-6, 15, "start", Fit(title, Width/15))
	}
	for i, tile := range tiles[:min(len(tiles), maxRows)] {
		x, y := 10+float64(i%5)*tileWidth, float64(d.Height)
		if tile.Colour != "" {
			fmt.Fprintf(d, `<rect x="%g" y="%g" width="%d" height="%d" fill="none" stroke="%s" stroke-width="3"/>`, x, y, tileSide+2, tileSide+2, tile.Colour)
		}
		if tile.URI != "" {
			fmt.Fprintf(d, `<image x="%g" y="%g" width="%d" height="%d" href="%s"/>`, x+1, y+1, tileSide, tileSide, tile.URI)
		}
		for j, line := range tile.Lines {
			d.Text(x, y+tileSide+18+float64(j)*(tileSize+4), tileSize, "start", Fit(line, tileSide/tileSize))
		}
		if i%5 == 4 || i == len(tiles)-1 || i == maxRows-1 {
			d.Height += tileSide + 10 + 3*(tileSize+4)
		}
	}
	if left > 0 {
		d.Height += 20
		d.Text(10, float64(d.Height)-6, cellSize, "start", fmt.Sprintf("… %d more", left))
	}
	d.Height += 10
	return d
}
