package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"clipnb/clipkit"
	"clipnb/clipkit/arch"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/recipe"
	"clipnb/clipkit/train"

	"github.com/spf13/cobra"
)

// trainFlags are those of the reference's training program, main.py, over a recipe or over the reference's own defaults.
type trainFlags struct {
	recipe               recipe.Recipe // without a name where none is given
	trainData, validData string
	logs                 string
	model                modelFlags // architecture and device alone
	openai, bert         string
	distillation         bool
	teacher              string
	memory               float64
	ranks                rankFlags
	config               configFlags
}

func trainCommand() *cobra.Command { return new(trainFlags).command() }

func (f *trainFlags) command() *cobra.Command {
	c := &cobra.Command{
		Use:   "train [RECIPE]",
		Short: "Train by a recipe, or by a command line of the reference; continue where it was interrupted",
		Long: "Train by a recipe (go doc clipnb/clipkit/recipe), by a command line of the reference's training program, or by a recipe with flags that change it.\n" +
			"Without a recipe the defaults are the reference's own for the model. The run lies in experiments/<name>, whatever --logs says: its log in the reference's format, metrics.jsonl,\n" +
			"checkpoints. The same line again continues it, Ctrl-C saves first.\n" +
			"Of the reference's --resume with both --reset flags the weights are where the run begins. --train-data and --teacher-model-name take what clipkit.OpenDataset and clipkit.Load take.",
		Example: "  " + goRun + " train emoji/finetune --name mine --max-epochs 1\n" +
			"  " + goRun + " train own/vit-b-16 --train-data my-pictures\n" +
			"  " + goRun + " train --train-data=datasets/MUGE/lmdb/train --val-data=datasets/MUGE/lmdb/valid --resume=clip_cn_vit-b-16.pt --reset-data-offset --reset-optimizer \\\n" +
			"      --name=muge --context-length=52 --warmup=100 --batch-size=128 --lr=5e-5 --wd=0.001 --max-epochs=3 --vision-model=ViT-B-16 --use-augment",
		SuggestFor: []string{"finetune", "main", "main.py"},
		Args:       takes(0, 1, "at most one recipe"),
	}
	flags := c.Flags()
	flags.StringVar(&f.trainData, "train-data", "", "the LMDB `FOLDER` of the training split, or a data set (with its valid split); default the recipe's")
	flags.StringVar(&f.validData, "val-data", "", "the LMDB `FOLDER` of the validation split; without it a split of --train-data alone is not validated")
	f.model.addTowers(c)
	flags.StringVar(&f.openai, "clip-weight-path", "", "begin with the vision tower in this `FILE` of an OpenAI CLIP")
	flags.StringVar(&f.bert, "bert-weight-path", "", "begin with the text tower in this `FILE` of a BERT")
	flags.BoolVar(&f.distillation, "distillation", false, "draw picture features to those of --teacher-model-name")
	flags.StringVar(&f.teacher, "teacher-model-name", "", "the teacher `MODEL`, which sees pictures of the same resolution")
	f.config.add(c)
	f.model.addDevice(c)
	f.ranks.add(c)
	flags.Float64Var(&f.memory, "memory-limit", 0, "refuse what needs more than so many `GB`, instead of what is free; below 0 starts anything")
	flags.StringVar(&f.logs, "logs", "", "accepted and not used: runs lie under experiments/, where all commands and notebooks look for them")
	flags.String("dist-backend", "", "accepted and not used: processes talk over MPI")
	flags.Bool("report-training-batch-acc", false, "accepted and not used: the accuracies are always reported")
	flags.Bool("use-flash-attention", false, "accepted and not used: the engine fuses attention by itself; FlashAttention's checkpoints load")
	unused(c, "valid-num-workers", 1, "validation uses all processors")
	unused(c, "local_rank", 0, "the launcher tells the rank")
	say := debug(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		say()
		if len(args) == 1 {
			var err error
			if f.recipe, err = clipkit.Recipe(args[0]); err != nil {
				return usageError{err}
			}
		}
		return f.run(c)
	}
	return c
}

func (f *trainFlags) run(c *cobra.Command) error {
	if err := f.check(); err != nil {
		return err
	}
	return f.ranks.run(c, f.model.device, func(w exchange.World) error {
		dir, err := f.train(c.Context(), w)
		if err == nil && w.Rank() == 0 {
			fmt.Fprintln(c.OutOrStdout(), dir)
		}
		return err
	})
}

// train opens everything and trains; a rank of several takes its share.
func (f *trainFlags) train(ctx context.Context, w exchange.World) (dir string, err error) {
	j, err := f.open(ctx, w)
	defer j.close()
	if err := exchange.Agree(w, err); err != nil {
		return "", err
	}
	run, err := clipkit.Finetune(ctx, j.model, j.data, j.settings, j.options...)
	if err != nil {
		return "", err
	}
	return run.Dir, nil
}

// trainJob is all that Finetune takes.
type trainJob struct {
	model, teacher *clipkit.Model
	data           *dataset.Dataset
	settings       train.Config
	options        []clipkit.Option
}

func (j trainJob) close() {
	for _, m := range []*clipkit.Model{j.model, j.teacher} {
		if m != nil {
			m.Close()
		}
	}
	if j.data != nil {
		j.data.Close()
	}
}

// open opens what the run needs. On a rank of several it takes the rank's own device.
func (f *trainFlags) open(ctx context.Context, w exchange.World) (j trainJob, err error) {
	on := []clipkit.Option{clipkit.On(f.model.device)}
	if w.Size() > 1 {
		on, j.options = append(on, clipkit.Ranks(w)), append(j.options, clipkit.Ranks(w))
	} else {
		j.options = append(j.options, clipkit.Processes(f.ranks.processes))
	}
	j.options = append(j.options, clipkit.MemoryLimit(int64(f.memory*1e9)))
	if j.data, err = f.openData(ctx); err != nil {
		return j, err
	}
	if j.model, j.settings, err = f.loadModel(ctx, on); err != nil || f.teacher == "" {
		return j, err
	}
	j.teacher, err = clipkit.Load(ctx, f.teacher, on...)
	if errors.Is(err, clipkit.ErrNoModel) && strings.HasPrefix(f.teacher, "damo/") {
		err = fmt.Errorf("ModelScope's models do not load: take one that Load opens, for pictures of %d pixels, such as ViT-L-14 (%w)", j.model.Towers.Config.ImageResolution, err)
	}
	if err != nil {
		return j, fmt.Errorf("--teacher-model-name: %w", err)
	}
	j.options = append(j.options, clipkit.Teacher(j.teacher))
	return j, nil
}

// check refuses what the command line alone shows to be wrong.
func (f *trainFlags) check() error {
	switch {
	case f.recipe.Name == "" && f.trainData == "":
		return wrong("it takes a recipe or --train-data; recipes: %s", strings.Join(recipeNames(), ", "))
	case f.recipe.Data == "" && f.trainData == "":
		return wrong("recipe %s is for pictures of your own: it takes --train-data", f.recipe.Name)
	case f.distillation != (f.teacher != ""):
		return wrong("--distillation and --teacher-model-name go together")
	}
	_, err := f.model.towers()
	return err
}

func recipeNames() (names []string) {
	for _, r := range recipe.All() {
		names = append(names, r.Name)
	}
	return names
}

// settings are the recipe's, or the reference's for the model, changed by --config and flags.
func (f *trainFlags) settings(model arch.Config) (train.Config, error) {
	cfg := f.recipe.Config
	if f.recipe.Name == "" {
		cfg = train.Default(model)
	}
	cfg, err := f.config.over(cfg)
	if f.distillation && cfg.KDLossWeight == 0 {
		cfg.KDLossWeight = 0.5
	}
	return cfg, err
}

// loadModel gives the model that the run begins with, and the settings: --resume's, the recipe's, or one made of --clip-weight-path,
// --bert-weight-path and random numbers.
func (f *trainFlags) loadModel(ctx context.Context, options []clipkit.Option) (*clipkit.Model, train.Config, error) {
	as, err := f.model.towers()
	if err != nil {
		return nil, train.Config{}, err
	}
	architecture := cmp.Or(f.recipe.Architecture, "ViT-B-16")
	if len(as) == 1 {
		architecture = as[0]
	}
	known, err := arch.Lookup(architecture)
	if err != nil {
		return nil, train.Config{}, err
	}
	cfg, err := f.settings(known)
	if err != nil {
		return nil, cfg, err
	}
	initial := f.openai != "" || f.bert != ""
	weights := cfg.Resume
	if weights == "" && !initial {
		weights = f.recipe.Weights
	}
	switch {
	case weights != "" && initial:
		return nil, cfg, wrong("--clip-weight-path and --bert-weight-path are for training from scratch, without --resume")
	case weights == "" && len(as) > 1:
		return nil, cfg, wrong("--resume is needed with configuration files: models that begin at random are %s", strings.Join(arch.Names(), ", "))
	case weights == "":
		m, err := clipkit.NewFrom(ctx, architecture, f.openai, f.bert, cfg.Seed, options...)
		return m, cfg, err
	case as != nil:
		options = append(options, clipkit.As(as...))
	}
	m, err := clipkit.Load(ctx, weights, options...)
	if err != nil {
		return nil, cfg, err
	}
	if cfg, err = f.settings(m.Towers.Config); err == nil {
		err = onlyWeights(&cfg)
	}
	if err != nil {
		m.Close()
	}
	return m, cfg, err
}

// onlyWeights takes resume out of the settings where it gives no more than the weights, which the model has already: with both resets, and of a
// model that is no file and no run. Another run is a path from here on.
func onlyWeights(cfg *train.Config) error {
	if cfg.Resume == "" {
		return nil
	}
	for _, path := range []string{cfg.Resume, filepath.Join(repo.Experiments(), cfg.Resume)} {
		if _, err := os.Stat(path); err == nil && !(cfg.ResetOptimizer && cfg.ResetDataOffset) {
			cfg.Resume, err = filepath.Abs(path)
			return err
		}
	}
	cfg.Resume, cfg.ResetOptimizer, cfg.ResetDataOffset = "", false, false
	return nil
}

// openData opens the recipe's data set, or what --train-data and --val-data name.
func (f *trainFlags) openData(ctx context.Context) (data *dataset.Dataset, err error) {
	dir := repo.Find(f.trainData)
	switch {
	case f.trainData == "":
		data, err = clipkit.OpenFor(ctx, f.recipe)
	case isLMDB(dir):
		data = &dataset.Dataset{Name: filepath.Base(filepath.Dir(filepath.Dir(dir)))}
		data.Train, err = openLMDBSplit(dir)
	default:
		data, err = clipkit.OpenDataset(ctx, f.trainData)
	}
	if err != nil || f.validData == "" {
		return data, err
	}
	if data.Valid != nil {
		data.Valid.Close()
	}
	if dir = repo.Find(f.validData); isLMDB(dir) {
		data.Valid, err = openLMDBSplit(dir)
	} else {
		data.Valid, err = dataset.Location{Path: dir, Split: "valid"}.Open()
	}
	if err != nil {
		data.Valid = nil
		return nil, errors.Join(err, data.Close())
	}
	return data, nil
}

func isLMDB(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "imgs"))
	return err == nil
}

// openLMDBSplit opens FOLDER/lmdb/<split>, with the captions of FOLDER/<split>_texts.jsonl where that is there.
func openLMDBSplit(dir string) (dataset.Source, error) {
	root, split := filepath.Dir(filepath.Dir(dir)), filepath.Base(dir)
	texts := filepath.Join(root, split+"_texts.jsonl")
	if _, err := os.Stat(texts); err != nil {
		texts = ""
	}
	return dataset.OpenLMDB(filepath.Base(root)+"/"+split, dir, texts)
}
