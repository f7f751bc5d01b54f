package loader_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/loader"
	"clipnb/clipkit/imaging"
)

func Example() {
	data, err := dataset.Open("emoji")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer data.Close()
	epoch, err := loader.New(context.Background(), data.Valid, loader.Config{
		BatchSize:  250,
		Resolution: 32,
		Shuffle:    true,
		Transform: func(ctx context.Context, encoded []byte, _ *rand.Rand) ([]float32, error) {
			return imaging.TransformContext(ctx, encoded, 32)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer epoch.Close()
	for {
		batch, err := epoch.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(batch.Index, len(batch.Images)/(3*32*32), "pictures", len(batch.IDs)/52, "captions")
	}
	// Output:
	// 0 250 pictures 250 captions
	// 1 250 pictures 250 captions
	// 2 250 pictures 250 captions
}
