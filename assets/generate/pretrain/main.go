// Command pretrain makes the small model that is compiled in, assets/small/emoji.safetensors.
//
//	python3 assets/generate/emoji.py    # draws datasets/emoji-styles: five drawing styles, not OpenMoji
//	go run ./assets/generate/pretrain   # trains from random weights; continues when it was stopped
//
// OpenMoji's valid split (another style, no pictures shared) is evaluated at each epoch's end; no choice was made on the test split.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit"
)

func main() {
	out := flag.String("out", filepath.Join("assets", "small", "emoji.safetensors"), "file to write")
	recipe := clipkit.Must(clipkit.Recipe("emoji/pretrain"))
	flag.StringVar(&recipe.Name, "name", recipe.Name, "run directory under experiments/")
	flag.IntVar(&recipe.MaxEpochs, "epochs", recipe.MaxEpochs, "passes over the pairs")
	flag.Parse()

	ctx := context.Background()
	styles := clipkit.Must(clipkit.OpenDataset(ctx, "emoji-styles"))
	openmoji := clipkit.Must(clipkit.OpenDataset(ctx, "emoji"))
	styles.Valid = openmoji.Valid
	m := clipkit.Must(clipkit.New(ctx, "emoji", recipe.Seed))
	clipkit.Must(clipkit.Finetune(ctx, m, styles, recipe))
	rep := clipkit.Must(clipkit.EvaluateRetrieval(ctx, m, openmoji.Test))
	fmt.Printf("test: text→image %+v, image→text %+v\n", rep.TextToImage, rep.ImageToText)
	clipkit.Check(m.Save(*out, true))
	info := clipkit.Must(os.Stat(*out))
	fmt.Printf("%s: %d bytes\n", *out, info.Size())
}
