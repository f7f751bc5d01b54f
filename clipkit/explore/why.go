package explore

import (
	"fmt"
	"net/http"
	"slices"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/tokenizer"
)

// Why tells what a score rests on, by occlusion: a part is hidden, the rest encoded again, and the part's share is by how much the cosine
// falls. A negative share means that the part stood in the way.
//
// A token is hidden as padding is: attention leaves it out, and the others keep their places. A part of the picture is covered by the picture
// itself, blurred beyond recognition, because a grey patch would be something new to see. Covers are two cells wide and overlap: a cell's
// share is the mean over the four covers that lay on it. Shares do not add up to the score: parts act together.
type Why struct {
	Score   float64 `json:"score"`   // cosine
	Tokens  []Token `json:"tokens"`  // as far as the model reads; none when the query has no text
	Grid    int     `json:"grid"`    // cells on a side
	Patches []Share `json:"patches"` // [Grid, Grid]
}

// Token is a piece of the text.
type Token struct {
	Text  string `json:"text"`
	Share Share  `json:"share"`
}

// Share is the fall of the cosine when something is hidden.
type Share float64

// pair is what is to be explained: the picture of a hit, and the question that it answers.
type pair struct {
	Image       *int64   `json:"image"`   // of the set, or
	Picture     string   `json:"picture"` // a visitor's
	Text        string   `json:"text"`
	NearImage   *int64   `json:"near_image"` // the question's picture, if it had one
	NearPicture string   `json:"near_picture"`
	Weight      *float64 `json:"weight"`
	Model       int      `json:"model"`
	Grid        int      `json:"grid"` // 2 to 14; left out, the larger the model the fewer
}

func (h *Handler) explain(r *http.Request) (why any, err error) {
	var p pair
	if err := ask(r, maxAsk, &p); err != nil {
		return nil, err
	}
	q := question{Text: p.Text, Image: p.NearImage, Picture: p.NearPicture, Weight: p.Weight, Model: p.Model}
	s, err := q.check(h)
	if err != nil {
		return nil, err
	}
	if p.Grid == 0 {
		p.Grid = grid(s.Model.Config)
	}
	if p.Grid < 2 || p.Grid > 14 {
		return nil, badf("grid %d; want 2 to 14", p.Grid)
	}
	shown, err := h.pictureOf(r.Context(), p.Image, p.Picture)
	if err != nil {
		return nil, err
	}
	if shown == nil {
		return nil, badf("no picture to explain; want image or picture")
	}
	err = h.why.do(r.Context(), func() (err error) {
		why, err = h.occlude(r, q, shown, p.Grid)
		return err
	})
	return why, err
}

// grid is as fine as a CPU can do in some seconds.
func grid(c arch.Config) int {
	switch work := c.ImageFLOPs(); {
	case work < 3e9:
		return 7
	case work < 60e9:
		return 5
	}
	return 3
}

func (h *Handler) occlude(r *http.Request, q question, shown *picture, grid int) (*Why, error) {
	ctx, s := r.Context(), h.sides[q.Model]
	target, err := h.vector(ctx, shown, q.Model)
	if err != nil {
		return nil, err
	}
	near, err := h.pictureVector(ctx, q)
	if err != nil {
		return nil, err
	}
	query, _, err := h.query(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &Why{Score: dot(query, target), Tokens: []Token{}, Grid: grid}
	if q.Text != "" {
		pieces, rows := s.hideTokens(caption(q.Text))
		vectors, err := many(ctx, rows, len(pieces), s.Model.EncodeTexts)
		if err != nil {
			return nil, err
		}
		for i, v := range slices.Collect(slices.Chunk(vectors, s.Model.Config.EmbedDim)) {
			mixed, err := mix(v, near, *q.Weight)
			if err != nil {
				return nil, err
			}
			out.Tokens = append(out.Tokens, Token{pieces[i], Share(out.Score - dot(mixed, target))})
		}
	}
	covers := hidePatches(shown.rgb[q.Model], grid)
	vectors, err := many(ctx, covers, (grid+1)*(grid+1), s.Model.EncodeImages)
	if err != nil {
		return nil, err
	}
	falls := make([]float64, 0, (grid+1)*(grid+1))
	for v := range slices.Chunk(vectors, s.Model.Config.EmbedDim) {
		falls = append(falls, out.Score-dot(query, v))
	}
	for y := range grid {
		for x := range grid {
			at := y*(grid+1) + x
			out.Patches = append(out.Patches, Share((falls[at]+falls[at+1]+falls[at+grid+1]+falls[at+grid+2])/4))
		}
	}
	return out, nil
}

// hideTokens gives the pieces of a text, and for each a row of ids in which it is padding.
func (s *side) hideTokens(text string) (pieces []string, rows []int32) {
	ids, cut := s.encoder.tokens(text)
	pieces = tokenizer.Default().Pieces(text)
	pieces = pieces[:len(pieces)-cut]
	for i := range pieces {
		row := slices.Clone(ids)
		row[i+1] = 0 // after [CLS]
		rows = append(rows, row...)
	}
	return pieces, rows
}

// hidePatches gives a picture [R,R] with each of (grid+1)² covers on it, prepared. Cover (x, y) lies on the cells x-1 and x, y-1 and y.
func hidePatches(p *imaging.Picture, grid int) []float32 {
	size := p.Width
	sharp, blurred := imaging.Normalise(p), imaging.Normalise(p.Resize(4, 4).Resize(size, size))
	edge := func(cell int) int { return min(max(cell, 0), grid) * size / grid }
	var all []float32
	for y := range grid + 1 {
		for x := range grid + 1 {
			covered := slices.Clone(sharp)
			for c := range 3 {
				for row := edge(y - 1); row < edge(y+1); row++ {
					from, to := (c*size+row)*size+edge(x-1), (c*size+row)*size+edge(x+1)
					copy(covered[from:to], blurred[from:to])
				}
			}
			all = append(all, covered...)
		}
	}
	return all
}

func dot(a, b []float32) (sum float64) {
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}

// MarshalJSON keeps six digits, more than float32 has of a cosine.
func (s Share) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%.6g", float64(s)), nil }
