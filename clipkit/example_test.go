package clipkit_test

import (
	"context"
	"fmt"

	"clipnb/clipkit"
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
