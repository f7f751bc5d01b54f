package eval

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/deal"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/index"
	"clipnb/clipkit/model"
	"clipnb/clipkit/tokenizer"
)

// Features are the unit vectors of a split: Images [len(ImageIDs), Dim] in storage order, which is key order in an LMDB, and Texts
// [len(TextIDs), Dim] in file order.
type Features struct {
	Dim      int
	ImageIDs []int64
	Images   []float32
	TextIDs  []int64
	Texts    []float32

	leftOut map[int64]bool // pictures of the split that cannot be read, which ImageIDs lacks; nil where it is not known, as after LoadFeatures
}

const (
	batch     = 64  // pictures encoded together
	textBatch = 512 // texts tokenized together; the model groups them by length
)

// Extract encodes every picture and text of a split. progress, when not nil, receives samples done and in all, of all ranks.
// A picture that cannot be read is left out of the features and told to skip, whose budget may be spent; with a skip of nil it is an error.
//
// The ranks of w share the batches, and all get the features of all. They have loaded the same weights.
func Extract(ctx context.Context, w exchange.World, m *model.Model, s dataset.Source, contextLength int, skip *dataset.Skipped, progress func(done, total int)) (*Features, error) {
	f, err := newFeatures(m.Config.EmbedDim, s)
	if err := exchange.Agree(w, err); err != nil {
		return nil, err
	}
	if w.Size() > 1 {
		if err := deal.Same(w, "pictures or captions", OriginOf(m, "", s, contextLength)); err != nil {
			return nil, err
		}
	}
	e := extraction{world: w, model: m, source: s, contextLength: contextLength, skip: skip, progress: progress}
	if err := e.run(ctx, f, func([]float32) error { return nil }); err != nil {
		return nil, err
	}
	return f, f.compact(s.Name())
}

// newFeatures has the ids of s and no vectors yet.
func newFeatures(dim int, s dataset.Source) (*Features, error) {
	f := &Features{Dim: dim, ImageIDs: s.ImageIDs()}
	for _, t := range s.Texts() {
		f.TextIDs = append(f.TextIDs, t.ID)
	}
	if len(f.ImageIDs) == 0 || len(f.TextIDs) == 0 {
		return nil, fmt.Errorf("%w: %s has %d pictures and %d texts", ErrEmpty, s.Name(), len(f.ImageIDs), len(f.TextIDs))
	}
	return f, nil
}

// extraction encodes the pictures of a split batch by batch, then its texts.
type extraction struct {
	world         exchange.World
	model         *model.Model
	source        dataset.Source
	contextLength int
	skip          *dataset.Skipped
	progress      func(done, total int)
}

// run continues after the vectors that f already has, which must be whole batches. It gives every further batch to store, and then adds it to f.
func (e extraction) run(ctx context.Context, f *Features, store func([]float32) error) error {
	images, texts := len(f.Images)/f.Dim, len(f.Texts)/f.Dim
	total := len(f.ImageIDs) + len(f.TextIDs)
	add := func(to *[]float32, rows int) func([]float32) error {
		*to = slices.Grow(*to, rows*f.Dim-len(*to)) // else growing takes as much again
		return func(v []float32) error {
			if err := store(v); err != nil {
				return err
			}
			*to = append(*to, v...)
			if e.progress != nil {
				e.progress((len(f.Images)+len(f.Texts))/f.Dim, total)
			}
			return nil
		}
	}
	err := e.encodeImages(ctx, f.ImageIDs[images:], e.noting(ctx, f.ImageIDs[images:], add(&f.Images, len(f.ImageIDs))))
	if err == nil {
		err = e.encodeTexts(ctx, e.source.Texts()[texts:], textBatch, add(&f.Texts, len(f.TextIDs)))
	}
	if err != nil {
		return fmt.Errorf("evaluating %s: %w", e.source.Name(), err)
	}
	return nil
}

// encodeImages gives every batch of vectors to add, on every rank.
func (e extraction) encodeImages(ctx context.Context, ids []int64, add func([]float32) error) error {
	return deal.Collect(e.world, len(ids), batch, e.model.Config.EmbedDim, e.images(ctx, deal.Mine(e.world, ids, batch)), add)
}

// images encodes one batch while the next is prepared.
func (e extraction) images(ctx context.Context, ids []int64) iter.Seq2[[]float32, error] {
	r := e.model.Config.ImageResolution
	prepare := func(i int) ([]uint8, error) {
		levels, err := e.levels(ctx, ids[i])
		if err != nil {
			return nil, (*dataset.Skipped)(nil).Add(dataset.Label(e.source, ids[i]), err)
		}
		return levels, nil
	}
	var unread *imaging.Unread
	if e.skip != nil {
		unread = new(imaging.Unread)
	}
	return func(yield func([]float32, error) bool) {
		for b, err := range e.model.EncodeBatches(ctx, imaging.Batches(ctx, len(ids), batch, r, unread.OrBlank(r, prepare))) {
			v := b.Features
			if err == nil {
				for _, i := range unread.Rows(b.Batch) {
					deal.SetAbsent(v[i*len(v)/b.N : (i+1)*len(v)/b.N])
				}
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// encodeTexts is encodeImages for texts. Of those that are tokenized together the model encodes together what is equally long, so their number is part
// of what is computed.
func (e extraction) encodeTexts(ctx context.Context, texts []dataset.Text, together int, add func([]float32) error) error {
	mine := e.texts(ctx, deal.Mine(e.world, texts, together), together)
	return deal.Collect(e.world, len(texts), together, e.model.Config.EmbedDim, mine, add)
}

func (e extraction) texts(ctx context.Context, texts []dataset.Text, together int) iter.Seq2[[]float32, error] {
	tok := tokenizer.Default()
	return func(yield func([]float32, error) bool) {
		for part := range slices.Chunk(texts, together) {
			prepared := make([]string, len(part))
			for i, t := range part {
				prepared[i] = tokenizer.Prepare(t.Text)
			}
			rows, _, err := tok.Tokenize(prepared, e.contextLength)
			var v []float32
			if err == nil {
				v, err = e.model.EncodeTexts(ctx, rows, len(part))
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// ExtractPictures is Extract in one process for a split without texts.
func ExtractPictures(ctx context.Context, m *model.Model, s dataset.Source, skip *dataset.Skipped, progress func(done, total int)) (*Features, error) {
	f := &Features{Dim: m.Config.EmbedDim, ImageIDs: s.ImageIDs()}
	if len(f.ImageIDs) == 0 {
		return nil, fmt.Errorf("%w: %s has no pictures", ErrEmpty, s.Name())
	}
	e := extraction{world: exchange.Alone, model: m, source: s, skip: skip, progress: progress}
	if err := e.run(ctx, f, func([]float32) error { return nil }); err != nil {
		return nil, err
	}
	return f, f.compact(s.Name())
}

// EncodePictures encodes some pictures of a split, [len(ids), dim]: for indexes, which keep vectors themselves. The ranks of w share them, and all get
// all vectors. The row of a picture that is left out is absent (deal.Absent), and the picture is told to skip; with a skip of nil it is an error.
func EncodePictures(ctx context.Context, w exchange.World, m *model.Model, s dataset.Source, ids []int64, skip *dataset.Skipped) (vectors []float32, err error) {
	e := extraction{world: w, model: m, source: s, skip: skip}
	err = e.encodeImages(ctx, ids, e.noting(ctx, ids, func(v []float32) error { vectors = append(vectors, v...); return nil }))
	if err != nil {
		return nil, fmt.Errorf("encoding pictures of %s: %w", s.Name(), err)
	}
	return vectors, nil
}

// EncodeCaptions is EncodePictures for texts, which are prepared as captions are.
func EncodeCaptions(ctx context.Context, w exchange.World, m *model.Model, texts []dataset.Text, contextLength int) (vectors []float32, err error) {
	e := extraction{world: w, model: m, contextLength: contextLength}
	err = e.encodeTexts(ctx, texts, index.BuildBatch, func(v []float32) error { vectors = append(vectors, v...); return nil })
	if err != nil {
		return nil, fmt.Errorf("encoding captions: %w", err)
	}
	return vectors, nil
}
