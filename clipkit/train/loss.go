package train

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Contrastive is the symmetric loss of CLIP (SPEC §5.5): the mean of two cross-entropies over scale·images·textsᵀ, rows and columns,
// where row i belongs to column i. images and texts are unit vectors [B,D], scale a scalar. It also gives the share of rows and of
// columns whose largest logit is the right one.
func Contrastive(images, texts, scale *Node) (loss, imageToText, textToImage *Node) {
	logits := Mul(Dot(images, texts).General([]int{1}, nil, []int{1}, nil), scale) // [B images, B texts]
	perImage, imageToText := crossEntropy(logits)
	perText, textToImage := crossEntropy(Transpose(logits, 0, 1))
	return MulScalar(Add(perImage, perText), 0.5), imageToText, textToImage
}

// crossEntropy of logits [B,B] against the diagonal, and the share of rows whose maximum lies there.
func crossEntropy(logits *Node) (loss, accuracy *Node) {
	g, n := logits.Graph(), logits.Shape().Dim(0)
	top := StopGradient(ReduceAndKeep(logits, ReduceMax, -1))
	shifted := Sub(logits, top)
	total := Log(ReduceSum(Exp(shifted), -1)) // [B]
	index := shapes.Make(dtypes.Int32, n, n)
	diagonal := Equal(Iota(g, index, 0), Iota(g, index, 1))
	right := ReduceSum(Where(diagonal, shifted, ZerosLike(shifted)), -1)
	hits := Equal(ArgMax(logits, -1, dtypes.Int32), Iota(g, shapes.Make(dtypes.Int32, n), 0)) // the first maximum counts, as in PyTorch
	return ReduceAllMean(Sub(total, right)), ReduceAllMean(ConvertDType(hits, dtypes.Float32))
}
