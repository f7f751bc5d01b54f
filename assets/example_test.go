package assets_test

import (
	"fmt"
	"io/fs"
	"log"

	"clipnb/assets"
)

func ExampleEmoji() {
	fsys, err := assets.Emoji()
	if err != nil {
		log.Fatal(err)
	}
	files, err := fs.Glob(fsys, "*.jsonl")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(files)
	// Output: [test_texts.jsonl train_texts.jsonl valid_texts.jsonl]
}
