package clipkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"

	"clipnb/assets"
	"clipnb/clipkit/arch"
	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/model"
	"clipnb/clipkit/tokenizer"
	"clipnb/clipkit/train"
	"clipnb/clipkit/weights"
)

// ErrNoModel is wrapped when Load's argument is neither a model nor a place where one lies.
var ErrNoModel = errors.New("no such model")

// Model is a loaded model on an open device, with the text and picture preparation that belongs to it.
type Model struct {
	*model.Model
	Source string // what it was loaded from
}

// Option changes how a model is loaded.
type Option func(*options)

type options struct{ device string }

// On chooses the device, "cpu" or one of its engines ("cpu:onnx"); without it the Jupyter kernel's CLIPKIT_DEVICE decides, else "cpu".
func On(name string) Option { return func(o *options) { o.device = name } }

// Load opens a model:
//
//	"emoji"                         the small one that is compiled in (64×64 pictures, trained on emoji in five drawing styles)
//	"quickstart"                    a run under experiments/, or the path of one: its newest whole checkpoint
//	"…/checkpoints/step-00000100"   one checkpoint
//	"model.safetensors"             a file that clipkit wrote (it names its architecture)
//
// Names of published models are not read yet; the error says so.
func Load(ctx context.Context, name string, opts ...Option) (*Model, error) {
	cfg, w, source, err := find(name)
	if err != nil {
		return nil, fmt.Errorf("loading %q: %w", name, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return assemble(cfg, opts, source, func(m *model.Model) error { return weights.Load(m, cfg, w) })
}

// New makes a model of a known architecture with fresh random weights, for training from scratch.
func New(ctx context.Context, architecture string, seed uint64, opts ...Option) (*Model, error) {
	cfg, err := arch.Lookup(architecture)
	if err != nil {
		return nil, err
	}
	return assemble(cfg, opts, fmt.Sprintf("random weights, seed %d", seed), func(m *model.Model) error { return m.Init(seed) })
}

func assemble(cfg arch.Config, opts []Option, source string, fill func(*model.Model) error) (*Model, error) {
	var o options
	for _, f := range opts {
		f(&o)
	}
	dev, err := device.Open(o.device)
	if err != nil {
		return nil, err
	}
	m, err := model.New(cfg, dev)
	if err == nil {
		err = fill(m)
	}
	if err != nil {
		dev.Close()
		return nil, err
	}
	return &Model{Model: m, Source: source}, nil
}

// Close frees the model and its device.
func (m *Model) Close() {
	m.Model.Close()
	m.Device.Close()
}

// find turns Load's argument into an architecture and weights.
func find(name string) (arch.Config, *weights.Safetensors, string, error) {
	if name == "emoji" {
		w, err := weights.ParseSafetensors("the embedded model", assets.SmallModel)
		if err != nil {
			return arch.Config{}, nil, "", err
		}
		cfg, err := ownArchitecture(w)
		return cfg, w, "emoji (embedded)", err
	}
	for _, path := range []string{name, filepath.Join(experiments(), name)} {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			continue
		case !info.IsDir():
			w, err := weights.OpenSafetensors(path)
			if err != nil {
				return arch.Config{}, nil, "", err
			}
			cfg, err := ownArchitecture(w)
			return cfg, w, path, err
		}
		if _, err := os.Stat(filepath.Join(path, "manifest.json")); err == nil {
			if err := checkpoint.Verify(path); err != nil {
				return arch.Config{}, nil, "", err
			}
			return openCheckpoint(path)
		}
		newest, err := checkpoint.Latest(filepath.Join(path, "checkpoints"), say)
		if err != nil {
			return arch.Config{}, nil, "", err
		}
		return openCheckpoint(newest)
	}
	if _, err := arch.Lookup(name); err == nil {
		return arch.Config{}, nil, "", fmt.Errorf("%w: published checkpoints cannot be read yet; this version loads \"emoji\", a run directory or a clipkit .safetensors file", ErrNoModel)
	}
	return arch.Config{}, nil, "", fmt.Errorf("%w: neither \"emoji\", nor a file or folder here, nor a run in %s", ErrNoModel, experiments())
}

// openCheckpoint takes one whose hashes are checked.
func openCheckpoint(path string) (arch.Config, *weights.Safetensors, string, error) {
	c, err := checkpoint.Open(path)
	if err != nil {
		return arch.Config{}, nil, "", err
	}
	return c.State.Arch, c.Model, path, nil
}

// architectureKey is where a safetensors file of ours keeps its arch.Config, as JSON.
const architectureKey = "clipkit_architecture"

func ownArchitecture(w *weights.Safetensors) (arch.Config, error) {
	text, ok := w.Metadata[architectureKey]
	if !ok {
		return arch.Config{}, fmt.Errorf("%w: the file does not name its architecture (metadata %q); clipkit's own files do", ErrNoModel, architectureKey)
	}
	var cfg arch.Config
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		return arch.Config{}, fmt.Errorf("reading the architecture in the file: %w", err)
	}
	return cfg, cfg.Check()
}

// Save writes the weights as one safetensors file that Load takes. half stores float16, except what the reference keeps in float32
// (vision norms, positions, class token, logit scale).
func (m *Model) Save(path string, half bool) error {
	parts, err := train.Parts(m.Model)
	if err != nil {
		return err
	}
	cfg, err := json.Marshal(m.Config)
	if err != nil {
		return err
	}
	if half {
		for i, p := range parts {
			if p.DType == "F32" && weights.HalfByReference(p.Name) {
				values, err := p.Float32()
				if err != nil {
					return err
				}
				parts[i] = weights.F16(p.Name, p.Shape, values)
			}
		}
	}
	return weights.WriteSafetensors(path, parts, map[string]string{"format": "pt", architectureKey: string(cfg)})
}

// EncodeImages gives one unit vector per picture.
func (m *Model) EncodeImages(ctx context.Context, pictures []image.Image) ([][]float32, error) {
	r := m.Config.ImageResolution
	var pixels []float32
	for _, p := range pictures {
		pixels = append(pixels, imaging.Normalise(imaging.FromImage(p).Resize(r, r).RGB())...)
	}
	flat, err := m.Model.EncodeImages(ctx, pixels, len(pictures))
	return rows(flat, m.Config.EmbedDim), err
}

// EncodeTexts gives one unit vector per text. A text that is longer than the model reads is cut and reported on standard error.
func (m *Model) EncodeTexts(ctx context.Context, texts []string) ([][]float32, error) {
	length := m.Config.ContextLength
	tok, ids := tokenizer.Default(), make([]int32, len(texts)*length)
	for i, t := range texts {
		if cut := tok.Encode(ids[i*length:(i+1)*length], tokenizer.Prepare(t)); cut > 0 {
			say(fmt.Sprintf("text %d is cut by %d tokens: the model reads %d", i, cut, length-2))
		}
	}
	flat, err := m.Model.EncodeTexts(ctx, ids, len(texts))
	return rows(flat, m.Config.EmbedDim), err
}

func rows(flat []float32, width int) [][]float32 {
	var out [][]float32
	for at := 0; at < len(flat); at += width {
		out = append(out, flat[at:at+width])
	}
	return out
}

// Similarity is exp(logit_scale) × cosine for every picture (row) and text (column).
func (m *Model) Similarity(images, texts [][]float32) ([][]float32, error) {
	scale, err := m.LogitScale()
	if err != nil {
		return nil, err
	}
	out := make([][]float32, len(images))
	for i, a := range images {
		for _, b := range texts {
			if len(a) != len(b) {
				return nil, fmt.Errorf("similarity of vectors of %d and %d values", len(a), len(b))
			}
			var dot float64
			for k := range a {
				dot += float64(a[k]) * float64(b[k])
			}
			out[i] = append(out[i], float32(scale*dot))
		}
	}
	return out, nil
}

// Probabilities is the softmax of one row of Similarity.
func Probabilities(logits []float32) []float32 {
	top := math.Inf(-1)
	for _, x := range logits {
		top = math.Max(top, float64(x))
	}
	out, total := make([]float32, len(logits)), 0.0
	for _, x := range logits {
		total += math.Exp(float64(x) - top)
	}
	for i, x := range logits {
		out[i] = float32(math.Exp(float64(x)-top) / total)
	}
	return out
}

// OpenDataset opens "emoji", the set that is compiled in, or a folder in the reference's layout.
// A relative path is looked up in the working directory, then in the repository's datasets/ folder.
func OpenDataset(ctx context.Context, path string) (*dataset.Dataset, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if path != "emoji" && !filepath.IsAbs(path) {
		if _, err := os.Stat(path); err != nil {
			for _, p := range []string{filepath.Join(root(), path), filepath.Join(root(), "datasets", path)} {
				if _, err := os.Stat(p); err == nil {
					path = p
					break
				}
			}
		}
	}
	return dataset.Open(path)
}

// root is the repository, as the Jupyter kernel names it, or the folder above the working directory that holds its go.mod; else ".".
func root() string {
	if r := os.Getenv("CLIPKIT_ROOT"); r != "" {
		return r
	}
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for d := dir; ; d = filepath.Dir(d) {
		if b, err := os.ReadFile(filepath.Join(d, "go.mod")); err == nil && strings.HasPrefix(string(b), "module clipnb") {
			return d
		}
		if d == filepath.Dir(d) {
			return dir
		}
	}
}

func experiments() string { return filepath.Join(root(), "experiments") }

func say(line string) { fmt.Fprintln(os.Stderr, line) }
