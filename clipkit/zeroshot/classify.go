package zeroshot

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/deal"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/transient"
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
//
// The ranks of w share the texts, and all get the whole classifier. They have the same weights, labels and templates.
func NewClassifier(ctx context.Context, w exchange.World, m *model.Model, labels []string, templates Templates, contextLength int, progress func(done, total int)) (*Classifier, error) {
	if err := exchange.Agree(w, checkLabels(labels, templates)); err != nil {
		return nil, err
	}
	if err := sameModel(w, m); err != nil {
		return nil, err
	}
	if err := deal.Same(w, "labels or templates", labels, templates, contextLength); err != nil {
		return nil, err
	}
	dim, total := m.Config.EmbedDim, len(labels)*len(templates)
	c := &Classifier{Labels: labels, Templates: len(templates), Dim: dim, Vectors: make([]float32, len(labels)*dim)}
	texts := make([]string, total)
	for i := range texts {
		texts[i] = tokenizer.Prepare(templates.fill(i%len(templates), labels[i/len(templates)]))
	}
	done := 0
	add := func(vectors []float32) error {
		for v := range slices.Chunk(vectors, dim) {
			sum := c.vector(done / len(templates))
			for k, x := range v {
				sum[k] += x
			}
			done++
		}
		if progress != nil {
			progress(done, total)
		}
		return nil
	}
	if err := deal.Collect(w, total, batch, dim, encodeTexts(ctx, m, deal.Mine(w, texts, batch), contextLength), add); err != nil {
		return nil, fmt.Errorf("making a classifier: %w", err)
	}
	if err := exchange.Agree(w, c.normalise()); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Classifier) normalise() error {
	for i, label := range c.Labels {
		if !normalise(c.vector(i)) {
			return fmt.Errorf("%w: the vectors of label %d, %q, have no direction: their sum is zero or not a number", ErrInput, i, label)
		}
	}
	return nil
}

func checkLabels(labels []string, templates Templates) error {
	if len(labels) < 2 {
		return fmt.Errorf("%w: %d labels; there must be at least two to choose from", ErrInput, len(labels))
	}
	return templates.Check()
}

// sameModel checks that the ranks of w loaded the same weights.
func sameModel(w exchange.World, m *model.Model) error {
	if w.Size() == 1 {
		return nil
	}
	sum, err := m.Fingerprint()
	if err := exchange.Agree(w, err); err != nil {
		return err
	}
	return deal.Same(w, "weights", m.Config.Name, m.Precision(), sum)
}

func encodeTexts(ctx context.Context, m *model.Model, texts []string, contextLength int) iter.Seq2[[]float32, error] {
	tok := tokenizer.Default()
	return func(yield func([]float32, error) bool) {
		for part := range slices.Chunk(texts, batch) {
			ids, _, err := tok.Tokenize(part, contextLength)
			var v []float32
			if err == nil {
				v, err = m.EncodeTexts(ctx, ids, len(part))
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
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
// A picture that cannot be read is left out of the result and told to skip, whose budget may be spent; with a skip of nil it is an error. ELEVATER's
// file needs every picture.
//
// The ranks of w share the pictures, and all get the whole result. They have the same set, and c is of one NewClassifier.
func Classify(ctx context.Context, w exchange.World, m *model.Model, set Set, c *Classifier, skip *dataset.Skipped, record func(i int, probabilities []float32), progress func(done, total int)) (*Result, error) {
	if err := exchange.Agree(w, checkSet(set, c)); err != nil {
		return nil, err
	}
	all, classes := numbers(set), len(c.Labels)
	of := make([]int, len(all))
	for i := range of {
		of[i] = set.Class(i)
	}
	if err := deal.Same(w, "pictures", set.Name(), set.Labels(), of); err != nil {
		return nil, err
	}
	z := newResult(c.Labels)
	z.Model, z.Set, z.Templates = m.Config.Name, set.Name(), c.Templates
	add := func(logits []float32) error {
		for row := range slices.Chunk(logits, classes) {
			i := z.Pictures + z.LeftOut
			if deal.Absent(row) {
				why := imaging.Why(ctx, func() error { _, err := set.Picture(i); return err })
				if err := skip.Add(label(set, i), why); err != nil {
					return err
				}
				z.LeftOut++
				continue
			}
			if err := z.Add(set.Class(i), row); err != nil {
				return fmt.Errorf("%s: %w", label(set, i), err)
			}
			if record != nil {
				record(i, Softmax(row))
			}
		}
		if progress != nil {
			progress(z.Pictures+z.LeftOut, set.Len())
		}
		return nil
	}
	if err := deal.Collect(w, set.Len(), batch, classes, c.logitsOf(ctx, m, set, deal.Mine(w, all, batch), skip != nil), add); err != nil {
		return nil, fmt.Errorf("classifying %s: %w", set.Name(), err)
	}
	if z.Pictures == 0 {
		return nil, fmt.Errorf("%w: none of the %d pictures of %s can be read", ErrInput, set.Len(), set.Name())
	}
	return z, nil
}

// label names a picture of a set by its path, where it has one.
func label(set Set, i int) string {
	if l, ok := set.(interface{ Label(i int) string }); ok {
		return l.Label(i)
	}
	return fmt.Sprintf("picture %d", i)
}

// numbers are those of a set's pictures.
func numbers(set Set) []int {
	all := make([]int, set.Len())
	for i := range all {
		all[i] = i
	}
	return all
}

func checkSet(set Set, c *Classifier) error {
	if len(set.Labels()) != len(c.Labels) {
		return fmt.Errorf("%w: %s has %d classes, and there are %d labels; give one line of labels for each class, in the order of the classes",
			ErrInput, set.Name(), len(set.Labels()), len(c.Labels))
	}
	if set.Len() == 0 {
		return fmt.Errorf("%w: %s has no pictures", ErrInput, set.Name())
	}
	return nil
}

// logitsOf gives the logits of some pictures of a set, batch by batch. Those of a picture that cannot be read are absent, if it may be left out.
func (c *Classifier) logitsOf(ctx context.Context, m *model.Model, set Set, numbers []int, lenient bool) iter.Seq2[[]float32, error] {
	return func(yield func([]float32, error) bool) {
		var unread *imaging.Unread
		if lenient {
			unread = new(imaging.Unread)
		}
		for b, err := range m.EncodeBatches(ctx, prepare(ctx, set, numbers, m.Config.ImageResolution, unread)) {
			var v []float32
			if err == nil {
				v, err = c.Logits(b.Features)
			}
			if err == nil {
				for _, i := range unread.Rows(b.Batch) {
					deal.SetAbsent(v[i*len(c.Labels) : (i+1)*len(c.Labels)])
				}
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// prepare makes batches of some pictures in the order of the reference's image folders: RGB first, then the size (torchvision's ImageFolder, as
// in cn_clip/eval/data.py:155). unread takes those that cannot be read.
func prepare(ctx context.Context, set Set, numbers []int, resolution int, unread *imaging.Unread) iter.Seq2[imaging.Batch[uint8], error] {
	one := func(i int) ([]uint8, error) {
		p, err := transient.Read(ctx, func() (*imaging.Picture, error) { return set.Picture(numbers[i]) })
		if err != nil {
			return nil, err
		}
		return p.LevelsConvertFirst(resolution), nil
	}
	return imaging.Batches(ctx, len(numbers), batch, resolution, unread.OrBlank(resolution, one))
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
