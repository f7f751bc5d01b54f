package clipkit

import (
	"context"
	"fmt"
	"image"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/index"
	"clipnb/clipkit/index/kept"
	"clipnb/clipkit/live"
	"clipnb/clipkit/page"
	"clipnb/clipkit/tokenizer"
)

// Index finds the pictures of one split by text or by picture.
type Index struct {
	model    *Model
	split    dataset.Source
	skip     *dataset.Skipped   // what was left out
	texts    map[int64][]string // captions by picture
	features *eval.Features     // in memory; or
	exact    *index.Exact
	kept     index.Pair    // in an engine's keeping, which another process
	where    kept.Location // can open if this is not empty
}

// BuildIndex encodes the pictures and captions of a split. Unless an option says more, they are kept in memory, for exact search. With an
// engine, what it has already is not encoded again: an interrupted build continues, and one that was finished is only opened. Pictures that cannot be
// read are left out and listed (dataset.Skipped).
func BuildIndex(ctx context.Context, m *Model, split dataset.Source, opts ...Option) (*Index, error) {
	if split == nil {
		return nil, fmt.Errorf("building an index: the data set has no such split")
	}
	o, err := chosen("BuildIndex", indexing, opts)
	if err != nil {
		return nil, err
	}
	ix := &Index{model: m, split: split, skip: live.Skip(exchange.Alone, o.budget, say), texts: dataset.CaptionsByImage(split)}
	if o.run != "" || o.postgres != "" || o.openIndex != nil {
		if err := ix.openKept(ctx, o); err != nil {
			return nil, err
		}
		return ix, nil
	}
	ix.features, err = m.inMemory(ctx, split, ix.skip)
	if err != nil {
		return nil, err
	}
	ix.exact, err = index.NewExact(ix.features.Dim, ix.features.ImageIDs, ix.features.Images)
	return ix, err
}

// SearchText gives the k pictures nearest to a text, which is prepared as captions are.
func (ix *Index) SearchText(ctx context.Context, text string, k int) ([]page.Hit, error) {
	v, err := ix.model.EncodeTexts(ctx, []string{tokenizer.Prepare(text)})
	if err != nil {
		return nil, err
	}
	return ix.search(ctx, v[0], k)
}

// SearchImage gives the k pictures nearest to a picture.
func (ix *Index) SearchImage(ctx context.Context, picture image.Image, k int) ([]page.Hit, error) {
	v, err := ix.model.EncodeImages(ctx, []image.Image{picture})
	if err != nil {
		return nil, err
	}
	return ix.search(ctx, v[0], k)
}

func (ix *Index) search(ctx context.Context, query []float32, k int) ([]page.Hit, error) {
	var found []index.Hit
	var err error
	if ix.exact != nil {
		found, err = ix.exact.Search(query, k)
	} else {
		found, err = ix.kept.Images.Search(ctx, index.Query{Vector: query, Model: ix.kept.Images.Model(), K: k})
	}
	if err != nil {
		return nil, err
	}
	var hits []page.Hit
	for _, h := range found {
		captions := ix.texts[h.ID]
		if p, ok := ix.split.(*dataset.Pictures); ok && len(captions) == 0 {
			captions = []string{p.Label(h.ID)}
		}
		encoded, err := ix.split.Image(h.ID)
		if err != nil { // since it was indexed
			captions = []string{fmt.Sprintf("%s: %v", dataset.Label(ix.split, h.ID), err)}
		}
		hits = append(hits, page.Hit{ImageID: h.ID, Score: h.Score, Encoded: encoded, Captions: captions})
	}
	return hits, nil
}

// Close closes the engine, if there is one; what it keeps stays.
func (ix *Index) Close() error {
	return ix.kept.Close()
}
