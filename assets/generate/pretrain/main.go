// Command pretrain makes the small model that is compiled in, assets/small/emoji.safetensors.
//
//	python3 assets/generate/emoji.py    # draws datasets/emoji-styles and datasets/emoji-more: other drawing styles, not OpenMoji
//	go run ./assets/generate/pretrain   # four cycles from random weights, hours on 2 cores; continues when it was stopped
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

// stages are cycles of training. The first two were made before a stage's end was kept.
var stages = [][]string{{"emoji/pretrain", "emoji/pretrain-again"}, {"emoji/pretrain-more"}, {"emoji/pretrain-last"}}

func main() {
	out := flag.String("out", filepath.Join("assets", "small", "emoji.safetensors"), "file to write")
	flag.Parse()

	ctx := context.Background()
	first := clipkit.Must(clipkit.Recipe("emoji/pretrain"))
	m := clipkit.Must(clipkit.New(ctx, "emoji", first.Config.Seed))
	for _, stage := range stages {
		last := clipkit.Must(clipkit.Recipe(stage[len(stage)-1])).Config.Name
		kept := filepath.Join("experiments", last+".safetensors") // in half precision, in which the next stage meets it
		if _, err := os.Stat(kept); err != nil {
			for _, name := range stage {
				cycle(ctx, m, name)
			}
			clipkit.Check(m.Save(kept, true))
		}
		m = clipkit.Must(clipkit.Load(ctx, kept))
	}
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
