package arch

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func shapesOf(c Config) map[string][]int {
	m := map[string][]int{}
	for _, t := range c.Tensors() {
		m[t.Name] = t.Shape
	}
	return m
}

func lookup(m map[string][]int) func(string) []int { return func(n string) []int { return m[n] } }

// Every model of the table is found by its shapes alone, ViT-H-14 with its heads of 80.
func TestInferFindsTheTable(t *testing.T) {
	for _, want := range models {
		got, err := Infer(lookup(shapesOf(want)))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", want.Name, got, err)
		}
	}
}

func TestInferUnknownModels(t *testing.T) {
	vit := base(Config{EmbedDim: 96, ImageResolution: 80, VisionLayers: Layers{5}, VisionWidth: 128, VisionPatchSize: 8})
	rn := rbt3(Config{EmbedDim: 96, ImageResolution: 96, VisionLayers: Layers{1, 2, 1, 3}, VisionWidth: 16})
	for _, want := range []Config{vit, rn} {
		got, err := Infer(lookup(shapesOf(want)))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v\nwant %+v", got, err, want)
		}
	}
}

func TestInferSaysWhatIsMissing(t *testing.T) {
	c, _ := Lookup("ViT-B-16")
	for name, x := range map[string]struct {
		change func(m map[string][]int)
		want   []string
	}{
		"nothing":    {func(m map[string][]int) { clear(m) }, []string{"no text_projection", "no visual.conv1.weight", "no visual.transformer.resblocks", "no bert.embeddings.word_embeddings.weight"}},
		"no text":    {func(m map[string][]int) { delete(m, "bert.embeddings.word_embeddings.weight") }, []string{"no bert.embeddings.word_embeddings.weight"}},
		"axes":       {func(m map[string][]int) { m["visual.conv1.weight"] = []int{768} }, []string{"visual.conv1.weight has shape [768], want 4 axes"}},
		"no square":  {func(m map[string][]int) { m["visual.positional_embedding"] = []int{199, 768} }, []string{"199 positions"}},
		"text heads": {func(m map[string][]int) { m["bert.embeddings.word_embeddings.weight"] = []int{9, 100} }, []string{"100 is not a multiple of 64"}},
		"odd width":  {func(m map[string][]int) { m["visual.conv1.weight"] = []int{100, 3, 16, 16} }, []string{"width 100 is not a multiple of 64"}},
		"negative":   {func(m map[string][]int) { m["visual.conv1.weight"] = []int{768, 3, 16, -16} }, []string{"image_resolution"}},
	} {
		m := shapesOf(c)
		x.change(m)
		_, err := Infer(lookup(m))
		if !errors.Is(err, ErrShapes) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range x.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in: %v", name, want, err)
			}
		}
	}
}
