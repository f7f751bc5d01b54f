package dataset_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit/dataset"
)

func Example() {
	data, err := dataset.Open("emoji")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer data.Close()
	fmt.Println(data)
	fmt.Println(len(dataset.Pairs(data.Valid)), "pairs to validate on")
	// Output:
	// emoji: train 1202 pictures, 6010 texts; valid 150 pictures, 750 texts; test 500 pictures, 2500 texts
	// 750 pairs to validate on
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
