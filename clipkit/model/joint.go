package model

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Joint is a joint call's result, as the reference's get_similarity and its loss in training: every picture against every text.
type Joint struct {
	Images, Texts  []float32   // unit vectors, [N,D] and [M,D]
	Scale          float64     // what multiplies the cosines, exp of the parameter
	LogitsPerImage [][]float32 // [N][M]: Scale × cosine
	LogitsPerText  [][]float32 // [M][N]: its transpose
}

// Together encodes n pictures [n,3,R,R] and m texts [m,T] and compares all with all (cn_clip/clip/model.py:417).
func (m *Model) Together(ctx context.Context, pixels []float32, images int, ids []int32, texts int) (j Joint, err error) {
	if j.Scale, err = m.LogitScale(); err != nil {
		return j, err
	}
	if j.Images, err = m.EncodeImages(ctx, pixels, images); err != nil {
		return j, err
	}
	if j.Texts, err = m.EncodeTexts(ctx, ids, texts); err != nil {
		return j, err
	}
	d := m.Config.EmbedDim
	j.LogitsPerImage, j.LogitsPerText = make([][]float32, images), make([][]float32, texts)
	for i := range images {
		for k := range texts {
			dot := 0.0
			for x, v := range j.Images[i*d : (i+1)*d] {
				dot += float64(v) * float64(j.Texts[k*d+x])
			}
			logit := float32(j.Scale * dot)
			j.LogitsPerImage[i] = append(j.LogitsPerImage[i], logit)
			j.LogitsPerText[k] = append(j.LogitsPerText[k], logit)
		}
	}
	return j, nil
}

// Loss is the symmetric cross-entropy of a batch whose i-th text is the i-th picture's (cn_clip/training/train.py:112).
func (j Joint) Loss() (float64, error) {
	n := len(j.LogitsPerImage)
	if n == 0 || n != len(j.LogitsPerText) {
		return 0, fmt.Errorf("the loss of %d pictures and %d texts: want as many of both", n, len(j.LogitsPerText))
	}
	sum := 0.0
	for i := range n {
		for _, row := range [][]float32{j.LogitsPerImage[i], j.LogitsPerText[i]} {
			sum += crossEntropy(row, i)
		}
	}
	return sum / float64(2*n), nil
}

// crossEntropy is −log of the softmax of one of the logits.
func crossEntropy(logits []float32, of int) float64 {
	highest, sum := float64(slices.Max(logits)), 0.0
	for _, x := range logits {
		sum += math.Exp(float64(x) - highest)
	}
	return math.Log(sum) + highest - float64(logits[of])
}
