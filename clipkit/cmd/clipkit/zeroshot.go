package main

import (
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/zeroshot"

	"github.com/spf13/cobra"
)

// zeroshotFlags are those of zeroshot_evaluation.py, and the templates.
type zeroshotFlags struct {
	folder, labels, dataset string
	templates, templateSet  string
	index, saveDir          string
	skip                    skipFlags
	model                   modelFlags
	ranks                   rankFlags
}

func zeroshotCommand() *cobra.Command {
	var f zeroshotFlags
	c := &cobra.Command{
		Use:   "zeroshot [FOLDER]",
		Short: "Classify the pictures of class folders by their labels alone",
		Long: "Classify pictures by their labels alone, as the reference's zeroshot_evaluation.py does, with its last line and its file.\n" +
			"FOLDER has the pictures in class folders; or it is CIFAR-100's binary files, or \"emoji\", the embedded pictures.",
		Example: "  " + goRun + " zeroshot --resume ViT-B-16 datasets/cifar-100\n" +
			"  " + goRun + " zeroshot --datapath datasets/food-101/test --label-file datasets/food-101/label_cn.txt --dataset food-101 --save-dir save_predictions \\\n" +
			"      --templates cvinw_zeroshot_templates.py --resume clip_cn_vit-b-16.pt --vision-model ViT-B-16 --text-model RoBERTa-wwm-ext-base-chinese",
		SuggestFor: []string{"zeroshot_evaluation", "zeroshot_eval"},
		Args:       takes(0, 1, "one folder of pictures in classes, or \"emoji\""),
	}
	c.Flags().StringVar(&f.folder, "datapath", "", "`FOLDER`, where it is not the argument")
	c.Flags().StringVar(&f.labels, "label-file", "", "the classes' names, one a line; default the folder's label_cn.txt, else the folders' names")
	c.Flags().StringVar(&f.dataset, "dataset", "imagenet", "\"food-101\": chooses the templates and names the file of --save-dir")
	c.Flags().StringVar(&f.index, "index", "", "a `FILE` with the order of the predictions in that file")
	c.Flags().StringVar(&f.saveDir, "save-dir", "", "the `FOLDER` for ELEVATER's JSON, <dataset>.json; default: it is not written")
	c.Flags().StringVar(&f.templates, "templates", "", "the reference's cvinw_zeroshot_templates.py, or JSON; default our own 20")
	c.Flags().StringVar(&f.templateSet, "template-set", "", "which of its sets; default the one that the reference takes for --dataset")
	f.skip.add(c, ", as with --save-dir")
	f.model.add(c, "emoji", "")
	unused(c, "img-batch-size", 64, "batches are chosen here, and results do not depend on them")
	unused(c, "num-workers", 4, "pictures are decoded on all processors")
	f.ranks.add(c)
	say := debug(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		say()
		if len(args) == 1 && f.folder == "" {
			f.folder = args[0]
		} else if len(args) == 1 || f.folder == "" {
			return wrong("it takes one folder of pictures in classes, or \"emoji\"")
		}
		return f.ranks.run(c, f.model.device, func(w exchange.World) error { return f.run(c, w) })
	}
	return c
}

// run is the whole command on one rank of w. The first writes the file and the result.
func (f *zeroshotFlags) run(c *cobra.Command, w exchange.World) error {
	ctx := c.Context()
	if err := f.model.check(); err != nil {
		return err
	}
	if err := f.skip.check(); err != nil {
		return err
	}
	if f.index != "" && f.saveDir == "" {
		return wrong("--index orders the file of --save-dir, which is not given")
	}
	if f.templateSet != "" && f.templates == "" {
		return wrong("--template-set names a set in the file of --templates, which is not given")
	}
	set, err := zeroshot.Open(f.folder)
	if err := exchange.Agree(w, err); err != nil {
		return err
	}
	defer set.Close()
	o, order, err := f.options()
	if err := exchange.Agree(w, err); err != nil {
		return err
	}
	o.World, o.SkipBudget, o.Strict = w, f.skip.budget, f.skip.budget == 0
	f.model.world = w
	m, err := f.model.load(ctx)
	if err := exchange.Agree(w, err); err != nil {
		return err
	}
	defer m.Close()
	if f.saveDir != "" && w.Rank() == 0 {
		err = os.MkdirAll(f.saveDir, 0o777)
		o.Predictions = zeroshot.NewPredictions(f.dataset, m.Towers.Config)
	}
	if err := exchange.Agree(w, err); err != nil {
		return fmt.Errorf("zeroshot: %w", err)
	}
	z, err := clipkit.EvaluateZeroShot(ctx, m, set, o)
	if err == nil && w.Rank() == 0 {
		err = f.write(c, z, o.Predictions, order)
	}
	return exchange.Agree(w, err)
}

// options reads the files that the flags name. order is that of --index.
func (f *zeroshotFlags) options() (o zeroshot.Options, order []int, err error) {
	if f.labels != "" {
		if o.Labels, err = zeroshot.ReadLabels(f.labels); err != nil {
			return o, nil, err
		}
	}
	if f.templates != "" {
		if o.Templates, err = zeroshot.ReadTemplates(f.templates, f.templateSet, f.dataset); err != nil {
			return o, nil, err
		}
	}
	if f.index != "" {
		order, err = zeroshot.ReadOrder(f.index)
	}
	return o, order, err
}

func (f *zeroshotFlags) write(c *cobra.Command, z *zeroshot.Result, p *zeroshot.Predictions, order []int) error {
	if f.saveDir != "" {
		file := filepath.Join(f.saveDir, f.dataset+".json")
		if err := p.Save(file, order); err != nil {
			return err
		}
		fmt.Fprintln(c.OutOrStdout(), file)
	}
	fmt.Fprint(c.OutOrStdout(), z)
	fmt.Fprintln(c.OutOrStdout(), z.ReferenceLine())
	return nil
}
