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
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/hub"
	"clipnb/clipkit/weights/pytorch"

	"github.com/schollz/progressbar/v3"
)

// ErrNoModel is wrapped when Load's argument is neither a model's name nor a place where one lies.
var ErrNoModel = errors.New("no such model")

// Option changes how a model is loaded.
type Option func(*options)

type options struct {
	device    string
	precision model.Precision
	as        []string
}

// On chooses the device, "cpu" or one of its engines ("cpu:onnx"); without it the Jupyter kernel's CLIPKIT_DEVICE decides, else "cpu".
func On(name string) Option { return func(o *options) { o.device = name } }

// In chooses the precision of the weights and of products: "f32" (the default), "bf16" or "f16". Only "f32" trains.
func In(precision string) Option {
	return func(o *options) { o.precision = model.Precision(precision) }
}

// As says what model the weights are for, where the file cannot: a name ("ViT-L-14-336"), or the reference's configuration files of the two
// towers. Position embeddings of another resolution are resized to it, as the reference's training does, and that is said aloud.
func As(nameOrFiles ...string) Option { return func(o *options) { o.as = nameOrFiles } }

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
	o := gather(opts)
	cfg, f, source, err := find(ctx, name, o.as)
	if err != nil {
		return nil, fmt.Errorf("loading %q: %w", name, err)
	}
	defer f.Close()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := assemble(cfg, o, source, func(m *model.Model) error {
		note, err := weights.LoadResized(m, cfg, f)
		if note != "" {
			say(note)
		}
		return err
	})
	if err == nil {
		m.as = o.as
	}
	return m, err
}

// New makes a model of a known architecture with fresh random weights, for training from scratch.
func New(ctx context.Context, architecture string, seed uint64, opts ...Option) (*Model, error) {
	cfg, err := arch.Lookup(architecture)
	if err != nil {
		return nil, err
	}
	return assemble(cfg, gather(opts), fmt.Sprintf("random weights, seed %d", seed), func(m *model.Model) error { return m.Init(seed) })
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
	report, err := weights.LoadInit(m.Model, m.Config, files[0], files[1])
	if err != nil {
		m.Close()
		return nil, err
	}
	say(report.String())
	m.Source = fmt.Sprintf("vision from %q, text from %q, the rest random with seed %d", openai, bert, seed)
	return m, nil
}

func gather(opts []Option) options {
	o := options{precision: model.F32}
	for _, f := range opts {
		f(&o)
	}
	return o
}

func assemble(cfg arch.Config, o options, source string, fill func(*model.Model) error) (*Model, error) {
	dev, err := device.Open(o.device)
	if err != nil {
		return nil, err
	}
	m, err := model.NewIn(cfg, dev, o.precision)
	if err == nil {
		err = fill(m)
	}
	if err != nil {
		dev.Close()
		return nil, err
	}
	return &Model{Model: m, Source: source}, nil
}

// find turns Load's argument into an open file, the architecture that is in it (or that as names) and what it was found as.
func find(ctx context.Context, name string, as []string) (cfg arch.Config, f *weights.File, source string, err error) {
	var known arch.Config
	if len(as) > 0 {
		if known, err = architecture(as); err != nil {
			return cfg, nil, "", err
		}
	}
	path := name
	if _, err := hub.FindRelease(name); err == nil {
		if path, err = download(ctx, name); err != nil {
			return cfg, nil, "", err
		}
	} else if _, err := os.Stat(path); err != nil && name != "emoji" {
		if !isBest(path) {
			path = filepath.Join(experiments(), name)
		}
		if !isDir(path) && !isBest(path) {
			return cfg, nil, "", fmt.Errorf("%w: neither \"emoji\", nor one of %s, nor a file or folder here, nor a run in %s",
				ErrNoModel, strings.Join(hub.Published(), ", "), experiments())
		}
	}
	switch {
	case name == "emoji":
		path = embeddedSource
		if f, err = weights.Parse(path, assets.SmallModel); err == nil {
			cfg, err = weights.Architecture(f)
		}
	case isBest(path):
		cfg, f, path, err = openBest(filepath.Dir(path))
	case len(as) > 0 && !isDir(path):
		f, err = weights.Open(path)
	case !isDir(path), isFile(filepath.Join(path, "config.json")) && !isDir(filepath.Join(path, "checkpoints")):
		f, cfg, err = weights.OpenModel(path)
	default:
		cfg, f, path, err = openRun(path)
	}
	if len(as) > 0 {
		cfg = known
	}
	return cfg, f, path, err
}

// openRun opens one checkpoint, or the newest whole one of a run.
func openRun(path string) (cfg arch.Config, f *weights.File, from string, err error) {
	c, err := checkpoint.Find(path, say)
	if err != nil {
		return cfg, nil, "", err
	}
	return c.State.Arch, c.Model, c.Path, c.Optimizer.Close()
}

// isBest tells whether path is "<run>/best", which is the name of no file: the checkpoints of that kind lie in <run>/checkpoints/best.
func isBest(path string) bool {
	return filepath.Base(path) == "best" && !isDir(path) && isDir(filepath.Join(filepath.Dir(path), "checkpoints"))
}

// openBest opens the checkpoint of a run with the best validation.
func openBest(run string) (cfg arch.Config, f *weights.File, from string, err error) {
	path, err := train.BestCheckpoint(run, say)
	if err != nil {
		return cfg, nil, "", fmt.Errorf("%w: it keeps its best where best_metric is set", err)
	}
	c, err := checkpoint.Open(path)
	if err != nil {
		return cfg, nil, "", err
	}
	return c.State.Arch, c.Model, c.Path, c.Optimizer.Close()
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// download finds or fetches a published model's weights, with a progress bar.
func download(ctx context.Context, name string) (string, error) {
	bar := newProgress("downloading "+name, -1, progressbar.OptionShowBytes(true))
	defer bar.finish()
	return hub.Locate(ctx, name, hub.Options{Folder: filepath.Join(root(), "pretrained_weights"), Progress: bar.bytes})
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
		b, err := os.ReadFile(path)
		if err != nil {
			return arch.Config{}, fmt.Errorf("reading a model's configuration: %w", err)
		}
		files = append(files, b)
	}
	return arch.Parse(strings.TrimSuffix(filepath.Base(nameOrFiles[0]), ".json"), files...)
}

// Save writes the weights in the form that the end of the name chooses: "model.pt", which PyTorch and the reference read,
// "model.safetensors", or a folder for transformers. Load takes all three. half stores float16, except what the reference keeps in float32
// (vision norms, positions, class token, logit scale).
func (m *Model) Save(path string, half bool) error {
	parts, err := train.Parts(m.Model)
	if err == nil && half {
		err = weights.Halve(parts)
	}
	if err != nil {
		return fmt.Errorf("saving %s: %w", path, err)
	}
	return weights.Write(path, m.Config, parts, &pytorch.Checkpoint{Name: m.Config.Name})
}

// Export writes the run's newest checkpoint as a .pt with which the reference's training goes on (--resume):
// weights, AdamW's moments, epoch and step.
func (r *Run) Export(path string) error {
	c, err := checkpoint.Find(r.Dir, say)
	if err != nil {
		return err
	}
	defer c.Close()
	var s settings
	if err := experiment.ReadConfig(r.Dir, &s); err != nil {
		return err
	}
	tensors, ck, err := train.ReferenceCheckpoint(c, s.Config)
	if err != nil {
		return fmt.Errorf("exporting %s: %w", c.Path, err)
	}
	return pytorch.Write(path, tensors, ck)
}
