// Command pretrain makes the small model that is compiled in, assets/small/emoji.safetensors.
//
//	python3 assets/generate/emoji.py    # draws datasets/emoji-styles and datasets/emoji-more: other drawing styles, not OpenMoji
//	go run ./assets/generate/pretrain   # three cycles from random weights, hours on 2 cores; continues when it was stopped
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
	from := flag.String("from", "", "what the first two cycles made, to begin with the third")
	flag.Parse()

	ctx := context.Background()
	var m *clipkit.Model
	if *from == "" {
		first := clipkit.Must(clipkit.Recipe("emoji/pretrain"))
		m = clipkit.Must(clipkit.New(ctx, "emoji", first.Config.Seed))
		cycle(ctx, m, "emoji/pretrain")
		cycle(ctx, m, "emoji/pretrain-again")
		*from = *out + ".two-cycles.safetensors" // in half precision, in which the third cycle met it
		clipkit.Check(m.Save(*from, true))
	}
	m = clipkit.Must(clipkit.Load(ctx, *from))
	cycle(ctx, m, "emoji/pretrain-more")
	clipkit.Check(m.Save(*out, true))
	info := clipkit.Must(os.Stat(*out))
	fmt.Printf("%s: %d bytes\n", *out, info.Size())
}

// cycle trains m by a recipe.
func cycle(ctx context.Context, m *clipkit.Model, name string) {
	r := clipkit.Must(clipkit.Recipe(name))
	data := clipkit.Must(clipkit.OpenDataset(ctx, r.Data))
	data.Valid = clipkit.Must(clipkit.OpenDataset(ctx, "emoji")).Valid
	clipkit.Must(clipkit.Finetune(ctx, m, data, r.Config))
}
