// Package loss is what training minimises, as graphs of unit features: the symmetric cross-entropy of CLIP, SigLIP's sigmoid loss, and the distance to a
// teacher's features.
//
//	value, imageToText, textToImage := loss.Contrastive(images, texts, scale, nil) // [N,D], [N,D], scalar
package loss

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Contrastive is the symmetric loss of CLIP (cn_clip/training/train.py:112): the mean of two cross-entropies over scale·images·textsᵀ, rows and columns.
// images and texts are unit vectors [B,D], scale a scalar. positives [B,B] tells which texts are right for which pictures; nil: text i for
// picture i alone. With several right answers the target is uniform over them. It also gives the share of rows and of columns whose
// largest logit is a right one.
func Contrastive(images, texts, scale, positives *Node) (loss, imageToText, textToImage *Node) {
	logits := Mul(Dot(images, texts).General([]int{1}, nil, []int{1}, nil), scale) // [B images, B texts]
	if positives == nil {
		positives = diagonal(logits)
	}
	transposed, backwards := Transpose(logits, 0, 1), Transpose(positives, 0, 1)
	loss = MulScalar(Add(crossEntropy(logits, positives), crossEntropy(transposed, backwards)), 0.5)
	return loss, hits(logits, positives), hits(transposed, backwards)
}

// SigLIP is the sigmoid loss (Zhai et al. 2023, algorithm 1): every picture with every text is a question of its own, whose logit is
// scale·cosine + bias and whose answer is yes where positives [B,B] say so (nil: the diagonal). The sum of −log σ(±logit), divided by B.
// scale and bias are scalars. The two shares are Contrastive's.
func SigLIP(images, texts, scale, bias, positives *Node) (loss, imageToText, textToImage *Node) {
	logits := Add(Mul(Dot(images, texts).General([]int{1}, nil, []int{1}, nil), scale), bias)
	if positives == nil {
		positives = diagonal(logits)
	}
	wrongness := Where(positives, Neg(logits), logits)
	// softplus, −log σ(−x), in the form that neither overflows nor loses small values
	softplus := Add(MaxScalar(wrongness, 0), Log1P(Exp(Neg(Abs(wrongness)))))
	loss = DivScalar(ReduceAllSum(softplus), float64(logits.Shape().Dim(0)))
	return loss, hits(logits, positives), hits(Transpose(logits, 0, 1), Transpose(positives, 0, 1))
}

// PositivesOf [B,B] is where row i of pictures and row j of texts belong together because their pictures or their captions are the same.
// pictures and captions are numbers [B] that are equal for equal ones.
func PositivesOf(pictures, captions *Node) *Node {
	same := func(x *Node) *Node {
		n := x.Shape().Dim(0)
		return Equal(BroadcastToDims(Reshape(x, n, 1), n, n), BroadcastToDims(Reshape(x, 1, n), n, n))
	}
	return LogicalOr(same(pictures), same(captions))
}

// Numbers gives equal values equal numbers, the first place where they stand: what PositivesOf compares.
func Numbers[T comparable](values []T) []int32 {
	first, out := map[T]int32{}, make([]int32, len(values))
	for i, v := range values {
		if _, ok := first[v]; !ok {
			first[v] = int32(i)
		}
		out[i] = first[v]
	}
	return out
}

// diagonal [B,B] is true where row and column are the same.
func diagonal(logits *Node) *Node {
	g, index := logits.Graph(), shapes.Make(dtypes.Int32, logits.Shape().Dimensions...)
	return Equal(Iota(g, index, 0), Iota(g, index, 1))
}

// crossEntropy of logits [B,B] against targets that are uniform over each row's positives; the mean of the rows.
func crossEntropy(logits, positives *Node) *Node {
	top := StopGradient(ReduceAndKeep(logits, ReduceMax, -1))
	shifted := Sub(logits, top)
	total := Log(ReduceSum(Exp(shifted), -1)) // [B]
	right := ReduceSum(Where(positives, shifted, ZerosLike(shifted)), -1)
	count := ReduceSum(ConvertDType(positives, dtypes.Float32), -1)
	return ReduceAllMean(Sub(total, Div(right, count)))
}

// hits is the share of rows whose first maximum, as in PyTorch, is a positive.
func hits(logits, positives *Node) *Node {
	at := ArgMax(logits, -1, dtypes.Int32) // [B]
	n := logits.Shape().Dim(0)
	chosen := Equal(BroadcastToDims(Reshape(at, n, 1), n, n), Iota(logits.Graph(), shapes.Make(dtypes.Int32, n, n), 1))
	return ReduceAllMean(ConvertDType(ReduceMax(ConvertDType(LogicalAnd(chosen, positives), dtypes.Float32), -1), dtypes.Float32))
}
