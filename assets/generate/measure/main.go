// Command measure prints what README.md and the recipes say of a small model: recall before and after the quickstart's finetuning, everyday words whose
// first picture is right, and names given without finetuning.
//
//	go run ./assets/generate/measure -valid emoji-pretrain                  # while it is tuned: the valid split alone, before finetuning
//	go run ./assets/generate/measure -valid -typed datasets/emoji-words emoji    # also: other words, so that the sixty are not tuned on
//	go run ./assets/generate/measure -seeds 123,124,125 emoji               # once, at the end: the test split; about eight minutes on 2 cores
//
// A model is whatever clipkit.Load opens. Finetuned models are kept under experiments/measure-….
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/joined"
	"clipnb/clipkit/everyday"
	"clipnb/clipkit/zeroshot"
)

// figures are recalls text→image and image→text at 1, 5 and 10, and the number of everyday words that are right.
type figures [7]float64

func (f figures) String() string {
	return fmt.Sprintf("%.1f / %.1f / %.1f | %.1f / %.1f / %.1f | %g words", f[0], f[1], f[2], f[3], f[4], f[5], f[6])
}

func main() {
	valid := flag.Bool("valid", false, "measure on the valid split, not on test")
	seeds := flag.String("seeds", "", "finetune with each of these seeds, and measure again")
	typed := flag.String("typed", "", "count right first pictures of other words, too: short captions of this folder")
	flag.Parse()
	ctx := context.Background()
	data := clipkit.Must(clipkit.OpenDataset(ctx, "emoji"))
	split := data.Test
	if *valid {
		split = data.Valid
	}
	for _, name := range flag.Args() {
		m := clipkit.Must(clipkit.Load(ctx, name))
		pictures := index(ctx, m, data)
		fmt.Println(name, split.Name(), "before", measure(ctx, m, pictures, split))
		if *typed != "" {
			right, of := others(ctx, pictures, *typed)
			fmt.Printf("%s: %d of %d other words, %.1f %%\n", name, right, of, 100*float64(right)/float64(of))
		}
		if !*valid {
			z := clipkit.Must(clipkit.EvaluateZeroShot(ctx, m, clipkit.Must(zeroshot.Open("emoji")), zeroshot.Options{}))
			fmt.Printf("%s zero-shot, 500 names: top-1 %.1f, top-5 %.1f\n", name, z.Top1(), z.Top5())
		}
		var all []figures
		for _, text := range strings.FieldsFunc(*seeds, func(r rune) bool { return r == ',' }) {
			cfg := clipkit.Must(clipkit.Recipe("emoji/finetune")).Config
			cfg.Seed = clipkit.Must(strconv.ParseUint(text, 10, 64))
			cfg.Name = fmt.Sprintf("measure-%s-%d", filepath.Base(name), cfg.Seed)
			tuned := clipkit.Must(clipkit.Load(ctx, name))
			clipkit.Must(clipkit.Finetune(ctx, tuned, data, cfg))
			all = append(all, measure(ctx, tuned, index(ctx, tuned, data), split))
			fmt.Println(name, split.Name(), "after, seed", cfg.Seed, all[len(all)-1])
		}
		if len(all) > 1 {
			mean, spread := summary(all)
			fmt.Printf("%s %s after, mean of %d seeds %v\nhighest − lowest %v\n", name, split.Name(), len(all), mean, spread)
		}
	}
}

// others counts the words of a folder made by emoji.py that find a right picture first. The last four digits of a picture's id are its emoji there and in
// the emoji set.
func others(ctx context.Context, pictures *clipkit.Index, folder string) (right, of int) {
	sixty := clipkit.Must(everyday.Words())
	for _, t := range clipkit.Must(clipkit.OpenDataset(ctx, folder)).Train.Texts() {
		if utf8.RuneCountInString(t.Text) > 4 || t.ID%4 != 0 || slices.ContainsFunc(sixty, func(w everyday.Word) bool { return w.Text == t.Text }) {
			continue
		}
		of++
		first := clipkit.Must(pictures.SearchText(ctx, t.Text, 1))[0].ImageID
		if slices.ContainsFunc(t.ImageIDs, func(id int64) bool { return id%10000 == first%10000 }) {
			right++
		}
	}
	return right, of
}

// index is of all pictures of the emoji set.
func index(ctx context.Context, m *clipkit.Model, data *dataset.Dataset) *clipkit.Index {
	return clipkit.Must(clipkit.BuildIndex(ctx, m, clipkit.Must(joined.Of("emoji", data.Train, data.Valid, data.Test))))
}

func measure(ctx context.Context, m *clipkit.Model, pictures *clipkit.Index, split dataset.Source) figures {
	r := clipkit.Must(clipkit.EvaluateRetrieval(ctx, m, split))
	answers := clipkit.Must(everyday.Ask(ctx, pictures, clipkit.Must(everyday.Words())))
	fmt.Println(answers)
	t, i := r.TextToImage, r.ImageToText
	return figures{t.R1, t.R5, t.R10, i.R1, i.R5, i.R10, float64(answers.Right())}
}

func summary(all []figures) (mean, spread figures) {
	for k := range mean {
		of := func(a, b figures) int { return cmp.Compare(a[k], b[k]) }
		spread[k] = slices.MaxFunc(all, of)[k] - slices.MinFunc(all, of)[k]
		for _, f := range all {
			mean[k] += f[k] / float64(len(all))
		}
	}
	mean[6] = math.Round(10*mean[6]) / 10
	return mean, spread
}
