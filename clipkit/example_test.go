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
