package clipkit_test

import (
	"context"
	"fmt"
	"image"
	"math"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/imaging"
)

// Search the embedded test pictures with the embedded model.
func Example() {
	ctx := context.Background()
	data := clipkit.Must(clipkit.OpenDataset(ctx, "emoji"))
	m := clipkit.Must(clipkit.Load(ctx, "emoji"))
	defer m.Close()
	ix := clipkit.Must(clipkit.BuildIndex(ctx, m, data.Test))
	hits := clipkit.Must(ix.SearchText(ctx, "狗", 5))
	fmt.Println(len(hits), "pictures, best first:", hits[0].Score >= hits[4].Score)
	// Output: 5 pictures, best first: true
}

// A recipe says what it takes and what it reaches.
func ExampleRecipe() {
	p := clipkit.Must(clipkit.Recipe("flickr30k/vit-b-16/full-8p"))
	fmt.Println(p.Weights, "on", p.Data, "in steps of", p.PairsPerStep())
	fmt.Println(p.Reaches[0])
	// Output:
	// ViT-B-16 on Flickr30k-CN in steps of 1024
	// the ModelZoo, 8 NPUs, 3 epochs, Flickr30K-CN test: text→image R@5 94.76; image→text R@5 98.7 (the ModelZoo's results table, its columns put right)
}

// A joint call compares every picture with every text, as the reference's get_similarity.
func ExampleModel_Together() {
	ctx := context.Background()
	data := clipkit.Must(clipkit.OpenDataset(ctx, "emoji"))
	m := clipkit.Must(clipkit.Load(ctx, "emoji"))
	defer m.Close()
	texts := data.Test.Texts()
	var pictures []image.Image
	var names []string
	for _, t := range []dataset.Text{texts[0], texts[1000], texts[2000]} {
		encoded := clipkit.Must(data.Test.Image(t.ImageIDs[0]))
		pictures, names = append(pictures, clipkit.Must(imaging.Decode(encoded)).Image()), append(names, t.Text)
	}
	j := clipkit.Must(m.Together(ctx, pictures, names))
	fmt.Println(len(j.LogitsPerImage), "rows of", len(j.LogitsPerImage[0]), "logits, and", len(j.LogitsPerText), "of", len(j.LogitsPerText[0]))
	fmt.Println("the transpose:", j.LogitsPerImage[0][2] == j.LogitsPerText[2][0])
	fmt.Println("a better guess than chance:", clipkit.Must(j.Loss()) < math.Log(3))
	// Output:
	// 3 rows of 3 logits, and 3 of 3
	// the transpose: true
	// a better guess than chance: true
}
