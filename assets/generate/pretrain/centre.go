package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/png" // what emoji.py writes
	"slices"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/weights/tensor"

	"gonum.org/v1/gonum/mat"
)

// centred is the model of a file less what its vectors of all texts have in common, and less half of what those of all pictures have, by a split that it was
// trained on. In another style some pictures lie near to the mean of all texts, and these are found for everything (hubs: Radovanović and others, JMLR 2010).
func centred(ctx context.Context, m *clipkit.Model, split dataset.Source, file string) *clipkit.Model {
	return moved(ctx, m, shared(1, texts(ctx, m, split)), shared(0.5, pictures(ctx, m, split)), file)
}

// moved is a model less a vector of its texts' and one of its pictures', before they are made unit vectors. Both towers end with a bias for that: the
// picture's with that of its last projection, the text's with that of the norm before its projection.
func moved(ctx context.Context, m *clipkit.Model, text, picture []float32, file string) *clipkit.Model {
	cfg := m.Towers.Config
	parts := m.Towers.Tensors(cfg.Tensors()...)
	at := func(name string) int {
		return slices.IndexFunc(parts, func(p tensor.Tensor) bool { return p.Name == name })
	}
	move := func(name string, by []float32) {
		i := at(name)
		values := clipkit.Must(parts[i].Float32())
		for k := range values {
			values[k] -= by[k]
		}
		parts[i] = tensor.F32(name, parts[i].Shape, values)
	}
	move("visual.attnpool.c_proj.bias", picture)
	move(fmt.Sprintf("bert.encoder.layer.%d.output.LayerNorm.bias", cfg.TextLayers-1), before(parts[at("text_projection")], text))
	return rebuilt(ctx, cfg, parts, file, "-centred")
}

// before is the vector [width] that a projection [width, embed dim] makes a vector [embed dim] of.
func before(projection tensor.Tensor, projected []float32) []float32 {
	width, dim := projection.Shape[0], projection.Shape[1]
	p := mat.NewDense(width, dim, wide(clipkit.Must(projection.Float32())))
	var x mat.VecDense
	clipkit.Check(x.SolveVec(p.T(), mat.NewVecDense(dim, wide(projected))))
	out := make([]float32, width)
	for i := range out {
		out[i] = float32(x.AtVec(i))
	}
	return out
}

func wide(values []float32) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

// shared is a part of the mean of vectors, which have one length.
func shared(part float64, vectors [][]float32) []float32 {
	out := make([]float32, len(vectors[0]))
	for _, v := range vectors {
		for k := range out {
			out[k] += v[k] * float32(part/float64(len(vectors)))
		}
	}
	return out
}

// texts are the vectors of all captions of a split, before they are made unit vectors.
func texts(ctx context.Context, m *clipkit.Model, split dataset.Source) [][]float32 {
	var all []string
	for _, t := range split.Texts() {
		all = append(all, t.Text)
	}
	return clipkit.Must(m.RawTexts(ctx, all))
}

// pictures are the vectors of every 16th picture of a split.
func pictures(ctx context.Context, m *clipkit.Model, split dataset.Source) [][]float32 {
	var all []image.Image
	for i, id := range split.ImageIDs() {
		if i%16 == 0 {
			picture, _, err := image.Decode(bytes.NewReader(clipkit.Must(split.Image(id))))
			all = append(all, clipkit.Must(picture, err))
		}
	}
	return clipkit.Must(m.RawImages(ctx, all))
}
