package eval

import (
	"fmt"
	"math"

	"clipnb/clipkit/dataset"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// InBatch is what the reference calls validation (cn_clip/training/train.py:334): the pairs in a fixed shuffled order, cut into batches, and
// in each batch the contrastive loss and the share of pairs whose own partner scores highest. scale is exp(logit_scale); accuracies are
// percent.
func InBatch(f *Features, pairs []dataset.Pair, order []int, batch int, scale float64) (loss, imageToText, textToImage float64, err error) {
	imageAt, textAt := positions(f.ImageIDs), positions(f.TextIDs)
	row := func(v []float32, at map[int64]int, id int64) ([]float32, error) {
		i, ok := at[id]
		if !ok {
			return nil, fmt.Errorf("validation: no features of %d", id)
		}
		return v[i*f.Dim : (i+1)*f.Dim], nil
	}
	n := 0
	for start := 0; start+batch <= len(order); start += batch {
		images := blas32.General{Rows: batch, Cols: f.Dim, Stride: f.Dim} // one row for each pair of the batch
		texts, cosines := images, blas32.General{Rows: batch, Cols: batch, Stride: batch, Data: make([]float32, batch*batch)}
		for _, i := range order[start : start+batch] {
			pair := pairs[i%len(pairs)]
			image, err := row(f.Images, imageAt, pair.ImageID)
			if err != nil {
				return 0, 0, 0, err
			}
			text, err := row(f.Texts, textAt, pair.TextID)
			if err != nil {
				return 0, 0, 0, err
			}
			images.Data, texts.Data = append(images.Data, image...), append(texts.Data, text...)
		}
		blas32.Gemm(blas.NoTrans, blas.Trans, 1, images, texts, 0, cosines)
		logit := func(image, text int) float64 { return scale * float64(cosines.Data[image*batch+text]) }
		for i := range batch {
			lossRow, hitRow := crossEntropy(batch, i, func(j int) float64 { return logit(i, j) })
			lossColumn, hitColumn := crossEntropy(batch, i, func(j int) float64 { return logit(j, i) })
			loss += (lossRow + lossColumn) / 2
			imageToText += hitRow
			textToImage += hitColumn
			n++
		}
	}
	if n == 0 {
		return 0, 0, 0, fmt.Errorf("%w: %d pairs are fewer than a validation batch of %d", ErrEmpty, len(order), batch)
	}
	if n != len(order) {
		return 0, 0, 0, fmt.Errorf("validation: %d of %d pairs are in whole batches of %d; an order ends with a whole batch (dataset.Order)", n, len(order), batch)
	}
	return loss / float64(n), 100 * imageToText / float64(n), 100 * textToImage / float64(n), nil
}

// crossEntropy of n logits against the own one, and 1 when that is the first maximum.
func crossEntropy(n, own int, logit func(int) float64) (loss, hit float64) {
	best := 0
	for j := range n {
		if logit(j) > logit(best) {
			best = j
		}
	}
	var total float64
	for j := range n {
		total += math.Exp(logit(j) - logit(best))
	}
	if best == own {
		hit = 1
	}
	return math.Log(total) + logit(best) - logit(own), hit
}

func positions(ids []int64) map[int64]int {
	at := make(map[int64]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	return at
}
