package eval

import (
	"fmt"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/index"
)

// Ranks gives the 1-based rank of the first right picture for every text, in the order of f.TextIDs, and of the first right text for every
// picture, in the order of f.ImageIDs. It is 0 where there is no right answer at all (hidden answers, a picture without texts).
// texts are the split's, in the order of f.TextIDs. Equal scores keep the order of the features, as in the reference's top-k,
// whose sort is stable (cn_clip/eval/make_topk_predictions.py:84).
func Ranks(f *Features, texts []dataset.Text) (textToImage, imageToText []int, err error) {
	ofText, ofImage, err := rightAnswers(f, texts)
	if err != nil {
		return nil, nil, err
	}
	images, err := index.NewExact(f.Dim, f.ImageIDs, f.Images)
	if err != nil {
		return nil, nil, err
	}
	byText, err := index.NewExact(f.Dim, f.TextIDs, f.Texts)
	if err != nil {
		return nil, nil, err
	}
	if textToImage, err = images.Ranks(f.Texts, ofText); err != nil {
		return nil, nil, err
	}
	imageToText, err = byText.Ranks(f.Images, ofImage)
	return textToImage, imageToText, err
}

// rightAnswers are positions in f: the pictures of each text, the texts of each picture. Pictures without features are no answers.
func rightAnswers(f *Features, texts []dataset.Text) (ofText, ofImage [][]int, err error) {
	if len(texts) != len(f.TextIDs) {
		return nil, nil, fmt.Errorf("ranks: features of %d texts, truth of %d", len(f.TextIDs), len(texts))
	}
	at := positions(f.ImageIDs)
	ofText, ofImage = make([][]int, len(texts)), make([][]int, len(f.ImageIDs))
	for i, t := range texts {
		if t.ID != f.TextIDs[i] {
			return nil, nil, fmt.Errorf("ranks: the features of text %d are of text_id %d, the truth is of %d; give both in the order of the texts file", i, f.TextIDs[i], t.ID)
		}
		for _, id := range t.ImageIDs {
			if p, ok := at[id]; ok {
				ofText[i] = append(ofText[i], p)
				ofImage[p] = append(ofImage[p], i)
			}
		}
	}
	return ofText, ofImage, nil
}
