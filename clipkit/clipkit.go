package clipkit

import (
	"context"
	"fmt"
	"image"
	"os"
	"path/filepath"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/repository"
	"clipnb/clipkit/model"
	"clipnb/clipkit/tokenizer"
)

// Model is a loaded model on an open device, with the text and picture preparation that belongs to it.
type Model struct {
	*model.Model
	Source string // what it was loaded from

	as []string // what As said
}

// Close frees the model and its device.
func (m *Model) Close() {
	m.Model.Close()
	m.Device.Close()
}

// EncodeImages gives one unit vector per picture.
func (m *Model) EncodeImages(ctx context.Context, pictures []image.Image) ([][]float32, error) {
	r := m.Config.ImageResolution
	var pixels []float32
	for _, p := range pictures {
		pixels = append(pixels, imaging.Normalise(imaging.FromImage(p).Resize(r, r).RGB())...)
	}
	flat, err := m.Model.EncodeImages(ctx, pixels, len(pictures))
	return rows(flat, m.Config.EmbedDim), err
}

// EncodeTexts gives one unit vector per text. As in the reference's tokenize the text is taken as it is; captions of a data set and queries of
// a search are prepared first (tokenizer.Prepare: lower case, straight quotes). A text that is longer than the model reads is cut and
// reported on standard error.
func (m *Model) EncodeTexts(ctx context.Context, texts []string) ([][]float32, error) {
	length := m.Config.ContextLength
	tok, ids := tokenizer.Default(), make([]int32, len(texts)*length)
	for i, t := range texts {
		if cut := tok.Encode(ids[i*length:(i+1)*length], t); cut > 0 {
			say(fmt.Sprintf("text %d is cut by %d tokens: the model reads %d", i, cut, length-2))
		}
	}
	flat, err := m.Model.EncodeTexts(ctx, ids, len(texts))
	return rows(flat, m.Config.EmbedDim), err
}

func rows(flat []float32, width int) [][]float32 {
	var out [][]float32
	for at := 0; at < len(flat); at += width {
		out = append(out, flat[at:at+width])
	}
	return out
}

// Similarity is exp(logit_scale) × cosine for every picture (row) and text (column).
func (m *Model) Similarity(images, texts [][]float32) ([][]float32, error) {
	scale, err := m.LogitScale()
	if err != nil {
		return nil, err
	}
	out := make([][]float32, len(images))
	for i, a := range images {
		for _, b := range texts {
			if len(a) != len(b) {
				return nil, fmt.Errorf("similarity of vectors of %d and %d values", len(a), len(b))
			}
			var dot float64
			for k := range a {
				dot += float64(a[k]) * float64(b[k])
			}
			out[i] = append(out[i], float32(scale*dot))
		}
	}
	return out, nil
}

// Probabilities is the softmax of one row of Similarity.
func Probabilities(logits []float32) []float32 { return eval.Softmax(logits) }

// OpenDataset opens "emoji", the set that is compiled in; a published set by name ("Flickr30k-CN", "MUGE", "COCO-CN"), which lies under
// datasets/; a folder in the reference's layout (LMDB, or tsv and jsonl); or a folder of pictures with a file of captions.
// A relative path is looked up in the working directory, then in the repository's datasets/ folder.
func OpenDataset(ctx context.Context, path string) (*dataset.Dataset, error) {
	data, err := openDataset(ctx, path)
	if err == nil {
		remember(path, data)
	}
	return data, err
}

func openDataset(ctx context.Context, path string) (*dataset.Dataset, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if path != "emoji" && !filepath.IsAbs(path) {
		if _, err := os.Stat(path); err != nil {
			for _, p := range []string{filepath.Join(root(), path), filepath.Join(root(), "datasets", path)} {
				if _, err := os.Stat(p); err == nil {
					path = p
					break
				}
			}
		}
	}
	if _, err := os.Stat(path); err != nil {
		if p, ok := dataset.FindPublished(path); ok {
			return dataset.OpenPublished(root(), p.Name)
		}
	}
	return dataset.Open(path)
}

// OpenPictures opens a folder of pictures without captions, to search in.
func OpenPictures(ctx context.Context, dir string) (*dataset.Pictures, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return dataset.OpenPictures(dir)
}

// CheckDataset says before training what will hurt it: captions and pictures that repeat and so act as false negatives in a batch of
// batchSize, leaks between splits, broken pictures, captions of [UNK] only; with the in-batch accuracy that is possible at best.
func CheckDataset(ctx context.Context, data *dataset.Dataset, batchSize int) (*dataset.Report, error) {
	return dataset.Check(ctx, data, dataset.CheckOptions{BatchSize: batchSize})
}

func root() string { return repository.Root() }

func experiments() string { return filepath.Join(root(), "experiments") }

func say(line string) { fmt.Fprintln(os.Stderr, line) }
