package recipe

import (
	"errors"
	"strings"
	"testing"
)

func TestFindSuggestsTheNearest(t *testing.T) {
	for wrong, want := range map[string]string{
		"flickr30k/vit-b-16/full-1p":        "the nearest: flickr30k/vit-b-16/full (",
		"flickr30k/vit-h-14/performance_1p": "the nearest: flickr30k/vit-h-14/performance (",
		"full-1p":                           "the nearest: flickr30k/vit-b-16/full, flickr30k/vit-h-14/full (",
		"Flickr30k/ViT-B-16/full-8p":        "the nearest: flickr30k/vit-b-16/full-8p (",
		"emoji/finetun":                     "the nearest: emoji/finetune (",
		"muge/vit-b-16/fliip":               "the nearest: muge/vit-b-16/flip (",
		"something else entirely":           `entirely"; there are emoji/finetune, `,
		"":                                  `""; there are emoji/finetune, `,
	} {
		_, err := Find(wrong)
		if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", wrong, err, want)
		}
	}
}

// Every recipe says what it takes and what it reaches, each in one line.
func TestPromise(t *testing.T) {
	for _, r := range All() {
		if lines := strings.Split(r.Promise(), "\n"); len(lines) != 2 || !strings.Contains(lines[0], "GB of memory") || lines[1] == "" {
			t.Errorf("%s: %q", r.Name, lines)
		}
	}
}
