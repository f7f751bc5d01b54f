package clipkit

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/index"
	"clipnb/clipkit/internal/atomicfile"
)

// IndexOption says where BuildIndex keeps an index.
type IndexOption func(*indexOptions)

type indexOptions struct {
	run    string
	engine func(ctx context.Context, model string, dim int) (Engine, error)
}

// KeepIndex keeps the index in experiments/<run>/index, in the exact engine's files (index.Folder), under the split's and the checkpoint's
// hash; features that KeepFeatures has left for the same run are taken over. Of a folder of pictures (OpenPictures) only what is new
// is encoded.
func KeepIndex(run string) IndexOption { return func(o *indexOptions) { o.run = run } }

// InEngine keeps the index in an engine of one's own choice: open makes or opens its two parts for a checkpoint's hash and dimension.
func InEngine(open func(ctx context.Context, model string, dim int) (Engine, error)) IndexOption {
	return func(o *indexOptions) { o.engine = open }
}

// Engine is where vectors are kept: of pictures, and of captions, which may be nil.
type Engine struct{ Images, Texts index.Index }

func (e Engine) close() error {
	var err error
	for _, x := range []index.Index{e.Images, e.Texts} {
		if x != nil {
			err = errors.Join(err, x.Close())
		}
	}
	return err
}

// folders opens the exact engine's files under dir.
func folders(dir, model string, dim int, texts bool) (e Engine, err error) {
	images, err := index.Create(filepath.Join(dir, "images"), model, dim)
	if err != nil {
		return e, err
	}
	e.Images = images
	if texts {
		captions, err := index.Create(filepath.Join(dir, "texts"), model, dim)
		if err != nil {
			return e, errors.Join(err, images.Close())
		}
		e.Texts = captions
	}
	return e, nil
}

// keep fills the index's engine with what it lacks.
func (ix *Index) keep(ctx context.Context, o indexOptions) error {
	sum, err := fingerprint(ix.model)
	if err != nil {
		return err
	}
	features := ix.features
	if o.engine != nil {
		ix.engine, err = o.engine(ctx, sum, ix.model.Config.EmbedDim)
	} else {
		ix.folder = filepath.Join(experiments(), o.run, "index", ix.name(sum))
		ix.engine, err = folders(ix.folder, sum, ix.model.Config.EmbedDim, len(ix.split.Texts()) > 0)
		if err == nil && features == nil {
			features, err = keptFeatures(ix.model, ix.split, o.run, sum)
		}
		if err == nil {
			err = ix.forgetOthers(ctx)
		}
	}
	if err == nil {
		err = ix.fill(ctx, features)
	}
	if err != nil {
		return fmt.Errorf("building an index of %s: %w", ix.split.Name(), errors.Join(err, ix.engine.close()))
	}
	return nil
}

// name tells this split and checkpoint from others. The pictures of a folder may change; they are told apart by their ids.
func (ix *Index) name(sum string) string {
	samples := eval.OriginOf(ix.model.Model, sum, ix.split, ix.model.Config.ContextLength).Samples
	if p, ok := ix.split.(*dataset.Pictures); ok {
		samples = fmt.Sprintf("%x", sha256.Sum256([]byte(p.Dir)))
	}
	return fmt.Sprintf("%s-%.8s-%.12s", strings.ReplaceAll(ix.split.Name(), "/", "-"), samples, sum)
}

// keptFeatures are those that an evaluation has left in the run's folder, or nil.
func keptFeatures(m *Model, split dataset.Source, run, sum string) (*eval.Features, error) {
	f, origin, err := eval.LoadFeatures(featuresFile(filepath.Join(experiments(), run, "eval", strings.ReplaceAll(split.Name(), "/", "-")), sum))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || origin != eval.OriginOf(m.Model, sum, split, m.Config.ContextLength) {
		return nil, err // those of other data are left alone
	}
	return f, nil
}

// fill adds what is missing: from features where they are given, else it encodes.
func (ix *Index) fill(ctx context.Context, features *eval.Features) error {
	images, err := ix.engine.Images.Missing(ctx, ix.split.ImageIDs()...)
	if err != nil {
		return err
	}
	var textIDs []int64
	if ix.engine.Texts != nil {
		for _, t := range ix.split.Texts() {
			textIDs = append(textIDs, t.ID)
		}
		if textIDs, err = ix.engine.Texts.Missing(ctx, textIDs...); err != nil {
			return err
		}
	}
	if features != nil {
		if err := addKept(ctx, ix.engine.Images, images, features.ImageIDs, features.Images, ix.split.Name()); err != nil {
			return err
		}
		return addKept(ctx, ix.engine.Texts, textIDs, features.TextIDs, features.Texts, ix.split.Name())
	}
	bar, done := newProgress("indexing "+ix.split.Name(), len(images)+len(textIDs)), 0
	defer bar.finish()
	add := func(to index.Index, ids []int64, vectors []float32) error {
		done += len(ids)
		bar.set(done, 0)
		return to.Add(ctx, items(ids, ix.split.Name()), vectors)
	}
	err = eval.EncodePictures(ctx, ix.model.Model, ix.split, images, func(ids []int64, v []float32) error { return add(ix.engine.Images, ids, v) })
	if err != nil || len(textIDs) == 0 {
		return err
	}
	wanted := map[int64]bool{}
	for _, id := range textIDs {
		wanted[id] = true
	}
	texts := slices.DeleteFunc(slices.Clone(ix.split.Texts()), func(t dataset.Text) bool { return !wanted[t.ID] })
	return eval.EncodeCaptions(ctx, ix.model.Model, texts, ix.model.Config.ContextLength, func(some []dataset.Text, v []float32) error {
		ids := make([]int64, len(some))
		for i, t := range some {
			ids[i] = t.ID
		}
		return add(ix.engine.Texts, ids, v)
	})
}

// addKept adds those of vectors that are missing.
func addKept(ctx context.Context, to index.Index, missing, ids []int64, vectors []float32, split string) error {
	if len(missing) == 0 {
		return nil
	}
	wanted := make(map[int64]bool, len(missing))
	for _, id := range missing {
		wanted[id] = true
	}
	dim, some, values := to.Dim(), []int64(nil), []float32(nil)
	for i, id := range ids {
		if wanted[id] {
			some, values = append(some, id), append(values, vectors[i*dim:(i+1)*dim]...)
		}
		if len(some) == 4096 || i == len(ids)-1 {
			if err := to.Add(ctx, items(some, split), values); err != nil {
				return err
			}
			some, values = some[:0], values[:0]
		}
	}
	return nil
}

func items(ids []int64, split string) []index.Item {
	out := make([]index.Item, len(ids))
	for i, id := range ids {
		out[i] = index.Item{ID: id, Tags: map[string]string{"split": filepath.Base(split)}}
	}
	return out
}

// forgetOthers takes out of a folder's index the pictures that are no longer there. The file of ids always names at least those that the index has.
func (ix *Index) forgetOthers(ctx context.Context) error {
	path, now := filepath.Join(ix.folder, "ids.json"), ix.split.ImageIDs()
	var known []int64
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &known)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %s: %w; delete the folder %s, and the index is built again", path, err, ix.folder)
	}
	here := make(map[int64]bool, len(now))
	for _, id := range now {
		here[id] = true
	}
	gone := slices.DeleteFunc(known, func(id int64) bool { return here[id] })
	if err := writeIDs(path, slices.Concat(gone, now)); err != nil || len(gone) == 0 {
		return err
	}
	if err := ix.engine.Images.Delete(ctx, gone...); err != nil {
		return err
	}
	return writeIDs(path, now)
}

func writeIDs(path string, ids []int64) error {
	b, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, b)
}
