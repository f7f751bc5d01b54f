package chart

import (
	"fmt"
	"math"
	"sort"
	"strconv"

	"clipnb/clipkit/experiment"
)

// How many points a line may have: enough for a wide screen, few enough for the page and for the static picture.
const (
	livePoints   = 2000
	staticPoints = 400
)

// point is one value of a line; x is the optimizer step.
type point struct{ x, y float64 }

// coordinates are the points as package svg takes them.
func coordinates(points []point) [][2]float64 {
	out := make([][2]float64, len(points))
	for i, p := range points {
		out[i] = [2]float64{p.x, p.y}
	}
	return out
}

// pick reads one line from the rows of a kind. value reports false where a row doesn't hold the quantity. Rows whose value cannot be
// drawn are counted in dropped.
func pick(rows []experiment.Row, kind string, value func(experiment.Row) (float64, bool)) (points []point, dropped int) {
	for _, row := range rows {
		if row.Kind != kind {
			continue
		}
		y, ok := value(row)
		if !ok {
			continue
		}
		x := float64(row.Step)
		// A resumed run says again what happened after its checkpoint.
		if n := len(points); n > 0 && points[n-1].x >= x {
			points = points[:sort.Search(n, func(i int) bool { return points[i].x >= x })]
		}
		if !drawable(y) {
			dropped++
			continue
		}
		points = append(points, point{x, y})
	}
	return points, dropped
}

// drawable excludes what JSON or an axis cannot hold: the span of an axis must stay finite.
func drawable(y float64) bool { return math.Abs(y) <= 1e100 }

// smooth is the exponential moving average that counts about window points, without the pull towards a made-up start.
func smooth(points []point, window int) []point {
	keep := 1 - 2/float64(window+1)
	out := make([]point, len(points))
	var sum, weight float64
	for i, p := range points {
		sum, weight = keep*sum+p.y, keep*weight+1
		out[i] = point{p.x, sum / weight}
	}
	return out
}

// thin keeps at most limit points: the first, the last, and the lowest and highest of equal buckets between them.
func thin(points []point, limit int) []point {
	if len(points) <= limit {
		return points
	}
	last := len(points) - 1
	buckets := (limit - 2) / 2
	out := append(make([]point, 0, limit), points[0])
	for i := range buckets {
		bucket := points[1+i*(last-1)/buckets : 1+(i+1)*(last-1)/buckets]
		low, high := 0, 0
		for j, p := range bucket {
			if p.y < bucket[low].y {
				low = j
			}
			if p.y > bucket[high].y {
				high = j
			}
		}
		out = append(out, bucket[min(low, high)])
		if low != high {
			out = append(out, bucket[max(low, high)])
		}
	}
	return append(out, points[last])
}

// round keeps six significant digits: what a tooltip can show.
func round(y float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(y, 'g', 6, 64), 64)
	if err != nil {
		return y
	}
	return r
}

func droppedNote(n int) []string {
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("略去的非数值 · values left out (NaN, ±Inf): %d", n)}
}
