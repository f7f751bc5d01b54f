package onnx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clipnb/clipkit/internal/atomicfile"
)

// write makes the files at path. They are whole, in a folder beside, before anything at path changes.
func (g *graph) write(ctx context.Context, path string) (err error) {
	name, extra := filepath.Base(path), filepath.Base(path)+extraSuffix
	list, besides := g.layout(extra)
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	dir, err := atomicfile.MkdirTemp(filepath.Dir(path), "."+name+".*")
	if err != nil {
		return unnamed(err, filepath.Dir(path))
	}
	fill := func(name string, write func(w io.Writer) error) error {
		var own error // without the temporary names, of which nobody has heard
		err := atomicfile.Write(filepath.Join(dir, name), func(w io.Writer) error {
			own = write(stoppable{ctx, w})
			return own
		})
		if own != nil {
			err = own
		}
		return unnamed(err, dir)
	}
	if besides > 0 {
		err = fill(extra, func(w io.Writer) error { return writeBeside(w, list) })
	}
	if err == nil {
		err = fill(name, func(w io.Writer) error { return g.writeModel(w, list) })
	}
	if err == nil {
		var stranded bool
		if stranded, err = install(dir, path, besides > 0); stranded {
			return fmt.Errorf("%w; older files are left in %s, with .old after their names: move them back", err, dir)
		}
	}
	if left := atomicfile.RemoveAll(dir); err == nil {
		err = left
	}
	return err
}

// install moves new files from dir to path. Where weights lie beside, an older model leaves first, for dir, and the new one comes last, so that a crash
// on the way leaves no model, never one beside the other's weights. After an error the older files are back; where they could not be moved, they are
// stranded in dir.
func install(dir, path string, besides bool) (stranded bool, err error) {
	model, extra := filepath.Join(dir, filepath.Base(path)), path+extraSuffix
	var undo []func() error
	move := func(from, to string) error {
		if err := atomicfile.Rename(from, to); err != nil {
			return unnamed(err, filepath.Dir(path))
		}
		undo = append(undo, func() error { return atomicfile.Rename(to, from) })
		return nil
	}
	aside := func(old string) error {
		if !exists(old) {
			return nil
		}
		return move(old, filepath.Join(dir, filepath.Base(old)+".old"))
	}
	for _, old := range []string{path, extra} {
		if info, err := os.Lstat(old); err == nil && info.IsDir() {
			return false, fmt.Errorf("%s is a folder", old)
		}
	}
	if besides || exists(extra) { // one file alone is replaced in one step
		if err = aside(path); err == nil {
			err = aside(extra)
		}
	}
	if err == nil && besides {
		err = move(filepath.Join(dir, filepath.Base(extra)), extra)
	}
	if err == nil {
		err = move(model, path)
	}
	if err == nil {
		return false, atomicfile.SyncDir(filepath.Dir(path)) // whatever comes of it, the new files are there
	}
	for _, back := range slices.Backward(undo) {
		if back() != nil {
			return true, err
		}
	}
	return false, err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// unnamed is an error without the name of the file in dir that it was about, which is temporary.
func unnamed(err error, dir string) error {
	var of *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &of) && strings.HasPrefix(of.Path, dir):
		return of.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// stoppable ends a write when ctx does.
type stoppable struct {
	ctx context.Context
	w   io.Writer
}

func (s stoppable) Write(data []byte) (int, error) {
	if err := context.Cause(s.ctx); err != nil {
		return 0, err
	}
	return s.w.Write(data)
}
