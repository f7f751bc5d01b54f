package eval_test

import (
	"context"
	"fmt"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
)

// Two pictures and three texts, whose vectors a model would give.
func Example() {
	f := &eval.Features{
		Dim:      2,
		ImageIDs: []int64{10, 20}, Images: []float32{1, 0, 0, 1},
		TextIDs: []int64{1, 2, 3}, Texts: []float32{1, 0, 0.6, 0.8, 0.8, 0.6},
	}
	texts := []dataset.Text{{ID: 1, ImageIDs: []int64{10}}, {ID: 2, ImageIDs: []int64{20}}, {ID: 3, ImageIDs: []int64{20}}}

	r, _ := eval.Retrieval(f, texts)
	fmt.Printf("text→image R@1 %.1f, image→text R@1 %.1f\n", r.TextToImage.R1, r.ImageToText.R1)
	found, _ := eval.TopK(context.Background(), f, eval.TextToImage, 1, nil)
	fmt.Println(found)
	// Output:
	// text→image R@1 66.7, image→text R@1 100.0
	// [{1 [10]} {2 [20]} {3 [10]}]
}
