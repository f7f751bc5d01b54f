package clipkit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/index/kept"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/live"
)

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
		ix.where = kept.Location{Postgres: o.postgres, Key: fmt.Sprintf("%.12x", sha256.Sum256([]byte(name+samples(ix))))}
		ix.kept, err = ix.where.Open(ctx, sum, dim, texts)
	default:
		ix.where = kept.Location{Folder: filepath.Join(repo.Experiments(), o.run, "index", name)}
		ix.kept, err = ix.where.Open(ctx, sum, dim, texts)
		if err == nil {
			err = kept.DeleteGone(ctx, ix.where.Folder, ix.kept.Images, ix.split.ImageIDs())
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
	return m.features(ctx, exchange.Alone, split, "", ix.skip)
}

// fill adds what the kept index lacks.
func (ix *Index) fill(ctx context.Context, stored func() (*eval.Features, error)) error {
	bar := live.Encoding(exchange.Alone, ix.model.Towers.Config, "indexing", ix.split)
	defer bar.Finish()
	return kept.Fill(ctx, ix.kept, ix.model.Towers, ix.split, stored, ix.skip, bar.Of)
}
