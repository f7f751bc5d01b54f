// Command pretrain makes the small model that is compiled in, assets/small/emoji.safetensors.
//
//	python3 assets/generate/emoji.py    # draws datasets/emoji-styles: eight drawing styles, not OpenMoji
//	go run ./assets/generate/pretrain   # two cycles from random weights, hours on 2 cores; continues when it was stopped
//
// OpenMoji's valid split (another style, no pictures shared) is evaluated on the way; the test split never ("go run ./assets/generate/measure" does).
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
	flag.Parse()

	ctx := context.Background()
	styles := clipkit.Must(clipkit.OpenDataset(ctx, "emoji-styles"))
	openmoji := clipkit.Must(clipkit.OpenDataset(ctx, "emoji"))
	styles.Valid = openmoji.Valid
	first := clipkit.Must(clipkit.Recipe("emoji/pretrain")).Config
	m := clipkit.Must(clipkit.New(ctx, "emoji", first.Seed))
	clipkit.Must(clipkit.Finetune(ctx, m, styles, first))
	clipkit.Must(clipkit.Finetune(ctx, m, styles, clipkit.Must(clipkit.Recipe("emoji/pretrain-again")).Config))
	clipkit.Check(m.Save(*out, true))
	info := clipkit.Must(os.Stat(*out))
	fmt.Printf("%s: %d bytes\n", *out, info.Size())
}
