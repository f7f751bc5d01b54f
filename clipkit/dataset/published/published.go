// Package published brings the reference's retrieval sets here by name: downloads the archive, unpacks it, counts what is in it.
//
//	dir, err := published.Locate(ctx, "Flickr30k-CN", published.Options{Folder: "datasets"})
//	data, err := dataset.Open(dir)
//
// The archive is kept beside the set, as datasets/<name>.zip; one that was put there by hand is taken as it is. A download that was interrupted goes
// on where it stopped, CLIPKIT_MIRROR, HF_ENDPOINT, CLIPKIT_OFFLINE and HF_HUB_OFFLINE change it as they do for weights. Nothing bears the set's name before all of it is there and opens.
//
// # Errors
//
// dataset.ErrNotFound: no set is published under that name. download.ErrOffline and download.ErrFailed: with every address and where to put the archive by hand.
// unpack.ErrArchive: it is damaged or hostile. ErrDiffers: what is there opens, and has not the published set's counts.
package published

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/download"
	"clipnb/clipkit/internal/unpack"

	"github.com/gofrs/flock"
)

// ErrDiffers is wrapped for a set under a published one's name that has other counts.
var ErrDiffers = errors.New("this is not the published set")

// oss is the older address, which the ModelZoo's page gives. COCO-CN was published after it.
const oss = "https://clip-cn-beijing.oss-cn-beijing.aliyuncs.com/datasets/"

const (
	maxArchive = 64 << 30 // bytes
	lockRetry  = 100 * time.Millisecond
)

// archive is what is known of a set's archive beside its address. No document gives a hash: HF's hub states one when a file is fetched.
type archive struct {
	oss  bool
	size int64 // bytes; 0 where it is not known
}

var archives = map[string]archive{
	"MUGE":         {oss: true, size: 2_166_554_702}, // as wget shows it in the reference's notebook
	"Flickr30k-CN": {oss: true},
	"COCO-CN":      {},
}

// Options of Locate. Only Folder is needed.
type Options struct {
	Folder   string                               // where data sets lie: datasets in the project
	Progress func(what string, done, total int64) // bytes of what is being done
	Say      func(line string)                    // what was found out, in sentences
	Getenv   func(string) string                  // nil is os.Getenv
	Client   *http.Client                         // nil is http.DefaultClient
}

// Locate gives the folder of a published set, and downloads and unpacks the set when it is not there. With ErrDiffers the folder is given as well.
func Locate(ctx context.Context, name string, o Options) (dir string, err error) {
	p, ok := dataset.FindPublished(name)
	if !ok {
		return "", fmt.Errorf("%w: no data set is published as %q", dataset.ErrNotFound, name)
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	dir = filepath.Join(o.Folder, p.Name)
	if _, err := os.Stat(dir); err == nil {
		return dir, o.there(p, dir)
	}
	path := dir + ".zip"
	if _, err := os.Stat(path); err != nil {
		if err := o.fetch(ctx, p, path); err != nil {
			return "", err
		}
	}
	lock := flock.New(path + ".lock")
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return "", fmt.Errorf("waiting for another process that unpacks %s: %w", path, err)
	}
	defer lock.Close()
	if _, err := os.Stat(dir); err == nil { // the other process did it
		return dir, o.there(p, dir)
	}
	if err := o.unpack(ctx, p, path, dir); errors.Is(err, ErrDiffers) {
		return dir, err
	} else if err != nil {
		return "", err
	}
	o.Say(path + " is not needed any more")
	return dir, nil
}

func (o Options) fetch(ctx context.Context, p dataset.Published, path string) error {
	a := archives[p.Name]
	urls := []string{download.Hub(o.Getenv) + strings.TrimPrefix(p.Address, download.Hub(func(string) string { return "" }))}
	if a.oss {
		urls = append(urls, oss+p.Name+".zip")
	}
	err := download.Fetch(ctx, download.File{
		URLs: urls, Path: path, Size: a.size, MaxSize: maxArchive, Offline: download.Offline(o.Getenv), Client: o.Client,
		Progress: o.progress("downloading " + filepath.Base(path)),
		Arrived: func(sum string, stated bool) {
			if stated {
				o.Say(fmt.Sprintf("%s has the SHA-256 that the server states, %s", path, sum))
			} else {
				o.Say(fmt.Sprintf("no hash of %s is published and this server states none: its size, its own checksums and the counts of what is in it are checked; its SHA-256 is %s", path, sum))
			}
		},
	})
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.Is(err, download.ErrOffline):
		return fmt.Errorf("%s: %w; then the same command unpacks it", p.Name, err)
	}
	return fmt.Errorf("%s: %w; an archive that is put at %s by hand is unpacked by the same command", p.Name, err, path)
}

func (o Options) progress(what string) func(done, total int64) {
	if o.Progress == nil {
		return nil
	}
	return func(done, total int64) { o.Progress(what, done, total) }
}

// unpack makes dir of the archive, and counts what is in it. What an interrupted process left is removed first.
func (o Options) unpack(ctx context.Context, p dataset.Published, path, dir string) error {
	unpacking := dir + ".unpacking"
	if err := errors.Join(os.RemoveAll(unpacking), os.MkdirAll(unpacking, 0o777)); err != nil {
		return fmt.Errorf("unpacking %s: %w", path, err)
	}
	defer os.RemoveAll(unpacking)
	if _, err := unpack.Into(ctx, path, unpacking, unpack.Options{Progress: o.progress("unpacking " + filepath.Base(path))}); errors.Is(err, unpack.ErrArchive) {
		return fmt.Errorf("%w; remove it to download it again", err)
	} else if err != nil {
		return err
	}
	o.Say(path + " is unpacked; what is in it is read and counted")
	from, err := top(unpacking)
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", path, err)
	}
	d, err := dataset.Open(from)
	if err != nil {
		return fmt.Errorf("%s is unpacked and does not open as a data set, so it is left out: %w", path, err)
	}
	d.Name = p.Name
	differs := o.count(p, d, dir)
	err = errors.Join(d.Close(), syncFolders(from))
	if err == nil {
		err = os.Rename(from, dir)
	}
	if err == nil {
		err = atomicfile.SyncDir(filepath.Dir(dir))
	}
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", path, err)
	}
	return differs
}

// syncFolders has what a folder holds, and not only the bytes of its files, outlive a power cut.
func syncFolders(dir string) error {
	return filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = atomicfile.SyncDir(path)
		}
		return err
	})
}

// top is the one folder of an archive, or all that was unpacked. What macOS adds does not count.
func top(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return e.Name() == "__MACOSX" || strings.HasPrefix(e.Name(), ".") })
	if len(entries) == 1 && entries[0].IsDir() && entries[0].Name() != "lmdb" {
		return filepath.Join(dir, entries[0].Name()), nil
	}
	return dir, nil
}

// there looks at a set that lies there already.
func (o Options) there(p dataset.Published, dir string) error {
	o.Say(dir + " is there already; what is in it is read and counted")
	d, err := dataset.Open(dir)
	if err != nil {
		return fmt.Errorf("%s is there already and does not open; remove it and try again: %w", dir, err)
	}
	defer d.Close()
	return o.count(p, d, dir)
}

// count compares the set, which lies in dir or will, with what is published of it, and says what it has.
func (o Options) count(p dataset.Published, d *dataset.Dataset, dir string) error {
	if differs := p.Differs(d); differs != "" {
		return fmt.Errorf("%w: %s bears the name of %s, but %s; it can be used, and its results are not comparable with published ones", ErrDiffers, dir, p.Name, differs)
	}
	var known []string
	for _, split := range []string{"train", "valid", "test"} {
		if _, ok := p.Sizes[split]; ok {
			known = append(known, split)
		}
	}
	o.Say(fmt.Sprintf("%s; the counts are the published ones, which are known of %s", d, strings.Join(known, ", ")))
	return nil
}
