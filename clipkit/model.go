package clipkit

import (
	"context"
	"fmt"
	"image"
	"iter"
	"runtime/debug"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/deploy"
	"clipnb/clipkit/deploy/parity"
	"clipnb/clipkit/device"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/live"
	"clipnb/clipkit/model"
	"clipnb/clipkit/tokenizer"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/pytorch"
)

// Model is a loaded model on an open device, with the text and picture preparation that belongs to it. Sub-packages take its Towers.
type Model struct {
	Towers *model.Model

	name   string   // shown to people
	source string   // where it came from
	again  string   // what Load takes to open it once more, in any working directory; "": it lies in no file
	as     []string // what As said
}

// Identity says what model this is: the name that is shown, where it came from, its architecture, and the SHA-256 of its parameters, which is computed
// once and anew after training.
func (m *Model) Identity() (model.Ident, error) {
	sum, err := m.Towers.Fingerprint()
	return model.Ident{Name: m.name, Source: m.source, Architecture: m.Towers.Config.Name, Fingerprint: sum}, err
}

// String is where the model came from.
func (m *Model) String() string { return m.source }

// Close frees the model and its device.
func (m *Model) Close() {
	m.Towers.Close()
	m.Towers.Device.Close()
}

// EncodeImages gives one unit vector [embed dim] per picture, of any number of pictures.
func (m *Model) EncodeImages(ctx context.Context, pictures []image.Image) ([][]float32, error) {
	return m.images(ctx, pictures, m.Towers.EncodeBatches)
}

// RawImages is EncodeImages without normalisation, as the reference's encode_image.
func (m *Model) RawImages(ctx context.Context, pictures []image.Image) ([][]float32, error) {
	return m.images(ctx, pictures, m.Towers.RawBatches)
}

func (m *Model) images(ctx context.Context, pictures []image.Image, encode func(context.Context, iter.Seq2[imaging.Batch[uint8], error]) iter.Seq2[model.Encoded, error]) ([][]float32, error) {
	const together = 64
	r := m.Towers.Config.ImageResolution
	prepare := func(i int) ([]uint8, error) { return imaging.FromImage(pictures[i]).Levels(r), nil }
	var flat []float32
	for b, err := range encode(ctx, imaging.Batches(ctx, len(pictures), together, r, prepare)) {
		if err != nil {
			return nil, err
		}
		flat = append(flat, b.Features...)
	}
	return rows(flat, m.Towers.Config.EmbedDim), nil
}

// EncodeTexts gives one unit vector [embed dim] per text. As in the reference's tokenize the text is taken as it is; captions of a data set and
// queries of a search are prepared first (tokenizer.Prepare: lower case, straight quotes). A text that is longer than the model reads is cut and
// reported on standard error.
func (m *Model) EncodeTexts(ctx context.Context, texts []string) ([][]float32, error) {
	flat, err := m.Towers.EncodeTexts(ctx, m.tokens(texts), len(texts))
	return rows(flat, m.Towers.Config.EmbedDim), err
}

// RawTexts is EncodeTexts without normalisation, as the reference's encode_text.
func (m *Model) RawTexts(ctx context.Context, texts []string) ([][]float32, error) {
	flat, err := m.Towers.RawTexts(ctx, m.tokens(texts), len(texts))
	return rows(flat, m.Towers.Config.EmbedDim), err
}

func (m *Model) tokens(texts []string) []int32 {
	length := m.Towers.Config.ContextLength
	tok, ids := tokenizer.Default(), make([]int32, len(texts)*length)
	for i, t := range texts {
		if cut := tok.Encode(ids[i*length:(i+1)*length], t); cut > 0 {
			say(fmt.Sprintf("text %d is cut by %d tokens: the model reads %d", i, cut, length-2))
		}
	}
	return ids
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
	scale, err := m.Towers.LogitScale()
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

// Together encodes pictures and texts and compares all with all, as the reference's get_similarity: logits both ways, and the loss of pairs (model.Joint).
func (m *Model) Together(ctx context.Context, pictures []image.Image, texts []string) (model.Joint, error) {
	var pixels []float32
	for _, p := range pictures {
		pixels = append(pixels, imaging.FromImage(p).Tensor(m.Towers.Config.ImageResolution)...)
	}
	return m.Towers.Together(ctx, pixels, len(pictures), m.tokens(texts), len(texts))
}

// Export writes the towers as ONNX files into a folder, in several precisions (package deploy), and compares every precision of the folder with the model
// on a split of one's own, or with nil on the embedded set's: PARITY.md beside the files. Recall that falls by more than 0.2 points is said aloud.
func (m *Model) Export(ctx context.Context, folder string, split dataset.Source, o deploy.Options) (*parity.Table, error) {
	is, err := m.Identity()
	if err != nil {
		return nil, err
	}
	if split == nil {
		data, err := OpenDataset(ctx, "emoji")
		if err != nil {
			return nil, err
		}
		defer data.Close()
		split = data.Test
	}
	if _, err := deploy.Write(ctx, folder, is, m.Towers, o, say); err != nil {
		return nil, err
	}
	before, err := m.inMemory(ctx, split, live.Skip(exchange.Alone, dataset.SkipBudget, say))
	if err != nil {
		return nil, fmt.Errorf("comparing %s with the model: %w", folder, err)
	}
	on := m.Towers.Device.String()
	if o.Close {
		m.Close()
		debug.FreeOSMemory()
		device.TrimMemory()
	}
	bar := live.Bar(exchange.Alone, "comparing "+folder+" with the model", 0)
	defer bar.Finish()
	t, err := parity.Measure(ctx, folder, is, on, split, before, bar.Of)
	if err != nil {
		return nil, err
	}
	for _, line := range t.Warnings() {
		say("warning: " + line)
	}
	return t, t.Save(folder)
}

// inMemory are the features of a split, which may have no texts.
func (m *Model) inMemory(ctx context.Context, split dataset.Source, skip *dataset.Skipped) (*eval.Features, error) {
	if len(split.Texts()) > 0 {
		return m.features(ctx, exchange.Alone, split, "", skip)
	}
	bar := live.Bar(exchange.Alone, "encoding "+split.Name(), len(split.ImageIDs()))
	defer bar.Finish()
	return eval.ExtractPictures(ctx, m.Towers, split, skip, bar.Of)
}

// Save writes the weights in the form that the end of the name chooses: "model.pt", which PyTorch and the reference read,
// "model.safetensors", or a folder for transformers. Load takes all three. half stores float16, except what the reference keeps in float32
// (vision norms, positions, class token, logit scale).
func (m *Model) Save(path string, half bool) error {
	parts := m.Towers.Tensors(m.Towers.Config.Tensors()...)
	if half {
		weights.Halve(parts)
	}
	return weights.Write(path, m.Towers.Config, parts, &pytorch.Checkpoint{Name: m.Towers.Config.Name})
}

func say(line string) { progress.Say(line) }
