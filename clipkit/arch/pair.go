package arch

import (
	"fmt"
	"slices"
	"strings"
)

// textTowers are the text towers by the names of the reference's configuration files (cn_clip/clip/model_configs).
var textTowers = []struct {
	name          string
	layers, width int
}{
	{"RoBERTa-wwm-ext-base-chinese", 12, 768},
	{"RoBERTa-wwm-ext-large-chinese", 24, 1024},
	{"RBT3-chinese", 3, 768},
}

// TextTowers lists the reference's names of the text towers (--text-model).
func TextTowers() []string {
	var names []string
	for _, t := range textTowers {
		names = append(names, t.name)
	}
	return names
}

// TextTower is the reference's name of the text tower, or "" where it is none of the reference's.
func (c Config) TextTower() string {
	for _, t := range textTowers {
		if c.TextLayers == t.layers && c.TextWidth == t.width {
			return t.name
		}
	}
	return ""
}

// Pair finds a model as the reference's commands name it, by its two towers: --vision-model ViT-B-16 --text-model RoBERTa-wwm-ext-base-chinese.
func Pair(vision, text string) (Config, error) {
	c, err := Lookup(vision)
	if err != nil {
		return c, err
	}
	if text = strings.ReplaceAll(text, "/", "-"); text == c.TextTower() {
		return c, nil
	}
	if !slices.Contains(TextTowers(), text) {
		return Config{}, fmt.Errorf("%w: text tower %q; known: %s", ErrUnknown, text, strings.Join(TextTowers(), ", "))
	}
	return Config{}, fmt.Errorf("%w: %s with the text tower %s; %s goes with %s", ErrUnknown, vision, text, vision, c.TextTower())
}
