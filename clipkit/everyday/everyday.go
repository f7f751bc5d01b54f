// Package everyday asks a model for what people type first (狗, 车, 水果, …) and looks whether the first picture is a right one.
//
//	words, err := everyday.Words()                 // 60, of animals, food, vehicles, faces, things, sport, weather, plants, places and whole groups
//	answers, err := everyday.Ask(ctx, index, words) // index: of all pictures of the emoji set
//	fmt.Println(answers)                           // 41 of 60 …
//
// Which emoji count as right stands in assets/generate/words.json. It was written down before any model was asked.
package everyday

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"clipnb/assets"
	"clipnb/clipkit/page"
)

// Word is a query, and the names of the emoji that are right answers to it.
type Word struct {
	Text  string
	Right []string
}

// Answer is what a search for a word finds first.
type Answer struct {
	Word  Word
	Found string // the emoji's name
	Right bool
}

// Answers are of several words, in their order.
type Answers []Answer

// Searcher is an index of pictures whose first captions are their names, such as clipkit.Index of the emoji set.
type Searcher interface {
	SearchText(ctx context.Context, text string, k int) ([]page.Hit, error)
}

// Words are the sixty, in the order of their file.
func Words() ([]Word, error) {
	d := json.NewDecoder(bytes.NewReader(assets.Words))
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("reading the everyday words: %w", err)
	}
	var words []Word
	for d.More() {
		text, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("reading the everyday words, after %d: %w", len(words), err)
		}
		w := Word{Text: fmt.Sprint(text)}
		if err := d.Decode(&w.Right); err != nil {
			return nil, fmt.Errorf("reading the everyday word %s: %w", w.Text, err)
		}
		words = append(words, w)
	}
	return words, nil
}

// Ask searches for every word.
func Ask(ctx context.Context, pictures Searcher, words []Word) (Answers, error) {
	var answers Answers
	for _, w := range words {
		hits, err := pictures.SearchText(ctx, w.Text, 1)
		if err != nil {
			return nil, fmt.Errorf("searching for the everyday word %s: %w", w.Text, err)
		}
		a := Answer{Word: w}
		if len(hits) > 0 && len(hits[0].Captions) > 0 {
			a.Found = hits[0].Captions[0]
			a.Right = slices.Contains(w.Right, a.Found)
		}
		answers = append(answers, a)
	}
	return answers, nil
}

// Right is how many first pictures are right.
func (a Answers) Right() (n int) {
	for _, one := range a {
		if one.Right {
			n++
		}
	}
	return n
}

// shownWrong is how many wrong answers String names.
const shownWrong = 8

// String counts the right ones and names some of the others: "58 of 60 words find a right picture first; the others: 床 → 医院, 山 → 帐篷".
func (a Answers) String() string {
	var wrong []string
	for _, one := range a {
		if !one.Right {
			wrong = append(wrong, one.Word.Text+" → "+one.Found)
		}
	}
	said := fmt.Sprintf("%d of %d words find a right picture first", a.Right(), len(a))
	if more := len(wrong) - shownWrong; more > 0 {
		wrong = append(wrong[:shownWrong], fmt.Sprintf("and %d more", more))
	}
	if len(wrong) > 0 {
		said += "; the others: " + strings.Join(wrong, ", ")
	}
	return said
}
