package arch

import (
	"errors"
	"strings"
	"testing"
)

func TestPair(t *testing.T) {
	const base, large, rbt3 = "RoBERTa-wwm-ext-base-chinese", "RoBERTa-wwm-ext-large-chinese", "RBT3-chinese"
	for vision, text := range map[string]string{"ViT-B-32": base, "ViT-B-16": base, "ViT-B/16": base, "ViT-L-14": base, "ViT-L-14-336": base, "ViT-H-14": large, "RN50": rbt3} {
		if c, err := Pair(vision, text); err != nil || c.Name != strings.ReplaceAll(vision, "/", "-") || c.TextTower() != text {
			t.Errorf("%s with %s: %q, %v", vision, text, c.Name, err)
		}
	}
	for _, c := range []struct{ vision, text, says string }{
		{"ViT-B-16", large, "ViT-B-16 goes with " + base},
		{"ViT-H-14", base, "ViT-H-14 goes with " + large},
		{"ViT-B-16", "bert", `text tower "bert"; known: ` + base},
		{"ViT-Z-1", base, `"ViT-Z-1"; known: ViT-B-16`},
	} {
		if _, err := Pair(c.vision, c.text); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s with %s: %v, want %q", c.vision, c.text, err, c.says)
		}
	}
	emoji, err := Lookup("emoji")
	if err != nil || emoji.TextTower() != "" {
		t.Errorf("emoji: %q, %v", emoji.TextTower(), err)
	}
}
