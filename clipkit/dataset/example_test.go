package dataset_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/imaging"
)

func Example() {
	data, err := dataset.Open("emoji")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer data.Close()
	loader, err := dataset.NewLoader(context.Background(), data.Valid, dataset.LoaderConfig{
		BatchSize:  250,
		Resolution: 32,
		Shuffle:    true,
		Transform:  func(encoded []byte, _ *rand.Rand) ([]float32, error) { return imaging.Transform(encoded, 32) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer loader.Close()
	for {
		batch, err := loader.Next()
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

func ExampleBuildLMDB() {
	out, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(out)
	if _, err := dataset.BuildLMDB(context.Background(), "testdata/raw", []string{"train", "valid"}, out, dataset.LMDBOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	train, err := dataset.OpenLMDB("train", filepath.Join(out, "train"), "testdata/raw/train_texts.jsonl")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer train.Close()
	fmt.Println(dataset.Contents("train", train))
	// Output: train LMDB file contains 12 images and 15 pairs.
}
