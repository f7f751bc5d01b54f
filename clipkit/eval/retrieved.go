package eval

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/index"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/pyjson"
)

// Retrieved is a line of the reference's predictions, what was found for a query, best first; and a line of the truth, what is right for it.
type Retrieved struct {
	Query   int64
	Answers []int64
}

// TopK finds the k best answers to every text of f, or to every picture; equal scores keep the order of f, as in the reference, whose sort is
// stable (cn_clip/eval/make_topk_predictions.py:84).
func TopK(ctx context.Context, f *Features, w Way, k int, progress func(done, total int)) ([]Retrieved, error) {
	asking, queries, ids, vectors := f.TextIDs, f.Texts, f.ImageIDs, f.Images
	if w == ImageToText {
		asking, queries, ids, vectors = ids, vectors, asking, queries
	}
	x, err := index.NewExact(f.Dim, ids, vectors)
	if err != nil {
		return nil, err
	}
	found, err := x.TopK(ctx, queries, k, progress)
	if err != nil {
		return nil, err
	}
	list := make([]Retrieved, len(found))
	for i, hits := range found {
		list[i].Query = asking[i]
		for _, h := range hits {
			list[i].Answers = append(list[i].Answers, h.ID)
		}
	}
	return list, nil
}

// answersOf is what texts say: the right pictures of each.
func answersOf(texts []dataset.Text) []Retrieved {
	list := make([]Retrieved, len(texts))
	for i, t := range texts {
		list[i] = Retrieved{Query: t.ID, Answers: t.ImageIDs}
	}
	return list
}

// Invert turns the truth round, as transform_ir_annotation_to_tr.py does: the texts of each picture, in the order in which the texts
// first name them.
func Invert(truth []Retrieved) []Retrieved {
	var list []Retrieved
	at := map[int64]int{}
	for _, t := range truth {
		for _, id := range t.Answers {
			if _, ok := at[id]; !ok {
				at[id] = len(list)
				list = append(list, Retrieved{Query: id})
			}
			list[at[id]].Answers = append(list[at[id]].Answers, t.Query)
		}
	}
	return list
}

// WriteRetrieved writes the reference's file of predictions or truth: lines of {"text_id": 1, "image_ids": [2, 3]}, or {"image_id": 2, "text_ids": [1]}.
func WriteRetrieved(path string, w Way, list []Retrieved) error {
	return atomicfile.Write(path, func(out io.Writer) error { return encodeRetrieved(out, w, list) })
}

func encodeRetrieved(out io.Writer, w Way, list []Retrieved) error {
	query, answers := w.fields()
	b := bufio.NewWriterSize(out, 1<<16)
	for _, r := range list {
		fmt.Fprintf(b, `{"%s": %d, "%s": %s}`+"\n", query, r.Query, answers, pyjson.Ints(r.Answers))
	}
	return b.Flush()
}

// WriteReference leaves in dir what the reference's tools leave for one split, for its users and scripts: {split}_texts.jsonl and
// {split}_texts.tr.jsonl (the truth), {split}_imgs.img_feat.jsonl, {split}_texts.txt_feat.jsonl, {split}_predictions.jsonl and
// {split}_tr_predictions.jsonl (the k best each), {split}_score.json and {split}_tr_score.json. As in the reference, fewer than ten pictures or
// texts, or k other than 10, give score files that say so.
func WriteReference(ctx context.Context, dir, split string, f *Features, texts []dataset.Text, k int) error {
	pathOf := func(name string) string { return filepath.Join(dir, split+name) }
	err := errors.Join(
		WriteVectors(pathOf("_imgs.img_feat.jsonl"), ImageToText, f.ImageIDs, f.Images),
		WriteVectors(pathOf("_texts.txt_feat.jsonl"), TextToImage, f.TextIDs, f.Texts),
		atomicfile.Write(pathOf("_texts.jsonl"), func(w io.Writer) error { return encodeTexts(w, texts) }),
		WriteRetrieved(pathOf("_texts.tr.jsonl"), ImageToText, Invert(answersOf(texts))),
	)
	if err != nil {
		return err
	}
	for _, side := range []struct {
		way          Way
		infix, truth string
	}{{TextToImage, "_", "_texts.jsonl"}, {ImageToText, "_tr_", "_texts.tr.jsonl"}} {
		list, err := TopK(ctx, f, side.way, k, nil)
		if err != nil {
			return err
		}
		predictions := pathOf(side.infix + "predictions.jsonl")
		if err := WriteRetrieved(predictions, side.way, list); err != nil {
			return err
		}
		recall, refused := Score(pathOf(side.truth), predictions, side.way)
		if err := WriteScore(pathOf(side.infix+"score.json"), recall, refused); err != nil {
			return err
		}
	}
	return nil
}

// encodeTexts writes lines of the reference's texts file.
func encodeTexts(out io.Writer, texts []dataset.Text) error {
	b := bufio.NewWriterSize(out, 1<<16)
	for _, t := range texts {
		fmt.Fprintf(b, `{"text_id": %d, "text": %s, "image_ids": %s}`+"\n", t.ID, pyjson.String(t.Text), pyjson.Ints(t.ImageIDs))
	}
	return b.Flush()
}
