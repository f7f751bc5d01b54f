// Command pretrain makes the small model that is compiled in, assets/small/emoji.safetensors.
//
//	python3 assets/generate/emoji.py    # draws datasets/emoji-styles, -more, -words, -lines, -hands, -turned and -owned: other drawing styles, not OpenMoji
//	go run ./assets/generate/pretrain   # nine cycles from random weights, hours on 2 cores; continues when it was stopped
//
// A stage's end is kept as experiments/NAME.safetensors; with such a file, that of an earlier checkout say, the next stage begins there. (The first five cycles
// of the committed model had a block in each part of the trunk; the blocks that there are now were added before the sixth, grow.go.) The last cycle begins in
// the middle between the ends of the two before it (mean.go). What is written at the end is the last of them, centred (centre.go).
// OpenMoji's valid split (another style, no pictures shared) is evaluated on the way; the test split never ("go run ./assets/generate/measure" does).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit"
	"clipnb/clipkit/recipe"
)

// stages are cycles of training. The first two were made before a stage's end was kept.
var stages = [][]string{
	{"emoji/pretrain", "emoji/pretrain-again"}, {"emoji/pretrain-more"}, {"emoji/pretrain-words"}, {"emoji/pretrain-lines"},
	{"emoji/pretrain-hands"}, {"emoji/pretrain-hands-again"}, {"emoji/pretrain-turned"}, {"emoji/pretrain-owned"},
}

func main() {
	out := flag.String("out", filepath.Join("assets", "small", "emoji.safetensors"), "file to write")
	flag.Parse()

	ctx := context.Background()
	done := len(stages) // those before the latest that is kept are not made again
	for done > 0 && !exists(kept(done-1)) {
		done--
	}
	m := clipkit.Must(clipkit.New(ctx, "emoji", clipkit.Must(clipkit.Recipe("emoji/pretrain")).Config.Seed))
	if done > 0 {
		m = grown(ctx, m, kept(done-1))
	}
	for i := done; i < len(stages); i++ {
		if last(i).Weights == "emoji-pretrain-mean" {
			m = averaged(ctx, kept(i-2), kept(i-1))
		}
		for _, name := range stages[i] {
			cycle(ctx, m, name)
		}
		clipkit.Check(m.Save(kept(i), true))
		m = clipkit.Must(clipkit.Load(ctx, kept(i))) // in half precision, as the next stage meets it
	}
	m = centred(ctx, m, clipkit.Must(clipkit.OpenDataset(ctx, last(len(stages)-1).Data)).Train, kept(len(stages)-1))
	clipkit.Check(m.Save(*out, true))
	info := clipkit.Must(os.Stat(*out))
	fmt.Printf("%s: %d bytes\n", *out, info.Size())
}

// last is the last recipe of a stage.
func last(stage int) recipe.Recipe {
	names := stages[stage]
	return clipkit.Must(clipkit.Recipe(names[len(names)-1]))
}

// kept is the file of a stage's end.
func kept(stage int) string {
	return filepath.Join("experiments", last(stage).Config.Name+".safetensors")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// cycle trains m by a recipe.
func cycle(ctx context.Context, m *clipkit.Model, name string) {
	r := clipkit.Must(clipkit.Recipe(name))
	data := clipkit.Must(clipkit.OpenDataset(ctx, r.Data))
	data.Valid = clipkit.Must(clipkit.OpenDataset(ctx, "emoji")).Valid
	clipkit.Must(clipkit.Finetune(ctx, m, data, r.Config))
}
