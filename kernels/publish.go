package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// publish moves the two results from work to dir. Those of a run that did not end well are called unfinished, so that the last good ones stay what they
// are. Older ones of the same name are kept under the time that the older notebook was made.
func publish(work, dir, name string, whole bool, out io.Writer) error {
	base := name
	if !whole {
		base += ".unfinished"
	}
	var made time.Time
	if old, err := os.Stat(filepath.Join(dir, base+".ipynb")); err == nil {
		made = old.ModTime()
	}
	for _, ext := range []string{".ipynb", ".html"} {
		from, to := filepath.Join(work, name+ext), filepath.Join(dir, base+ext)
		if _, err := os.Stat(from); err != nil {
			return fmt.Errorf("the run left no %s: %w", name+ext, err)
		}
		if old, err := os.Stat(to); err == nil {
			if made.IsZero() {
				made = old.ModTime()
			}
			kept := keptName(dir, base, ext, made)
			if err := os.Rename(to, kept); err != nil {
				return fmt.Errorf("keeping the older %s: %w", to, err)
			}
			fmt.Fprintf(out, "kept the older one as %s\n", kept)
		}
		if err := os.Rename(from, to); err != nil {
			return fmt.Errorf("%s: cannot write %s: %w", because(err.Error()), to, err)
		}
		fmt.Fprintf(out, "wrote %s\n", to)
	}
	if good := filepath.Join(dir, name+".html"); !whole {
		if _, err := os.Stat(good); err == nil {
			fmt.Fprintf(out, "the last run that ended well is still %s\n", good)
		}
	}
	return nil
}

// keptName is a free name with the time before the extension: results.ipynb, made at 12:30:05 UTC, becomes results.20261123T123005Z.ipynb.
func keptName(dir, base, ext string, made time.Time) string {
	stem := filepath.Join(dir, base+"."+made.UTC().Format("20060102T150405Z"))
	name := stem + ext
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); err != nil {
			return name
		}
		name = fmt.Sprintf("%s-%d%s", stem, n, ext)
	}
}
