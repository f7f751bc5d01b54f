// Package kept is where the index of a split is kept so that another process can open it: a folder, or names in a database.
//
//	at := kept.Location{Folder: "experiments/mine/index/test"}
//	pair, err := at.Open(ctx, fingerprint, 512, true)
package kept

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/index"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/regular"
)

// Location is where an index is kept that another process can open: a folder, or names in a database.
type Location struct {
	Folder        string
	Postgres, Key string
}

var errNoClient = errors.New("opening an index in PostgreSQL: its client is left out of cells, to keep them small; add _ \"clipnb/clipkit/index/pgvector\" to the notebook's imports and run that cell again")

// Open opens the two parts, or makes them.
func (l Location) Open(ctx context.Context, model string, dim int, texts bool) (p index.Pair, err error) {
	one := func(what string) (index.Index, error) {
		if l.Postgres != "" {
			if index.Postgres == nil {
				return nil, errNoClient
			}
			return index.Postgres(ctx, l.Postgres, l.Key+"-"+what, model, dim)
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

// Items are what an index keeps of a split's ids.
func Items(ids []int64, split string) []index.Item {
	out := make([]index.Item, len(ids))
	for i, id := range ids {
		out[i] = index.Item{ID: id, Tags: map[string]string{"split": filepath.Base(split)}}
	}
	return out
}

// DeleteGone takes out of the indexes, which are kept in folder, the pictures and captions that split does not have any more.
func DeleteGone(ctx context.Context, folder string, of index.Pair, split dataset.Source) error {
	if err := deleteGone(ctx, folder, "ids.json", of.Images, split.ImageIDs()); err != nil || of.Texts == nil {
		return err
	}
	texts := make([]int64, len(split.Texts()))
	for i, t := range split.Texts() {
		texts[i] = t.ID
	}
	return deleteGone(ctx, folder, "texts.json", of.Texts, texts)
}

// deleteGone takes out of one index what is not among now. The file of ids always names at least those that the index has.
func deleteGone(ctx context.Context, folder, file string, of index.Index, now []int64) error {
	path := filepath.Join(folder, file)
	var known []int64
	b, err := regular.ReadFile(path, 1<<30)
	if err == nil {
		err = json.Unmarshal(b, &known)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %s: %w; delete the folder %s, and the index is built again", path, err, folder)
	}
	here := make(map[int64]bool, len(now))
	for _, id := range now {
		here[id] = true
	}
	gone := slices.DeleteFunc(known, func(id int64) bool { return here[id] })
	if err := writeIDs(path, slices.Concat(gone, now)); err != nil || len(gone) == 0 {
		return err
	}
	if err := of.Delete(ctx, gone...); err != nil {
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
