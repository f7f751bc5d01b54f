package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clipnb/assets"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/model"
	"clipnb/clipkit/onnx"
)

// Write exports a model into a folder, which it makes, and gives the manifest. ident says what model it is. say is told what is written, with its size, and
// what is removed.
func Write(ctx context.Context, dir string, ident model.Ident, m *model.Model, o Options, say func(string)) (*Manifest, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if m.IsExported() {
		return nil, fmt.Errorf("%w: %s is an export itself; load the model that it was made of", ErrOption, ident.Name)
	}
	if info, err := os.Stat(dir); err == nil && info.IsDir() && !IsNew(dir) {
		return nil, fmt.Errorf("%w into %s, which holds other files: name a folder that is new, empty or an earlier export", ErrOption, dir)
	}
	scale, err := m.LogitScale()
	if err != nil {
		return nil, err
	}
	if err := atomicfile.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("exporting to %s: %w", dir, err)
	}
	list := &Manifest{Version: version, Model: ident, Config: m.Config, LogitScale: scale}
	list.Pictures, list.Texts = describe(m.Config)
	if err := list.inherit(dir, say); err != nil {
		return nil, fmt.Errorf("exporting to %s: %w", dir, err)
	}
	if len(o.Precisions) == 0 {
		o.Precisions = Precisions
	}
	if len(o.Sides) == 0 {
		o.Sides = Sides
	}
	if o.Opset == 0 {
		o.Opset = onnx.DefaultOpset
	}
	for _, p := range o.Precisions {
		for _, s := range o.Sides {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			f, err := writeTower(ctx, dir, s, p, list, m, o)
			if err != nil {
				return nil, fmt.Errorf("exporting to %s: %w", dir, err)
			}
			list.Files = slices.DeleteFunc(list.Files, func(old File) bool { return old.Side == s && old.Precision == p })
			list.Files = append(list.Files, f)
			size := f.Bytes
			if f.Beside != nil {
				size += f.Beside.Bytes
			}
			say(fmt.Sprintf("%s: %.1f MB", filepath.Join(dir, f.Path), float64(size)/1e6))
		}
	}
	return list, list.save(dir)
}

// inherit takes over what an earlier export of the same weights has left. The manifest and what was measured go: from here on the files change.
func (m *Manifest) inherit(dir string, say func(string)) error {
	old, err := ReadManifest(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%w; it would be overwritten: name another folder, or delete that file", err)
	}
	for _, name := range []string{ManifestName, ParityName} {
		if err := atomicfile.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if old.Model.Fingerprint == m.Model.Fingerprint && old.Config.Name == m.Config.Name {
		m.Files, m.Texts.Vocabulary = old.Files, old.Texts.Vocabulary
		return nil
	}
	say(fmt.Sprintf("%s held %s (%.12s) and is replaced", dir, old.Model.Name, old.Model.Fingerprint))
	for _, f := range old.Files {
		gone := []string{f.Path}
		if f.Beside != nil {
			gone = append(gone, f.Beside.Path)
		}
		for _, name := range gone {
			if err := atomicfile.RemoveAll(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeTower(ctx context.Context, dir string, s onnx.Side, p onnx.Precision, list *Manifest, m *model.Model, o Options) (f File, err error) {
	settings := o.of(p)
	settings.Fingerprint, settings.Mean, settings.Std = list.Model.Fingerprint, list.Pictures.Mean, list.Pictures.Std
	path, err := onnx.WriteContext(ctx, filepath.Join(dir, strings.ToLower(m.Config.Name)), s, m.Config, m.Tensors(m.Config.Tensors()...), settings)
	if err != nil {
		return f, err
	}
	f = File{Side: s, Precision: p, Opset: settings.Opset, Normalized: o.Normalize, Settings: o.settings(p), Input: "image", Output: "image_features"}
	if s == onnx.Texts {
		f.Input, f.Output = "text", "text_features"
	}
	if !o.Normalize {
		f.Output = "unnorm_" + f.Output
	}
	if f.Stored, err = stored(path); err != nil {
		return f, err
	}
	beside, err := stored(path + extraSuffix)
	if err == nil {
		f.Beside = &beside
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return f, err
}

func stored(path string) (s Stored, err error) {
	s.Path = filepath.Base(path)
	s.Bytes, s.SHA256, err = hashOf(path)
	return s, err
}

func hashOf(path string) (bytes int64, sum string, err error) {
	f, err := regular.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	bytes, err = io.Copy(h, f)
	return bytes, hex.EncodeToString(h.Sum(nil)), err
}

// save writes the vocabulary and, last, the manifest.
func (m *Manifest) save(dir string) error {
	if slices.ContainsFunc(m.Files, func(f File) bool { return f.Side == onnx.Texts }) {
		m.Texts.Vocabulary = vocabularyName
		if err := atomicfile.WriteBytes(filepath.Join(dir, vocabularyName), assets.Vocab); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(dir, ManifestName), append(b, '\n'))
}

// IsNew tells whether dir may become an export: it is not there, or holds nothing but what an export has, whole or interrupted.
func IsNew(dir string) bool {
	entries, err := os.ReadDir(dir)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		name := e.Name()
		ours := name == ManifestName || name == ParityName || name == vocabularyName || strings.HasSuffix(name, ".onnx") || strings.HasSuffix(name, extraSuffix)
		return !strings.HasPrefix(name, ".") && (e.IsDir() || !ours) // what is being written has a dot before its name
	})
}
