package live

import (
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/datasettest"
)

// Fifty characters and the two marks are the 52 tokens of a text; one more is cut.
func TestCut(t *testing.T) {
	texts := []dataset.Text{{ID: 5, Text: "猫"}, {ID: 6, Text: strings.Repeat("很", 50)}}
	if said := cut(datasettest.Memory(texts, nil), 52); said != "" {
		t.Error(said)
	}
	texts = append(texts, dataset.Text{ID: 7, Text: strings.Repeat("很", 51)}, dataset.Text{ID: 8, Text: strings.Repeat("长", 99)})
	if said := cut(datasettest.Memory(texts, nil), 52); said != "longer than the model's 52 tokens, so cut: 2 of the 4 texts of given; the first has text_id 7" {
		t.Error(said)
	}
}
