package zeroshot

import (
	"context"
	"fmt"
	"iter"
	"math"

	"clipnb/clipkit/imaging"
	"clipnb/clipkit/model"
	"clipnb/clipkit/tokenizer"
)

const (
	batch = 64 // texts, or pictures, encoded together

	// scale multiplies the cosines, whatever the model has learnt (cn_clip/eval/zeroshot_evaluation.py:141).
	scale = 100
)

// Classifier has one unit vector for each class.
type Classifier struct {
	Labels    []string
	Templates int // over how many templates each vector is the mean
	Dim       int
	Vectors   []float32 // [len(Labels), Dim]
}

// NewClassifier makes the reference's classifier. Every label is put into every template, and the texts are prepared as captions are and encoded;
// the vector of a class is the mean of its unit vectors, made a unit vector again. progress, when not nil, receives texts done and in all.
func NewClassifier(ctx context.Context, m *model.Model, labels []string, templates Templates, contextLength int, progress func(done, total int)) (*Classifier, error) {
	if len(labels) < 2 {
		return nil, fmt.Errorf("%w: %d labels; there must be at least two to choose from", ErrInput, len(labels))
	}
	if err := templates.Check(); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(int, int) {}
	}
	dim, total := m.Config.EmbedDim, len(labels)*len(templates)
	c := &Classifier{Labels: labels, Templates: len(templates), Dim: dim, Vectors: make([]float32, len(labels)*dim)}
	tok := tokenizer.Default()
	for at := 0; at < total; at += batch {
		end := min(at+batch, total)
		var texts []string
		for i := at; i < end; i++ {
			texts = append(texts, tokenizer.Prepare(templates.fill(i%len(templates), labels[i/len(templates)])))
		}
		ids, _, err := tok.Tokenize(texts, contextLength)
		if err != nil {
			return nil, fmt.Errorf("making a classifier: %w", err)
		}
		v, err := m.EncodeTexts(ctx, ids, len(texts))
		if err != nil {
			return nil, fmt.Errorf("making a classifier: %w", err)
		}
		for i := at; i < end; i++ {
			sum := c.vector(i / len(templates))
			for k, x := range v[(i-at)*dim : (i-at+1)*dim] {
				sum[k] += x
			}
		}
		progress(end, total)
	}
	for i := range labels {
		if !normalise(c.vector(i)) {
			return nil, fmt.Errorf("%w: the vectors of label %d, %q, have no direction: their sum is zero or not a number", ErrInput, i, labels[i])
		}
	}
	return c, nil
}

func (c *Classifier) vector(class int) []float32 { return c.Vectors[class*c.Dim : (class+1)*c.Dim] }

// normalise gives v the length 1; the number of templates cancels out.
func normalise(v []float32) bool {
	var square float64
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	length := math.Sqrt(square)
	if !(length > 0) || math.IsInf(length, 0) {
		return false
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / length)
	}
	return true
}

// Logits are 100 × cosine of pictures' features [n, Dim] with every class: [n, classes].
func (c *Classifier) Logits(features []float32) ([]float32, error) {
	if c.Dim < 1 || len(features)%c.Dim != 0 {
		return nil, fmt.Errorf("%w: %d values are no features of width %d", ErrInput, len(features), c.Dim)
	}
	var out []float32
	for at := 0; at < len(features); at += c.Dim {
		f := features[at : at+c.Dim]
		for class := range c.Labels {
			var dot float64
			for k, x := range c.vector(class) {
				dot += float64(x) * float64(f[k])
			}
			out = append(out, float32(scale*dot))
		}
	}
	return out, nil
}

// Classify asks c for every picture of a set. record, when not nil, receives the probabilities [classes] of every picture in order, and may keep
// them. progress, when not nil, receives pictures done and in all.
// A picture that cannot be decoded is an error that names it: evaluation never leaves one out silently.
func Classify(ctx context.Context, m *model.Model, set Set, c *Classifier, record func(i int, probabilities []float32), progress func(done, total int)) (*Result, error) {
	if len(set.Labels()) != len(c.Labels) {
		return nil, fmt.Errorf("%w: %s has %d classes, and there are %d labels; give one line of labels for each class, in the order of the classes",
			ErrInput, set.Name(), len(set.Labels()), len(c.Labels))
	}
	if set.Len() == 0 {
		return nil, fmt.Errorf("%w: %s has no pictures", ErrInput, set.Name())
	}
	if progress == nil {
		progress = func(int, int) {}
	}
	z := newResult(c.Labels)
	z.Model, z.Set, z.Templates = m.Config.Name, set.Name(), c.Templates
	for b, err := range prepare(ctx, set, m.Config.ImageResolution) {
		if err != nil {
			return nil, fmt.Errorf("classifying %s: %w", set.Name(), err)
		}
		features, err := m.EncodeImages(ctx, b.Pixels, b.N)
		if err != nil {
			return nil, fmt.Errorf("classifying %s: %w", set.Name(), err)
		}
		logits, err := c.Logits(features)
		if err != nil {
			return nil, err
		}
		for i := range b.N {
			row := logits[i*len(c.Labels) : (i+1)*len(c.Labels)]
			if err := z.Add(set.Class(b.First+i), row); err != nil {
				return nil, fmt.Errorf("picture %d: %w", b.First+i, err)
			}
			if record != nil {
				record(b.First+i, Softmax(row))
			}
		}
		progress(b.First+b.N, set.Len())
	}
	return z, nil
}

// prepare makes batches of the pictures in the order of the reference's image folders: RGB first, then the size (torchvision's ImageFolder, as
// in cn_clip/eval/data.py:155).
func prepare(ctx context.Context, set Set, resolution int) iter.Seq2[imaging.Batch, error] {
	return imaging.Batches(ctx, set.Len(), batch, resolution, func(i int) ([]float32, error) {
		p, err := set.Picture(i)
		if err != nil {
			return nil, err
		}
		return p.TensorConvertFirst(resolution), nil
	})
}

// Softmax turns logits into probabilities.
func Softmax(logits []float32) []float32 {
	top := math.Inf(-1)
	for _, x := range logits {
		top = math.Max(top, float64(x))
	}
	out, total := make([]float32, len(logits)), 0.0
	for _, x := range logits {
		total += math.Exp(float64(x) - top)
	}
	for i, x := range logits {
		out[i] = float32(math.Exp(float64(x)-top) / total)
	}
	return out
}
