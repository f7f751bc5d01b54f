// Package byname opens the weights that a name means: a published model, a file, a run or one of its checkpoints, an export, the model that is compiled in.
//
//	w, err := byname.Open(ctx, "quickstart/best", nil, say)
//	defer w.Close()
//	w.File, w.Config                                    // tensors, and the architecture they are for
//	w.Export                                            // "deploy": the folder of an export (package deploy), which has no File
package byname

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"clipnb/assets"
	"clipnb/clipkit/arch"
	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/deploy"
	"clipnb/clipkit/internal/nearest"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/train"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/hub"
)

// ErrNoModel is wrapped when a name is neither a model's name nor a place where one lies.
var ErrNoModel = errors.New("no such model")

// kinds of names, asked in this order; the first that knows the name opens it.
var kinds = []struct {
	what string
	open func(ctx context.Context, name string, as []string, say func(string)) (*Weights, error) // nil: it is none of these
}{
	{`"emoji", the small model that is compiled in`, openEmbedded},
	{"a published model (" + strings.Join(hub.Published(), ", ") + ")", openPublished},
	{`the best checkpoint of a run ("quickstart/best")`, openBest},
	{"a file of weights (.pt, .safetensors)", openFile},
	{"a folder of transformers", openTransformers},
	{"a folder of exported files", openExport},
	{"a run under experiments/, or one of its checkpoints", openRun},
}

// Weights are an open file of weights, the architecture that is in it, and what the model is called.
type Weights struct {
	File   *weights.File
	Config arch.Config
	Export string // a folder of exported files, where there is no File

	Name   string // shown to people
	Source string // where it came from
	Again  string // what Open takes to open it once more, in any working directory
}

// Close closes the file.
func (w *Weights) Close() {
	if w.File != nil {
		w.File.Close()
	}
}

// Open turns a name into open weights. as, where given, says of which architecture: a name, or the reference's configuration files. say is told
// what a person should know.
func Open(ctx context.Context, name string, as []string, say func(string)) (*Weights, error) {
	var known arch.Config
	var err error
	if len(as) > 0 {
		if known, err = architecture(as); err != nil {
			return nil, err
		}
	}
	var not []string
	for _, r := range kinds {
		found, err := r.open(ctx, name, as, say)
		if err != nil {
			return nil, err
		}
		if found == nil {
			not = append(not, r.what)
			continue
		}
		if len(as) > 0 {
			found.Config = known
		}
		return found, nil
	}
	names := append(append(repo.Runs(), "emoji"), hub.Published()...)
	return nil, fmt.Errorf("%w%s: it is not %s; runs are looked for in %s", ErrNoModel, nearest.Hint(name, names), strings.Join(not, ", nor "), repo.Experiments())
}

func openEmbedded(_ context.Context, name string, _ []string, _ func(string)) (*Weights, error) {
	if name != "emoji" {
		return nil, nil
	}
	file, err := assets.SmallModel()
	if err != nil {
		return nil, err
	}
	f, err := weights.Parse("emoji (embedded)", file)
	if err != nil {
		return nil, err
	}
	cfg, err := weights.Architecture(f)
	return &Weights{File: f, Config: cfg, Name: "emoji", Source: "emoji (embedded)", Again: "emoji"}, err
}

// openPublished finds or fetches a published model's weights, with a progress bar.
func openPublished(ctx context.Context, name string, as []string, say func(string)) (*Weights, error) {
	if _, err := hub.FindRelease(name); err != nil {
		return nil, nil
	}
	bar := progress.Bytes(os.Stderr, "downloading "+name)
	defer bar.Finish()
	path, err := hub.Locate(ctx, name, hub.Options{Folder: repo.Weights(), Progress: bar.Set, Say: progress.Say})
	if err != nil {
		return nil, err
	}
	found, err := openFile(ctx, path, as, say)
	if found != nil {
		found.Name = name
	}
	return found, err
}

func openFile(_ context.Context, path string, as []string, _ func(string)) (found *Weights, err error) {
	if !isFile(path) {
		return nil, nil
	}
	found = &Weights{Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), Source: path}
	if found.Again, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if len(as) > 0 {
		found.File, err = weights.Open(path)
	} else {
		found.File, found.Config, err = weights.OpenModel(path)
	}
	return found, err
}

func openTransformers(_ context.Context, name string, _ []string, _ func(string)) (found *Weights, err error) {
	path := folderOf(name)
	if path == "" || !isFile(filepath.Join(path, "config.json")) || isDir(filepath.Join(path, "checkpoints")) {
		return nil, nil
	}
	found = &Weights{Name: filepath.Base(path), Source: path}
	if found.Again, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	found.File, found.Config, err = weights.OpenModel(path)
	return found, err
}

// openExport names the folder of an export; package deploy opens it.
func openExport(_ context.Context, name string, as []string, _ func(string)) (found *Weights, err error) {
	path := folderOf(name)
	if path == "" || !deploy.IsFolder(path) {
		return nil, nil
	}
	if len(as) > 0 {
		return nil, fmt.Errorf("%s is an export and says itself what model it is: load it without naming an architecture", path)
	}
	list, err := deploy.ReadManifest(path)
	if err != nil {
		return nil, err
	}
	found = &Weights{Export: path, Config: list.Config, Name: list.Model.Name, Source: path}
	found.Again, err = filepath.Abs(path)
	return found, err
}

// openRun opens one checkpoint, or the newest whole one of a run.
func openRun(_ context.Context, name string, _ []string, say func(string)) (*Weights, error) {
	path := folderOf(name)
	if path == "" {
		return nil, nil
	}
	c, err := checkpoint.Find(path, say)
	if err != nil {
		return nil, err
	}
	return openedCheckpoint(c)
}

// openBest opens the checkpoint of a run with the best validation. "<run>/best" is the name of no file: the checkpoints of that kind lie in
// <run>/checkpoints/best.
func openBest(_ context.Context, name string, _ []string, say func(string)) (*Weights, error) {
	for _, path := range []string{name, filepath.Join(repo.Experiments(), name)} {
		run := filepath.Dir(path)
		if filepath.Base(path) != "best" || isDir(path) || !isDir(filepath.Join(run, "checkpoints")) {
			continue
		}
		best, err := train.BestCheckpoint(run, say)
		if err != nil {
			return nil, fmt.Errorf("%w: it keeps its best where best_metric is set", err)
		}
		c, err := checkpoint.Open(best)
		if err != nil {
			return nil, err
		}
		return openedCheckpoint(c)
	}
	return nil, nil
}

// openedCheckpoint leaves only the model of a checkpoint open, and calls it by its run's name.
func openedCheckpoint(c *checkpoint.Checkpoint) (*Weights, error) {
	found := &Weights{File: c.Model, Config: c.State.Arch, Name: filepath.Base(c.Path), Source: c.Path}
	for dir := filepath.Dir(c.Path); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if filepath.Base(dir) == "checkpoints" {
			found.Name = filepath.Base(filepath.Dir(dir))
		}
	}
	var err error
	found.Again, err = filepath.Abs(c.Path)
	return found, errors.Join(err, c.Optimizer.Close())
}

// folderOf is the folder that a name means: a path, else a run under experiments/; "" where neither is one.
func folderOf(name string) string {
	for _, path := range []string{name, filepath.Join(repo.Experiments(), name)} {
		if isDir(path) {
			return path
		}
	}
	return ""
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// architecture is what As names.
func architecture(nameOrFiles []string) (arch.Config, error) {
	if len(nameOrFiles) == 1 {
		if cfg, err := arch.Lookup(nameOrFiles[0]); err == nil {
			return cfg, nil
		}
	}
	var files [][]byte
	for _, path := range nameOrFiles {
		b, err := regular.ReadFile(path, 16<<20)
		if err != nil {
			return arch.Config{}, fmt.Errorf("reading a model's configuration: %w", err)
		}
		files = append(files, b)
	}
	return arch.Parse(strings.TrimSuffix(filepath.Base(nameOrFiles[0]), ".json"), files...)
}
