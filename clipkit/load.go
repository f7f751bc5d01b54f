package clipkit

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
	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/nearest"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/hub"
)

// ErrNoModel is wrapped when Load's argument is neither a model's name nor a place where one lies.
var ErrNoModel = errors.New("no such model")

// resolvers are what Load accepts, asked in this order; the first that knows the name opens it.
var resolvers = []struct {
	what string
	open func(ctx context.Context, name string, as []string) (*opened, error) // nil: it is none of these
}{
	{`"emoji", the small model that is compiled in`, openEmbedded},
	{"a published model (" + strings.Join(hub.Published(), ", ") + ")", openPublished},
	{`the best checkpoint of a run ("quickstart/best")`, openBest},
	{"a file of weights (.pt, .safetensors)", openFile},
	{"a folder of transformers", openTransformers},
	{"a run under experiments/, or one of its checkpoints", openRun},
}

// opened is an open file of weights, the architecture that is in it, and what the model is called.
type opened struct {
	file                *weights.File
	config              arch.Config
	name, source, again string // as in Model
}

// Load opens a model:
//
//	"ViT-B-16"                      a published one (hub.Published): looked for in pretrained_weights/ and the folder CLIPKIT_WEIGHTS, else downloaded
//	"clip_cn_vit-b-16.pt"           a checkpoint of the reference, published or trained; also .safetensors and a folder of transformers
//	"emoji"                         the small one that is compiled in (64×64 pictures, trained on emoji in five drawing styles)
//	"quickstart"                    a run under experiments/, or the path of one: its newest whole checkpoint
//	"quickstart/best"               its best one (train.Config.BestMetric)
//	"…/checkpoints/step-00000100"   one checkpoint
//
// Loading is strict: every tensor must be there with its shape, and no other. The file is mapped, not read: memory holds one copy of the
// weights, the device's.
func Load(ctx context.Context, name string, opts ...Option) (*Model, error) {
	o, err := chosen("Load", loading, opts)
	if err != nil {
		return nil, err
	}
	found, err := resolve(ctx, name, o.as)
	if err != nil {
		return nil, fmt.Errorf("loading %q: %w", name, err)
	}
	defer found.file.Close()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := assemble(found.config, o, func(towers *model.Model) error {
		note, err := weights.LoadResized(towers, found.config, found.file)
		if note != "" {
			say(note)
		}
		for _, remark := range found.file.Remarks {
			say(remark)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	m.name, m.source, m.again, m.as = found.name, found.source, found.again, o.as
	return m, nil
}

// New makes a model of a known architecture with fresh random weights, for training from scratch.
func New(ctx context.Context, architecture string, seed uint64, opts ...Option) (*Model, error) {
	o, err := chosen("New", making, opts)
	if err != nil {
		return nil, err
	}
	cfg, err := arch.Lookup(architecture)
	if err != nil {
		return nil, err
	}
	m, err := assemble(cfg, o, func(towers *model.Model) error { return towers.Init(seed) })
	if err != nil {
		return nil, err
	}
	m.name, m.source = cfg.Name, fmt.Sprintf("random weights, seed %d", seed)
	return m, nil
}

// NewFrom is New with the vision tower of an OpenAI CLIP and the text tower of a BERT, as the reference starts training from scratch
// (--clip-weight-path, --bert-weight-path); either file may be "". What was taken and what stays random is said aloud.
func NewFrom(ctx context.Context, architecture, openai, bert string, seed uint64, opts ...Option) (*Model, error) {
	var files [2]*weights.File
	for i, path := range []string{openai, bert} {
		if path == "" {
			continue
		}
		f, err := weights.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		files[i] = f
	}
	m, err := New(ctx, architecture, seed, opts...)
	if err != nil {
		return nil, err
	}
	report, err := weights.LoadInit(m.Towers, m.Towers.Config, files[0], files[1])
	if err != nil {
		m.Close()
		return nil, err
	}
	say(report.String())
	m.source = fmt.Sprintf("vision from %q, text from %q, the rest random with seed %d", openai, bert, seed)
	return m, nil
}

// assemble makes a model on its device and has it filled.
func assemble(cfg arch.Config, o options, fill func(*model.Model) error) (*Model, error) {
	name, err := o.device, error(nil)
	if o.world != nil {
		name, err = device.OfRank(name, o.world.Local())
	}
	if err != nil {
		return nil, err
	}
	dev, err := device.Open(name)
	if err != nil {
		return nil, err
	}
	towers, err := model.NewIn(cfg, dev, o.precision)
	if err == nil {
		err = fill(towers)
	}
	if err != nil {
		dev.Close()
		return nil, err
	}
	return &Model{Towers: towers}, nil
}

// resolve turns Load's argument into open weights. as, where given, says of which architecture.
func resolve(ctx context.Context, name string, as []string) (*opened, error) {
	var known arch.Config
	var err error
	if len(as) > 0 {
		if known, err = architecture(as); err != nil {
			return nil, err
		}
	}
	var kinds []string
	for _, r := range resolvers {
		found, err := r.open(ctx, name, as)
		if err != nil {
			return nil, err
		}
		if found == nil {
			kinds = append(kinds, r.what)
			continue
		}
		if len(as) > 0 {
			found.config = known
		}
		return found, nil
	}
	names := append(append(repo.Runs(), "emoji"), hub.Published()...)
	return nil, fmt.Errorf("%w%s: it is not %s; runs are looked for in %s", ErrNoModel, nearest.Hint(name, names), strings.Join(kinds, ", nor "), repo.Experiments())
}

func openEmbedded(_ context.Context, name string, _ []string) (*opened, error) {
	if name != "emoji" {
		return nil, nil
	}
	f, err := weights.Parse("emoji (embedded)", assets.SmallModel)
	if err != nil {
		return nil, err
	}
	cfg, err := weights.Architecture(f)
	return &opened{f, cfg, "emoji", "emoji (embedded)", "emoji"}, err
}

// openPublished finds or fetches a published model's weights, with a progress bar.
func openPublished(ctx context.Context, name string, as []string) (*opened, error) {
	if _, err := hub.FindRelease(name); err != nil {
		return nil, nil
	}
	bar := progress.Bytes(os.Stderr, "downloading "+name)
	defer bar.Finish()
	path, err := hub.Locate(ctx, name, hub.Options{Folder: repo.Weights(), Progress: bar.Set, Say: say})
	if err != nil {
		return nil, err
	}
	found, err := openFile(ctx, path, as)
	if found != nil {
		found.name = name
	}
	return found, err
}

func openFile(_ context.Context, path string, as []string) (found *opened, err error) {
	if !isFile(path) {
		return nil, nil
	}
	found = &opened{name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), source: path}
	if found.again, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if len(as) > 0 {
		found.file, err = weights.Open(path)
	} else {
		found.file, found.config, err = weights.OpenModel(path)
	}
	return found, err
}

func openTransformers(_ context.Context, name string, _ []string) (found *opened, err error) {
	path := folderOf(name)
	if path == "" || !isFile(filepath.Join(path, "config.json")) || isDir(filepath.Join(path, "checkpoints")) {
		return nil, nil
	}
	found = &opened{name: filepath.Base(path), source: path}
	if found.again, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	found.file, found.config, err = weights.OpenModel(path)
	return found, err
}

// openRun opens one checkpoint, or the newest whole one of a run.
func openRun(_ context.Context, name string, _ []string) (*opened, error) {
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
func openBest(_ context.Context, name string, _ []string) (*opened, error) {
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
func openedCheckpoint(c *checkpoint.Checkpoint) (*opened, error) {
	found := &opened{file: c.Model, config: c.State.Arch, name: filepath.Base(c.Path), source: c.Path}
	for dir := filepath.Dir(c.Path); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if filepath.Base(dir) == "checkpoints" {
			found.name = filepath.Base(filepath.Dir(dir))
		}
	}
	var err error
	found.again, err = filepath.Abs(c.Path)
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
