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
	"clipnb/clipkit/index/pgvector"
	"clipnb/clipkit/internal/atomicfile"
)

// IndexOption says where BuildIndex keeps an index.
type IndexOption func(*indexOptions)

type indexOptions struct {
	run      string
	postgres string
	engine   func(ctx context.Context, model string, dim int) (Engine, error)
}

// KeepIndex keeps the index in experiments/<run>/index, in the exact engine's files (index.Folder), under the split's and the checkpoint's
// hash; features that KeepFeatures has left for the same run are taken over. Of a folder of pictures (OpenPictures) only what is new
// is encoded.
func KeepIndex(run string) IndexOption { return func(o *indexOptions) { o.run = run } }

// InPostgres keeps the index in a database with pgvector (package pgvector), for several processes and larger sets. A folder of pictures that
// has changed is indexed anew there.
func InPostgres(url string) IndexOption { return func(o *indexOptions) { o.postgres = url } }

// InEngine keeps the index in any other engine: open makes or opens its two parts for a checkpoint's hash and dimension.
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

// place is a kept index that another process can open: a folder, or names in a database.
type place struct {
	Folder        string
	Postgres, Key string
}

// open opens the two parts, or makes them.
func (p place) open(ctx context.Context, model string, dim int, texts bool) (e Engine, err error) {
	one := func(what string) (index.Index, error) {
		if p.Postgres != "" {
			return pgvector.Open(ctx, pgvector.Config{URL: p.Postgres, Name: p.Key + "-" + what, Model: model, Dim: dim})
		}
		return index.Create(filepath.Join(p.Folder, what), model, dim)
	}
	if e.Images, err = one("images"); err != nil {
		return Engine{}, err
	}
	if texts {
		if e.Texts, err = one("texts"); err != nil {
			return Engine{}, errors.Join(err, e.Images.Close())
		}
	}
	return e, nil
}

// keep fills the index's engine with what it lacks.
func (ix *Index) keep(ctx context.Context, o indexOptions) error {
	sum, err := fingerprint(ix.model)
	if err != nil {
		return err
	}
	name, dim, texts := ix.name(sum), ix.model.Config.EmbedDim, len(ix.split.Texts()) > 0
	var features *eval.Features
	switch {
	case o.engine != nil:
		ix.engine, err = o.engine(ctx, sum, dim)
	case o.postgres != "":
		ix.place = place{Postgres: o.postgres, Key: fmt.Sprintf("%.12x", sha256.Sum256([]byte(name+samples(ix))))}
		ix.engine, err = ix.place.open(ctx, sum, dim, texts)
	default:
		ix.place = place{Folder: filepath.Join(experiments(), o.run, "index", name)}
		ix.engine, err = ix.place.open(ctx, sum, dim, texts)
		if err == nil {
			err = ix.forgetOthers(ctx)
		}
	}
	if err == nil && o.run != "" {
		features, err = keptFeatures(ix.model, ix.split, o.run, sum)
	}
	if err == nil {
		err = ix.fill(ctx, features)
	}
	if err != nil {
		return fmt.Errorf("indexing %s: %w", ix.split.Name(), errors.Join(err, ix.engine.close()))
	}
	return nil
}

// name tells this split and checkpoint from others. The pictures of a folder may change; they are told apart by their ids.
func (ix *Index) name(sum string) string {
	what := samples(ix)
	if p, ok := ix.split.(*dataset.Pictures); ok {
		what = fmt.Sprintf("%x", sha256.Sum256([]byte(p.Dir)))
	}
	return fmt.Sprintf("%s-%.8s-%.12s", strings.ReplaceAll(ix.split.Name(), "/", "-"), what, sum)
}

// samples is a hash of the split's ids and captions.
func samples(ix *Index) string {
	return eval.OriginOf(ix.model.Model, "", ix.split, ix.model.Config.ContextLength).Samples
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

// fill adds what is missing: from features where they are given, which are in the split's order, else it encodes.
func (ix *Index) fill(ctx context.Context, features *eval.Features) error {
	ids, texts := ix.split.ImageIDs(), ix.split.Texts()
	images, captions := ix.encodePictures, ix.encodeCaptions
	if features != nil {
		images, captions = rowsOf(features.Images, features.Dim), rowsOf(features.Texts, features.Dim)
	}
	bar := newProgress("indexing "+ix.split.Name(), len(ids)+len(texts))
	defer bar.finish()
	if err := index.Build(ctx, ix.engine.Images, items(ids, ix.split.Name()), images, bar.set); err != nil {
		return err
	}
	if ix.engine.Texts == nil {
		return nil
	}
	textIDs := make([]int64, len(texts))
	for i, t := range texts {
		textIDs[i] = t.ID
	}
	return index.Build(ctx, ix.engine.Texts, items(textIDs, ix.split.Name()), captions, func(done, _ int) { bar.set(len(ids)+done, 0) })
}

// rowsOf takes rows out of vectors [n, dim].
func rowsOf(vectors []float32, dim int) func(context.Context, []int) ([]float32, error) {
	return func(_ context.Context, rows []int) (out []float32, err error) {
		for _, i := range rows {
			out = append(out, vectors[i*dim:(i+1)*dim]...)
		}
		return out, nil
	}
}

func (ix *Index) encodePictures(ctx context.Context, rows []int) ([]float32, error) {
	all := ix.split.ImageIDs()
	ids := make([]int64, len(rows))
	for k, i := range rows {
		ids[k] = all[i]
	}
	return eval.EncodePictures(ctx, ix.model.Model, ix.split, ids)
}

func (ix *Index) encodeCaptions(ctx context.Context, rows []int) ([]float32, error) {
	all := ix.split.Texts()
	texts := make([]dataset.Text, len(rows))
	for k, i := range rows {
		texts[k] = all[i]
	}
	return eval.EncodeCaptions(ctx, ix.model.Model, texts, ix.model.Config.ContextLength)
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
	path, now := filepath.Join(ix.place.Folder, "ids.json"), ix.split.ImageIDs()
	var known []int64
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &known)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %s: %w; delete the folder %s, and the index is built again", path, err, ix.place.Folder)
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
