package projection_test

import (
	"fmt"

	"clipnb/clipkit/projection"
)

func ExamplePCA() {
	features := []float32{ // four vectors of three numbers
		1, 0, 0,
		2, 0, 0,
		3, 0, 0.1,
		4, 0, 0,
	}
	points, share, err := projection.PCA(features, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.1f … %.1f, %.0f%% of the variance\n", points[0][0], points[3][0], 100*share)
	// Output: -1.5 … 1.5, 100% of the variance
}
