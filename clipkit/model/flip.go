package model

import (
	"cmp"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// FLIP (Li et al. 2022; cn_clip/clip/model.py:252): in training a ViT may look at a random part of each picture's patches, which costs
// about that part of the time.
// The choice is made here on the host, so that it is the same on every engine and none needs to sort; the graph only gathers rows.

// KeptPatches is how many of a picture's patches remain when the share ratio of them is masked.
func KeptPatches(patches int, ratio float64) int { return int(float64(patches) * (1 - ratio)) }

// ChoosePatches gives Params.VisiblePatches for noise [B,patches]: of each row the places of the KeptPatches smallest values, [B,k],
// in the order of their noise. Positions are added to the patches before the choice, so the order means nothing to the model.
func ChoosePatches(noise []float32, patches int, ratio float64) []int32 {
	k := KeptPatches(patches, ratio)
	keep := make([]int32, 0, len(noise)/patches*k)
	order := make([]int32, patches)
	for row := range slices.Chunk(noise, patches) {
		for i := range order {
			order[i] = int32(i)
		}
		slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(row[a], row[b]) })
		keep = append(keep, order[:k]...)
	}
	return keep
}

// visiblePatches takes the class token and the chosen patches. x [B,1+patches,W], chosen [B,k] → [B,1+k,W].
func visiblePatches(x, chosen *Node) *Node {
	batch, tokens, width := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2)
	chosen.AssertDims(batch, -1)
	class := Slice(x, AxisRange(), AxisRange(0, 1), AxisRange())
	first := MulScalar(Iota(x.Graph(), shapes.Make(dtypes.Int32, chosen.Shape().Dimensions...), 0), tokens) // row of each picture's class token
	rows := Gather(Reshape(x, batch*tokens, width), InsertAxes(Add(AddScalar(chosen, 1), first), -1))
	return Concatenate([]*Node{class, rows}, 1)
}
