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
	"sync"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/index"
	"clipnb/clipkit/index/pgvector"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/internal/repo"
)

// location is where an index is kept that another process can open: a folder, or names in a database.
type location struct {
	Folder        string
	Postgres, Key string
}

// open opens the two parts, or makes them.
func (l location) open(ctx context.Context, model string, dim int, texts bool) (p index.Pair, err error) {
	one := func(what string) (index.Index, error) {
		if l.Postgres != "" {
			return pgvector.Open(ctx, pgvector.Config{URL: l.Postgres, Name: l.Key + "-" + what, Model: model, Dim: dim})
		}
		return index.Create(filepath.Join(l.Folder, what), model, dim)
	}
	if p.Images, err = one("images"); err != nil {
		return index.Pair{}, err
	}
	if texts {
		if p.Texts, err = one("texts"); err != nil {
			return index.Pair{}, errors.Join(err, p.Images.Close())
		}
	}
	return p, nil
}

// openKept opens the index in an engine and adds what it lacks.
func (ix *Index) openKept(ctx context.Context, o options) error {
	sum, err := ix.model.Towers.Fingerprint()
	if err != nil {
		return err
	}
	name, dim, texts := ix.name(sum), ix.model.Towers.Config.EmbedDim, len(ix.split.Texts()) > 0
	switch {
	case o.openIndex != nil:
		ix.kept, err = o.openIndex(ctx, sum, dim)
	case o.postgres != "":
		ix.where = location{Postgres: o.postgres, Key: fmt.Sprintf("%.12x", sha256.Sum256([]byte(name+samples(ix))))}
		ix.kept, err = ix.where.open(ctx, sum, dim, texts)
	default:
		ix.where = location{Folder: filepath.Join(repo.Experiments(), o.run, "index", name)}
		ix.kept, err = ix.where.open(ctx, sum, dim, texts)
		if err == nil {
			err = ix.deleteGonePictures(ctx)
		}
	}
	if err == nil {
		err = ix.fill(ctx, func() (*eval.Features, error) { return ix.storedFeatures(ctx, o.run, sum) })
	}
	if err != nil {
		return fmt.Errorf("indexing %s: %w", ix.split.Name(), errors.Join(err, ix.kept.Close()))
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
	return eval.OriginOf(ix.model.Towers, "", ix.split, ix.model.Towers.Config.ContextLength).Samples
}

// storedFeatures are those that an evaluation has left in the run's folder, or those that all cells share; nil where there are none.
func (ix *Index) storedFeatures(ctx context.Context, run, sum string) (*eval.Features, error) {
	m, split := ix.model, ix.split
	if run != "" {
		f, origin, err := eval.LoadFeatures(featuresFile(keptPrefix(run, split), sum))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil && origin == eval.OriginOf(m.Towers, sum, split, m.Towers.Config.ContextLength) { // those of other data are left alone
			return f, nil
		}
	}
	if m.sharedPrefix(split) == "" {
		return nil, nil
	}
	return m.features(ctx, exchange.Alone, split, "")
}

// fill adds what is missing: from stored features, which are in the split's order, else it encodes. A complete index asks for neither.
func (ix *Index) fill(ctx context.Context, stored func() (*eval.Features, error)) error {
	ids, texts := ix.split.ImageIDs(), ix.split.Texts()
	stored = sync.OnceValues(stored)
	vectors := func(of func(*eval.Features) []float32, encode func(context.Context, []int) ([]float32, error)) func(context.Context, []int) ([]float32, error) {
		return func(ctx context.Context, rows []int) ([]float32, error) {
			f, err := stored()
			if err != nil {
				return nil, err
			}
			if f == nil {
				return encode(ctx, rows)
			}
			return rowsOf(of(f), f.Dim, rows), nil
		}
	}
	images := vectors(func(f *eval.Features) []float32 { return f.Images }, ix.encodePictures)
	captions := vectors(func(f *eval.Features) []float32 { return f.Texts }, ix.encodeCaptions)
	bar := progress.New(os.Stderr, "indexing "+ix.split.Name(), len(ids)+len(texts))
	defer bar.Finish()
	if err := index.Build(ctx, ix.kept.Images, items(ids, ix.split.Name()), images, bar.Of); err != nil {
		return err
	}
	if ix.kept.Texts == nil {
		return nil
	}
	textIDs := make([]int64, len(texts))
	for i, t := range texts {
		textIDs[i] = t.ID
	}
	return index.Build(ctx, ix.kept.Texts, items(textIDs, ix.split.Name()), captions, func(done, _ int) { bar.Of(len(ids)+done, 0) })
}

// rowsOf takes rows out of vectors [n, dim].
func rowsOf(vectors []float32, dim int, rows []int) (out []float32) {
	for _, i := range rows {
		out = append(out, vectors[i*dim:(i+1)*dim]...)
	}
	return out
}

func (ix *Index) encodePictures(ctx context.Context, rows []int) ([]float32, error) {
	all := ix.split.ImageIDs()
	ids := make([]int64, len(rows))
	for k, i := range rows {
		ids[k] = all[i]
	}
	return eval.EncodePictures(ctx, exchange.Alone, ix.model.Towers, ix.split, ids)
}

func (ix *Index) encodeCaptions(ctx context.Context, rows []int) ([]float32, error) {
	all := ix.split.Texts()
	texts := make([]dataset.Text, len(rows))
	for k, i := range rows {
		texts[k] = all[i]
	}
	return eval.EncodeCaptions(ctx, exchange.Alone, ix.model.Towers, texts, ix.model.Towers.Config.ContextLength)
}

func items(ids []int64, split string) []index.Item {
	out := make([]index.Item, len(ids))
	for i, id := range ids {
		out[i] = index.Item{ID: id, Tags: map[string]string{"split": filepath.Base(split)}}
	}
	return out
}

// deleteGonePictures takes out of a folder's index the pictures that are no longer there. The file of ids always names at least those that the index has.
func (ix *Index) deleteGonePictures(ctx context.Context) error {
	path, now := filepath.Join(ix.where.Folder, "ids.json"), ix.split.ImageIDs()
	var known []int64
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &known)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %s: %w; delete the folder %s, and the index is built again", path, err, ix.where.Folder)
	}
	here := make(map[int64]bool, len(now))
	for _, id := range now {
		here[id] = true
	}
	gone := slices.DeleteFunc(known, func(id int64) bool { return here[id] })
	if err := writeIDs(path, slices.Concat(gone, now)); err != nil || len(gone) == 0 {
		return err
	}
	if err := ix.kept.Images.Delete(ctx, gone...); err != nil {
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
