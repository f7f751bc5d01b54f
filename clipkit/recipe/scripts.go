package recipe

import (
	"fmt"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/train"
)

// Pairs of train splits.
const (
	mugePairs   = 250_314
	flickrPairs = 148_915
	emojiPairs  = 6_010
	stylesPairs = 41_325
	morePairs   = 302_093
	wordsPairs  = 158_770
	linesPairs  = 241_699
	handsPairs  = 327_136
	ownedPairs  = 313_897
)

// All are all recipes. Each of their numbers has a source.
func All() []Recipe {
	var all []Recipe
	for _, group := range [][]Recipe{emojiRecipes(), ownRecipes(), ModelZooScripts(), referenceRecipes()} {
		all = append(all, group...)
	}
	for i := range all {
		r := &all[i]
		if r.Config.Name == "" {
			r.Config.Name = strings.ReplaceAll(r.Name, "/", "-")
		}
		if r.Pairs == flickrPairs {
			r.Notes = append(r.Notes, "that train has five captions for each of 29,783 pictures is what the documents imply, not counted")
		}
	}
	return all
}

// script has what the scripts of the reference and of the ModelZoo share. They validate at each epoch's end and print every step.
func script(architecture string, batch, devices int) train.Config {
	cfg, _ := arch.Lookup(architecture) // names of this file, which a test looks up
	c := train.Default(cfg)
	c.Name, c.BatchSize, c.AccumFreq, c.MaxEpochs = "", batch, 1, 3
	if devices > 1 {
		c.WorldSize = devices
	}
	c.LR, c.WeightDecay, c.Warmup = 5e-5, 0.001, 100
	c.Augment = "reference"
	c.LogInterval, c.ValidBatchSize = 1, batch
	return c
}

// published is what the reference reports of a model on a set, to compare a recipe with. Its authors give no script with the results after
// finetuning: batch and learning rate may be others.
func published(set, model string, finetuned bool) Reach {
	rows, _ := PublishedOn(set) // names of this file, which a test looks up
	for _, row := range rows {
		switch {
		case row.Model != model:
		case finetuned:
			split := map[string]string{"MUGE": "MUGE valid", "Flickr30k-CN": "Flickr30K-CN test", "COCO-CN": "COCO-CN test"}[set]
			return Reach{"to compare, published, " + split + ", finetuned with settings of their own", row.Finetuned.TextToImage, row.Finetuned.ImageToText, publishedIn}
		default:
			return Reach{"to compare, published, before finetuning", row.ZeroShot.TextToImage, row.ZeroShot.ImageToText, publishedIn}
		}
	}
	return Reach{}
}

const publishedIn = "Results.md of Chinese-CLIP"

// ModelZooScripts are the ModelZoo's eight training scripts, test/flickr30k_finetune_*.sh.
func ModelZooScripts() []Recipe {
	var out []Recipe
	for _, m := range []struct {
		architecture, file, row string
		note                    string
	}{
		{"ViT-B-16", "vit-b-16_rbt-base", "vit-b", ""},
		{"ViT-H-14", "vit-h-14_rbt-large", "vit-h",
			"the ModelZoo's text→image R@5 is 1.7 points below the published one: a step compares 256 pairs, at the learning rate for many more"},
	} {
		speed, table, batch := modelZooFigures(m.row)
		for _, devices := range []int{1, 8} {
			for _, what := range []string{"full", "performance"} {
				r := Recipe{
					Name: "flickr30k/" + strings.ToLower(m.architecture) + "/" + what, Config: script(m.architecture, batch, devices),
					Architecture: m.architecture, Weights: m.architecture, Data: "Flickr30k-CN", Pairs: flickrPairs, Devices: devices,
				}
				file := "test/flickr30k_finetune_" + m.file + "_" + what + "_1p.sh"
				if devices == 8 {
					r.Name += "-8p"
					r.Speed = speed
					file = strings.Replace(file, "_1p", "_8p", 1)
				} else {
					r.Notes = append(r.Notes, "the script keeps the learning rate of eight devices, which is high for one: it may end lower than 8p, and no result is published")
				}
				r.Source = file + " of the ModelZoo"
				if what == "performance" {
					r.Config.MaxEpochs = 1
					r.Notes = append(r.Notes, "differs from full in its epochs alone; it is for the speed, and no accuracy is published")
				} else if devices == 8 {
					r.Reaches = append(r.Reaches, table...)
				}
				r.Reaches = append(r.Reaches, published("Flickr30k-CN", m.architecture, true), published("Flickr30k-CN", m.architecture, false))
				if m.note != "" && devices == 8 && what == "full" {
					r.Notes = append(r.Notes, m.note)
				}
				out = append(out, r)
			}
		}
	}
	return out
}

// modelZooFigures are a model's rows of the ModelZoo's table: its speed in words, its results, and the pairs of one device's batch.
func modelZooFigures(model string) (speed string, table []Reach, batch int) {
	var fps []float64
	for _, row := range ModelZoo() {
		if row.Model != model {
			continue
		}
		whose := "the ModelZoo, 8 NPUs, 3 epochs, Flickr30K-CN test"
		if len(fps) > 0 {
			whose = "the ModelZoo, 8 of a competitor, the same"
		}
		table = append(table, Reach{whose, row.R5.TextToImage, row.R5.ImageToText, "the ModelZoo's results table, its columns put right"})
		fps, batch = append(fps, row.FPS), row.Batch
	}
	return fmt.Sprintf("%.0f pairs/s on 8 NPUs, %.0f on 8 of a competitor (the ModelZoo's table); not measured here", fps[0], fps[1]), table, batch
}

// referenceRecipes are the reference's run_scripts/*.sh and its notebook, all of ViT-B-16.
func referenceRecipes() []Recipe {
	run := func(name, file, data string, pairs, batch int, reaches ...Reach) Recipe {
		r := Recipe{
			Name: name, Config: script("ViT-B-16", batch, 8), Architecture: "ViT-B-16", Weights: "ViT-B-16", Data: data, Pairs: pairs, Devices: 8,
			Source: "run_scripts/" + file + ".sh of Chinese-CLIP", Reaches: reaches,
		}
		r.Config.ValidBatchSize, r.Config.ValidStepInterval = 128, 150
		return r
	}
	muge := run("muge/vit-b-16", "muge_finetune_vit-b-16_rbt-base", "MUGE", mugePairs, 128, published("MUGE", "ViT-B-16", true), published("MUGE", "ViT-B-16", false))

	mugeFlip := run("muge/vit-b-16/flip", "muge_finetune_vit-b-16_rbt-base_flip", "MUGE", mugePairs, 128, published("MUGE", "ViT-B-16", false))
	mugeFlip.Config.MaskRatio = 0.5
	mugeFlip.Notes = []string{"published for ViT-H-14 with more data (Chinese-CLIP, pull request 26): mean recall 82.25 on test with masks, 81.71 without, in 5.5 h instead of 14"}

	flash := run("muge/vit-b-16/flashattn", "muge_finetune_vit-b-16_rbt-base_flashattn", "MUGE", mugePairs, 128, published("MUGE", "ViT-B-16", true), published("MUGE", "ViT-B-16", false))
	flash.Notes = []string{"the same settings as muge/vit-b-16: the engine fuses attention by itself, there is no switch; FlashAttention's checkpoints load"}

	distil := run("muge/vit-b-16/distillation", "muge_finetune_vit-b-16_rbt-base_distillation", "MUGE", mugePairs, 128, published("MUGE", "ViT-B-16", false))
	distil.Config.KDLossWeight = 0.5
	distil.Notes = []string{"needs a teacher: Finetune(…, clipkit.Teacher(other)), any model that Load opens for pictures of 224 pixels, such as ViT-L-14. " +
		"The script's own, damo/multi-modal_team-vit-large-patch14_multi-modal-similarity, is of another kind and does not load",
		"its purpose is to find pictures by pictures; no result is published"}

	notebook := run("muge/vit-b-16/notebook", "", "MUGE", mugePairs, 48,
		Reach{What: "published, MUGE valid, of this very run", TextToImage: experiment.Recall{R1: 56.869, R5: 81.210, R10: 87.919, Mean: 75.333}, Source: "Chinese-CLIP-on-MUGE-Retrieval.ipynb"}, published("MUGE", "ViT-B-16", false))
	notebook.Source, notebook.Devices = "Chinese-CLIP-on-MUGE-Retrieval.ipynb, the notebook of Chinese-CLIP", 1
	notebook.Speed = "133 pairs/s on one V100, 40 minutes (published); not measured here"
	n := &notebook.Config
	n.WorldSize, n.MaxEpochs, n.LR, n.Recompute, n.LogInterval, n.ValidBatchSize, n.ValidStepInterval = 0, 1, 3e-6, true, 10, 48, 1000

	flickr := run("flickr30k/vit-b-16", "flickr30k_finetune_vit-b-16_rbt-base", "Flickr30k-CN", flickrPairs, 128, published("Flickr30k-CN", "ViT-B-16", true), published("Flickr30k-CN", "ViT-B-16", false))
	flickrFlip := run("flickr30k/vit-b-16/flip", "flickr30k_finetune_vit-b-16_rbt-base_flip", "Flickr30k-CN", flickrPairs, 128, published("Flickr30k-CN", "ViT-B-16", false))
	flickrFlip.Config.MaskRatio = 0.5

	coco := run("coco-cn/vit-b-16", "coco-cn_finetune_vit-b-16_rbt-base", "COCO-CN", 0, 1024, published("COCO-CN", "ViT-B-16", true), published("COCO-CN", "ViT-B-16", false))
	coco.Config.LR, coco.Config.Warmup, coco.Config.MaxEpochs, coco.Config.ValidStepInterval, coco.Config.Recompute = 3e-5, 6, 20, 0, true
	coco.Notes = []string{"a step is a large part of the set: the last one of an epoch is filled up with the epoch's first pairs; look at the number of steps before you compare"}

	return []Recipe{muge, mugeFlip, flash, distil, notebook, flickr, flickrFlip, coco}
}
