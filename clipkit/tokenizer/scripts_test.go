package tokenizer

import (
	"slices"
	"testing"
)

// Which scripts the published models' vocabulary has, as the README says: of the others a word is one [UNK].
func TestScripts(t *testing.T) {
	for text, known := range map[string]bool{
		"一只猫": true, "a small dog 2": true, "привет мир": true, "γειά": true, "ねこがいる": true, "カタカナ": true, "안녕하세요": true,
		"สวัสดี": false, "مرحبا": false, "שלום": false, "नमस्ते": false,
	} {
		row := make([]int32, DefaultLength)
		Default().Encode(row, Prepare(text))
		unknown := []int32{101, 100, 102} // [CLS] [UNK] [SEP]
		if slices.Contains(row, 100) == known || slices.Equal(row[:3], unknown) == known {
			t.Errorf("%s: %v", text, row)
		}
	}
}
