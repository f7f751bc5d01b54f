package everyday

import (
	"context"
	"errors"
	"slices"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/page"
)

// Every answer that counts as right is the name of one emoji of the set, so that no misspelling makes a word impossible.
func TestWordsNameEmoji(t *testing.T) {
	words, err := Words()
	if err != nil {
		t.Fatal(err)
	}
	if len(words) != 60 || words[0].Text != "狗" || words[59].Text != "乐器" {
		t.Fatalf("%d words: %v", len(words), words)
	}
	data, err := dataset.Open("emoji")
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	var names []string
	for _, split := range []dataset.Source{data.Train, data.Valid, data.Test} {
		for _, captions := range dataset.CaptionsByImage(split) {
			names = append(names, captions[0])
		}
	}
	seen := map[string]bool{}
	for _, w := range words {
		if seen[w.Text] || len(w.Right) == 0 {
			t.Errorf("%s: twice, or without an answer", w.Text)
		}
		seen[w.Text] = true
		for _, name := range w.Right {
			if !slices.Contains(names, name) {
				t.Errorf("%s: there is no emoji %s", w.Text, name)
			}
		}
	}
}

type shelf map[string]string

func (s shelf) SearchText(_ context.Context, text string, k int) ([]page.Hit, error) {
	switch name, ok := s[text]; {
	case text == "坏":
		return nil, errors.New("the shelf is broken")
	case !ok || k != 1:
		return nil, nil
	default:
		return []page.Hit{{Captions: []string{name, "与狗有关的" + name}}}, nil
	}
}

func TestAskCountsRightFirstPictures(t *testing.T) {
	words := []Word{{"狗", []string{"狗", "贵宾犬"}}, {"猫", []string{"猫"}}, {"鱼", []string{"鱼"}}}
	answers, err := Ask(t.Context(), shelf{"狗": "贵宾犬", "猫": "狗"}, words)
	if err != nil {
		t.Fatal(err)
	}
	if said := answers.String(); answers.Right() != 1 || said != "1 of 3 words find a right picture first; the others: 猫 → 狗, 鱼 → " {
		t.Error(said)
	}
	if _, err := Ask(t.Context(), shelf{}, []Word{{"坏", nil}}); err == nil || err.Error() != "searching for the everyday word 坏: the shelf is broken" {
		t.Error(err)
	}
}
