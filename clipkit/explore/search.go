package explore

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"clipnb/clipkit/index"
	"clipnb/clipkit/tokenizer"
)

// maxK is how deep a ranking is looked at.
const maxK = 1000

// question is a search: a text, a picture (of the set, or a visitor's by its key), or both mixed.
type question struct {
	Text    string   `json:"text"`
	Image   *int64   `json:"image"`
	Picture string   `json:"picture"`
	Weight  *float64 `json:"weight"` // of the picture in a mix, 0 to 1; 0.5 unless said

	Model  int               `json:"model"`
	To     string            `json:"to"` // "images" unless said, or "texts"
	K      int               `json:"k"`  // 60 unless said
	Offset int               `json:"offset"`
	Filter map[string]string `json:"filter"`
}

// found is the answer.
type found struct {
	Hits     []hit    `json:"hits"`
	Total    int      `json:"total"`    // in the set; a ranking ends at 1000
	Cut      int      `json:"cut"`      // tokens of the text that the model did not read
	Labelled *ranking `json:"labelled"` // null: nobody knows the right answers
	EncodeMS float64  `json:"encode_ms"`
	SearchMS float64  `json:"search_ms"`
}

// hit is a picture, or a text with the pictures that it describes.
type hit struct {
	item
	Text     string  `json:"text,omitempty"`
	Pictures []int64 `json:"pictures,omitempty"`
	Score    float32 `json:"score"` // cosine
	Right    *bool   `json:"right"` // null: nobody knows
}

// ranking is where the right answers of a labelled query stand.
type ranking struct {
	Right int    `json:"right"` // how many right answers there are
	Rank  int    `json:"rank"`  // of the first of them, from 1; 0: beyond the thousandth
	At    [3]int `json:"at"`    // 1 where one is among the first 1, 5, 10: the query's part in Recall@1/5/10
}

func (h *Handler) search(r *http.Request) (any, error) {
	var q question
	if err := ask(r, maxAsk, &q); err != nil {
		return nil, err
	}
	s, err := q.check(h)
	if err != nil {
		return nil, err
	}
	ctx, start := r.Context(), time.Now()
	vector, cut, err := h.query(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &found{Cut: cut, EncodeMS: ms(start)}
	start = time.Now()
	defer func() { h.metrics.searched(time.Since(start)) }()
	where, total, own, right := s.Images, len(h.ids), int64(-1), h.named[caption(q.Text)]
	if q.To == "texts" {
		where, total, right = s.Texts, len(h.source.Texts()), nil
	}
	switch {
	case q.To != "texts" && q.Image != nil:
		own, right = *q.Image, nil // a picture is no answer to itself
	case q.To == "texts" && q.Image != nil && q.Text == "":
		right = h.captionIDs[*q.Image]
	case q.To == "texts", q.Picture != "":
		right = nil
	}
	find := func(k int) ([]index.Hit, error) {
		hits, err := where.Search(ctx, index.Query{Vector: vector, Model: where.Model(), K: k, Filter: q.Filter})
		return slices.DeleteFunc(hits, func(x index.Hit) bool { return q.To != "texts" && x.ID == own }), err
	}
	hits, err := find(min(q.Offset+q.K+1, maxK+1))
	if err != nil {
		return nil, fmt.Errorf("searching: %w", err)
	}
	out.SearchMS, out.Total = ms(start), total
	if len(right) > 0 {
		if out.Labelled, err = rank(hits, right, q.Offset+q.K, find); err != nil {
			return nil, fmt.Errorf("ranking: %w", err)
		}
	}
	out.Hits = []hit{}
	for _, x := range hits[min(q.Offset, len(hits)):min(q.Offset+q.K, len(hits))] {
		out.Hits = append(out.Hits, h.hit(q, x, right))
	}
	return out, nil
}

// check fills in what was left out.
func (q *question) check(h *Handler) (*side, error) {
	s, err := h.side(q.Model)
	if err != nil {
		return nil, err
	}
	if q.K == 0 {
		q.K = 60
	}
	half := 0.5
	if q.Weight == nil {
		q.Weight = &half
	}
	switch {
	case q.To != "" && q.To != "images" && q.To != "texts":
		return nil, badf("to %.20q; want images or texts", q.To)
	case q.To == "texts" && s.Texts == nil:
		return nil, badf("this page has no captions to search")
	case q.K < 1 || q.K > maxK || q.Offset < 0 || q.Offset > maxK-q.K:
		return nil, badf("k %d after offset %d; want at least 1, together at most %d", q.K, q.Offset, maxK)
	case q.Text == "" && q.Image == nil && q.Picture == "":
		return nil, badf("nothing asked; want a text, a picture or an image")
	case q.Image != nil && q.Picture != "":
		return nil, badf("image and picture; want one of them")
	case !(*q.Weight >= 0 && *q.Weight <= 1):
		return nil, badf("weight %v; want 0 to 1", *q.Weight)
	case len(q.Filter) > 16:
		return nil, badf("%d filters; want at most 16", len(q.Filter))
	}
	if q.Text != "" {
		return s, checkText(q.Text)
	}
	return s, nil
}

func checkText(text string) error {
	if n := utf8.RuneCountInString(text); n > maxText || strings.TrimSpace(text) == "" {
		return badf("a text of %d characters; want 1 to %d", n, maxText)
	}
	return nil
}

// caption is a text as the models' captions were prepared.
func caption(text string) string { return tokenizer.Prepare(strings.TrimSpace(text)) }

// query makes the vector of a question.
func (h *Handler) query(ctx context.Context, q question) (vector []float32, cut int, err error) {
	e := h.sides[q.Model].encoder
	if q.Text != "" {
		if vector, cut, err = e.text(ctx, caption(q.Text)); err != nil {
			return nil, 0, err
		}
	}
	v, err := h.pictureVector(ctx, q)
	if err == nil {
		vector, err = mix(vector, v, *q.Weight)
	}
	return vector, cut, err
}

// pictureVector is the vector of the question's picture, or nil. One of the set is in the index already.
func (h *Handler) pictureVector(ctx context.Context, q question) ([]float32, error) {
	if q.Image != nil {
		known, err := h.sides[q.Model].Images.Vectors(ctx, *q.Image)
		if err != nil || known[*q.Image] != nil {
			return known[*q.Image], err
		}
	}
	p, err := h.pictureOf(ctx, q.Image, q.Picture)
	if p == nil || err != nil {
		return nil, err
	}
	return h.vector(ctx, p, q.Model)
}

// pictureOf gives the picture that is named, or nil.
func (h *Handler) pictureOf(ctx context.Context, image *int64, key string) (*picture, error) {
	switch {
	case image != nil:
		return h.ofSet(ctx, *image)
	case key != "":
		return h.visitors(key)
	}
	return nil, nil
}

// mix is the unit vector between a text's and a picture's; either may be missing.
func mix(text, picture []float32, weight float64) ([]float32, error) {
	switch {
	case picture == nil:
		return text, nil
	case text == nil:
		return picture, nil
	}
	out, sum := make([]float32, len(text)), 0.0
	for i := range out {
		x := (1-weight)*float64(text[i]) + weight*float64(picture[i])
		out[i] = float32(x)
		sum += x * x
	}
	if !(sum > 1e-12) {
		return nil, badf("text and picture are opposite: their mix has no direction; change the weight")
	}
	for i := range out {
		out[i] /= float32(math.Sqrt(sum))
	}
	return out, nil
}

// rank finds the first right answer among the first k hits, or looks deeper.
func rank(hits []index.Hit, right []int64, k int, find func(k int) ([]index.Hit, error)) (*ranking, error) {
	first := func(hits []index.Hit) int {
		return 1 + slices.IndexFunc(hits, func(x index.Hit) bool { return slices.Contains(right, x.ID) })
	}
	out := &ranking{Right: len(right), Rank: first(hits)}
	if out.Rank == 0 && len(hits) >= k {
		deeper, err := find(maxK)
		if err != nil {
			return nil, err
		}
		out.Rank = first(deeper)
	}
	for i, k := range []int{1, 5, 10} {
		if out.Rank >= 1 && out.Rank <= k {
			out.At[i] = 1
		}
	}
	return out, nil
}

func (h *Handler) hit(q question, x index.Hit, right []int64) hit {
	var is *bool
	if len(right) > 0 {
		yes := slices.Contains(right, x.ID)
		is = &yes
	}
	if q.To == "texts" {
		t := h.texts[x.ID]
		return hit{item: item{ID: x.ID}, Text: t.Text, Pictures: t.ImageIDs, Score: x.Score, Right: is}
	}
	return hit{item: h.item(x.ID), Score: x.Score, Right: is}
}

func ms(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }
