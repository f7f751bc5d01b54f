package clipkit

import (
	"context"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/check"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/model"
	"clipnb/clipkit/tokenizer"
	"clipnb/clipkit/zeroshot"
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

// EncodeImages gives one unit vector per picture. However many they are, a batch is encoded while the next is prepared.
func (m *Model) EncodeImages(ctx context.Context, pictures []image.Image) ([][]float32, error) {
	const together = 64
	r := m.Config.ImageResolution
	prepare := func(i int) ([]float32, error) { return imaging.FromImage(pictures[i]).Tensor(r), nil }
	var flat []float32
	for b, err := range imaging.Batches(ctx, len(pictures), together, r, prepare) {
		if err != nil {
			return nil, err
		}
		v, err := m.Model.EncodeImages(ctx, b.Pixels, b.N)
		if err != nil {
			return nil, err
		}
		flat = append(flat, v...)
	}
	return rows(flat, m.Config.EmbedDim), nil
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
func Probabilities(logits []float32) []float32 { return zeroshot.Softmax(logits) }

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
func CheckDataset(ctx context.Context, data *dataset.Dataset, batchSize int) (*check.Report, error) {
	return check.Dataset(ctx, data, check.Options{BatchSize: batchSize})
}

// root is the repository, as the Jupyter kernel names it, or the folder above the working directory that holds its go.mod; else ".".
func root() string {
	if r := os.Getenv("CLIPKIT_ROOT"); r != "" {
		return r
	}
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for d := dir; ; d = filepath.Dir(d) {
		if b, err := os.ReadFile(filepath.Join(d, "go.mod")); err == nil && strings.HasPrefix(string(b), "module clipnb") {
			return d
		}
		if d == filepath.Dir(d) {
			return dir
		}
	}
}

func experiments() string { return filepath.Join(root(), "experiments") }

func say(line string) { fmt.Fprintln(os.Stderr, line) }
