package shape

import (
	"errors"
	"slices"
	"strings"
)

// Parquet is parquet.Open, where a program has package parquet; else nil.
var Parquet func(name, dir string, files []string) ([]*Split, error)

var errNoParquet = errors.New("the reader of parquet is left out of cells, to keep them small; add _ \"clipnb/clipkit/dataset/parquet\" to the notebook's imports and run that cell again")

// FindParquet picks the files of a data set out of those of a folder. The tables that img2dataset writes beside its tar files hold no pictures.
func FindParquet(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(f string) bool {
		stem, is := strings.CutSuffix(f, ".parquet")
		return !is || slices.Contains(files, stem+".tar")
	})
}

// OpenParquet opens the files as Parquet does.
func OpenParquet(name, dir string, files []string) ([]*Split, error) {
	if Parquet == nil {
		return nil, errNoParquet
	}
	return Parquet(name, dir, files)
}
