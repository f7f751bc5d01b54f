package svg_test

import (
	"bytes"
	"fmt"

	"clipnb/clipkit/chart/svg"
)

func ExampleLines() {
	points := [][2]float64{{0, 5.3}, {100, 2.1}, {200, 1.4}}
	d := svg.Lines("optimizer step", "loss (nats)", []svg.Line{{Points: points, Colour: "#3b82f6", Opacity: 1, Width: 1.5, Stroke: svg.Dashed}})
	file := d.Document(svg.Ink)
	fmt.Println(svg.Width, "×", d.Height, bytes.Contains(file, []byte("optimizer step")), bytes.Contains(file, []byte("stroke-dasharray")))
	// Output: 720 × 300 true true
}
