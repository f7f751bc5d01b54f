package weights

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"clipnb/assets"
	"clipnb/clipkit/arch"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/weights/tensor"
)

// hfNames are pairs of names, or of beginnings of names: the reference's and that of transformers' ChineseCLIPModel. "pre_layrnorm" is its
// spelling.
var hfNames = [][2]string{
	{"visual.class_embedding", "vision_model.embeddings.class_embedding"},
	{"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"},
	{"visual.conv1.", "vision_model.embeddings.patch_embedding."},
	{"visual.ln_pre.", "vision_model.pre_layrnorm."},
	{"visual.ln_post.", "vision_model.post_layernorm."},
	{"visual.transformer.resblocks.", "vision_model.encoder.layers."},
	{"visual.proj", "visual_projection.weight"},
	{"text_projection", "text_projection.weight"},
	{"bert.", "text_model."},
}

// hfBlock are pairs of names inside a block of the vision tower.
var hfBlock = [][2]string{
	{".ln_1.", ".layer_norm1."}, {".ln_2.", ".layer_norm2."}, {".mlp.c_fc.", ".mlp.fc1."}, {".mlp.c_proj.", ".mlp.fc2."},
	{".attn.out_proj.", ".self_attn.out_proj."}, {".attn.in_proj_", ".self_attn.q_proj."},
}

var hfQKV = [3]string{".self_attn.q_proj.", ".self_attn.k_proj.", ".self_attn.v_proj."}

// rename translates a name from side a of the pairs to side b: 0 is the reference, 1 transformers.
func rename(name string, a, b int) string {
	for _, p := range hfNames {
		rest, ok := strings.CutPrefix(name, p[a])
		if !ok {
			continue
		}
		for _, q := range hfBlock {
			if strings.HasPrefix(p[0], "visual.transformer.") {
				rest = strings.Replace(rest, q[a], q[b], 1)
			}
		}
		return p[b] + rest
	}
	return name
}

func isHF(names []string) bool {
	for _, n := range names {
		if strings.HasPrefix(n, "vision_model.") || strings.HasPrefix(n, "text_model.") {
			return true
		}
	}
	return false
}

// fromHF brings tensor t of a file to the reference's layout. A query takes its key and value with it, which give nothing themselves.
func fromHF(t tensor.Tensor, all map[string]tensor.Tensor) ([]tensor.Tensor, error) {
	name := rename(t.Name, 1, 0)
	var err error
	switch {
	case t.Name == "visual_projection.weight" || t.Name == "text_projection.weight":
		t, err = tensor.Transpose(name, t)
	case strings.Contains(t.Name, hfQKV[0]):
		k, okK := all[strings.Replace(t.Name, hfQKV[0], hfQKV[1], 1)]
		v, okV := all[strings.Replace(t.Name, hfQKV[0], hfQKV[2], 1)]
		if !okK || !okV {
			return nil, fmt.Errorf("%w: %s is there without the k_proj and v_proj that belong to it", tensor.ErrFormat, t.Name)
		}
		t, err = tensor.Join(name, t, k, v)
	case strings.Contains(t.Name, hfQKV[1]), strings.Contains(t.Name, hfQKV[2]):
		if _, ok := all[strings.NewReplacer(hfQKV[1], hfQKV[0], hfQKV[2], hfQKV[0]).Replace(t.Name)]; ok {
			return nil, nil
		}
	}
	t.Name = name
	return []tensor.Tensor{t}, err
}

// toHF brings a whole state dict of the reference to transformers' layout.
func toHF(tensors []tensor.Tensor) ([]tensor.Tensor, error) {
	var out []tensor.Tensor
	for _, t := range tensors {
		name := rename(t.Name, 0, 1)
		switch {
		case t.Name == "visual.proj" || t.Name == "text_projection":
			x, err := tensor.Transpose(name, t)
			if err != nil {
				return nil, err
			}
			out = append(out, x)
		case strings.Contains(name, hfQKV[0]):
			for i, part := range hfQKV {
				x, err := tensor.Third(strings.Replace(name, hfQKV[0], part, 1), t, i)
				if err != nil {
					return nil, err
				}
				out = append(out, x)
			}
		default:
			t.Name = name
			out = append(out, t)
		}
	}
	return out, nil
}

// ErrNoHF is wrapped when a model has no form in transformers: it knows no Chinese-CLIP with a ResNet.
var ErrNoHF = errors.New("transformers' ChineseCLIPModel cannot hold this model")

// writeHF writes a folder that transformers' ChineseCLIPModel.from_pretrained and ChineseCLIPProcessor.from_pretrained open: weights
// (model.safetensors), config, picture and text preparation, vocabulary. tensors is a state dict under the reference's names
// (StateDict, or a model's own). A model with a ResNet gives ErrNoHF.
func writeHF(dir string, cfg arch.Config, tensors []tensor.Tensor) error {
	files, err := hfFiles(cfg)
	if err != nil {
		return err
	}
	if err := newFile("the model to be written to "+dir, tensors).fits(cfg); err != nil {
		return err
	}
	out, err := toHF(tensors)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("writing a model folder: %w", err)
	}
	for name, data := range files {
		if err := atomicfile.WriteBytes(filepath.Join(dir, name), data); err != nil {
			return err
		}
	}
	if err := atomicfile.WriteBytes(filepath.Join(dir, "vocab.txt"), assets.Vocab); err != nil {
		return err
	}
	return WriteSafetensors(filepath.Join(dir, "model.safetensors"), out, map[string]string{"format": "pt"})
}

// OpenModel opens a weights file, or a folder as transformers saves it (config.json with model.safetensors or pytorch_model.bin, or with the
// index.json of several), and tells what model is in it: by the folder's configuration, else as Architecture does. Every tensor of that model is in the file, in its
// shape, so a caller may make room for the model before Load.
func OpenModel(path string) (*File, arch.Config, error) {
	return openAs(path, nil)
}

// openAs is OpenModel for a file whose architecture the caller knows; nil finds it.
func openAs(path string, known *arch.Config) (*File, arch.Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, arch.Config{}, fmt.Errorf("opening a model: %w", err)
	}
	if info.IsDir() {
		file, cfg, err := findInFolder(path)
		if err != nil {
			return nil, arch.Config{}, err
		}
		path, known = file, &cfg
	}
	open := Open
	if strings.HasSuffix(path, indexEnding) {
		open = openShards
	}
	f, err := open(path)
	if err != nil {
		return nil, arch.Config{}, err
	}
	cfg, err := f.checkedArchitecture(known)
	if err != nil {
		f.Close()
		return nil, arch.Config{}, err
	}
	return f, cfg, nil
}

// checkedArchitecture is the known architecture, or the one that f says or shows, compared with every tensor of f.
func (f *File) checkedArchitecture(known *arch.Config) (cfg arch.Config, err error) {
	if known != nil {
		cfg = *known
	} else if cfg, err = Architecture(f); err != nil {
		return arch.Config{}, err
	}
	r, _, err := f.reference()
	if err == nil {
		err = r.fits(cfg)
	}
	return cfg, err
}

// findInFolder finds the weights in a folder of transformers and reads its configuration.
func findInFolder(dir string) (file string, cfg arch.Config, err error) {
	config := filepath.Join(dir, "config.json")
	data, err := readSmall(config, maxConfig)
	if err != nil {
		return "", arch.Config{}, fmt.Errorf("opening a model folder: %w", err)
	}
	cfg, err = parseHFConfig(data)
	if err != nil {
		return "", arch.Config{}, fmt.Errorf("%s: %w", config, err)
	}
	for _, name := range []string{"model.safetensors", "pytorch_model.bin"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, cfg, nil
		}
		if _, err := os.Stat(path + indexEnding); err == nil {
			return path + indexEnding, cfg, nil
		}
	}
	return "", arch.Config{}, fmt.Errorf("%s: neither model.safetensors nor pytorch_model.bin beside config.json", dir)
}
