package weights

import (
	"fmt"
	"math"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/tensor"
)

const positions = "visual.positional_embedding"

// resizePositions brings a ViT's learned positions [from²+1, width] to a grid of to×to cells: the class row stays, the others are
// interpolated bicubically with the corners aligned (cn_clip/clip/model.py:551-582).
func resizePositions(t tensor.Tensor, to int) (tensor.Tensor, error) {
	from := gridOf(t)
	if from == 0 {
		return tensor.Tensor{}, fmt.Errorf("%s has shape %v, want one row more than a square: it cannot be resized", t.Name, t.Shape)
	}
	values, err := t.Float32()
	if err != nil {
		return tensor.Tensor{}, err
	}
	width := t.Shape[1]
	out := make([]float32, (to*to+1)*width)
	copy(out, values[:width])
	grid := values[width:]
	for y := range to {
		rows, wy := taps(y, to, from)
		for x := range to {
			cols, wx := taps(x, to, from)
			cell := out[(1+y*to+x)*width:][:width]
			for c := range cell {
				for i, row := range rows {
					var line float32
					for j, col := range cols {
						line += wx[j] * grid[(row*from+col)*width+c]
					}
					cell[c] += wy[i] * line
				}
			}
		}
	}
	return tensor.F32(t.Name, []int{to*to + 1, width}, out), nil
}

// gridOf is the side of the square that the positions after the class row make, 0 when they make none.
func gridOf(t tensor.Tensor) int {
	if len(t.Shape) != 2 || t.Shape[0] < 2 {
		return 0
	}
	side := int(math.Round(math.Sqrt(float64(t.Shape[0] - 1))))
	if side*side != t.Shape[0]-1 {
		return 0
	}
	return side
}

// taps are the four input cells along one axis from which the i-th of n output cells is made, and their weights: Keys' cubic convolution
// kernel with a = -0.75, in float32 as in torch. Cells beyond an edge are the cell at that edge.
func taps(i, n, from int) (cells [4]int, share [4]float32) {
	var at float32
	if n > 1 {
		at = float32(i) * (float32(from-1) / float32(n-1))
	}
	floor := float32(math.Floor(float64(at)))
	t := at - floor
	const a = -0.75
	near := func(x float32) float32 { return ((a+2)*x-(a+3))*x*x + 1 }  // |x| ≤ 1
	far := func(x float32) float32 { return ((a*x-5*a)*x+8*a)*x - 4*a } // 1 < |x| < 2
	share = [4]float32{far(t + 1), near(t), near(1 - t), far(2 - t)}
	for k := range cells {
		cells[k] = min(max(int(floor)+k-1, 0), from-1)
	}
	return cells, share
}

// fitPositions resizes the positions of r if they differ from cfg's in their number and in nothing else. The note says what was done.
func fitPositions(r *File, cfg arch.Config) (note string, err error) {
	t, ok := r.tensors[positions]
	if !ok || cfg.IsResNet() || len(t.Shape) != 2 || t.Shape[1] != cfg.VisionWidth || t.Shape[0] == cfg.Grid()*cfg.Grid()+1 {
		return "", nil
	}
	from := gridOf(t)
	resized, err := resizePositions(t, cfg.Grid())
	if err != nil {
		return "", fmt.Errorf("%s: %w", r.name, err)
	}
	r.tensors[positions] = resized
	return fmt.Sprintf("%s: position embeddings resized from a grid of %d×%d to %d×%d (bicubic)", r.name, from, from, cfg.Grid(), cfg.Grid()), nil
}
