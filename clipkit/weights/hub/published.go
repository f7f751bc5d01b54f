package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/internal/download"
	"clipnb/clipkit/internal/intact"
)

// Release is one published model.
type Release struct {
	Name string // as arch.Lookup knows it
	File string // name of the reference's checkpoint
	repo string // name of the repository, on HF's hub and on ModelScope
}

// releases are the five published models in the order of cn_clip/clip/utils.py:19-25. Their sizes and hashes stand in no document, so none is pinned
// here: HF's hub states both when a file is fetched, and package download checks them; the other two servers state none, and what they send is only
// held to stay as it arrived.
var releases = []Release{
	{"ViT-B-16", "clip_cn_vit-b-16.pt", "chinese-clip-vit-base-patch16"},
	{"ViT-L-14", "clip_cn_vit-l-14.pt", "chinese-clip-vit-large-patch14"},
	{"ViT-L-14-336", "clip_cn_vit-l-14-336.pt", "chinese-clip-vit-large-patch14-336px"},
	{"ViT-H-14", "clip_cn_vit-h-14.pt", "chinese-clip-vit-huge-patch14"},
	{"RN50", "clip_cn_rn50.pt", "chinese-clip-rn50"},
}

// ErrNotPublished is wrapped for a model that has no published weights, ErrDownload when a file could not be fetched, ErrOffline when it was not tried.
var (
	ErrNotPublished = errors.New("no weights are published")
	ErrDownload     = download.ErrFailed
	ErrOffline      = download.ErrOffline
)

// Published lists the names of the models with published weights.
func Published() []string {
	var names []string
	for _, r := range releases {
		names = append(names, r.Name)
	}
	return names
}

// FindRelease looks a published model up; slashes are read as dashes.
func FindRelease(name string) (Release, error) {
	name = strings.ReplaceAll(name, "/", "-")
	for _, r := range releases {
		if r.Name == name {
			return r, nil
		}
	}
	return Release{}, fmt.Errorf("%w for %q; published: %s", ErrNotPublished, name, strings.Join(Published(), ", "))
}

const (
	modelScope = "https://www.modelscope.cn/models/AI-ModelScope/"
	oss        = "https://clip-cn-beijing.oss-cn-beijing.aliyuncs.com/checkpoints/"
)

// urls are the checkpoint's addresses in the order in which they are tried.
func (r Release) urls(getenv func(string) string) []string {
	return []string{
		download.Hub(getenv) + "/OFA-Sys/" + r.repo + "/resolve/main/" + r.File,
		modelScope + r.repo + "/resolve/master/" + r.File,
		oss + r.File,
	}
}

// Options of Locate. Only Folder is needed.
type Options struct {
	Folder   string                  // where downloads are kept: pretrained_weights in the project
	Progress func(done, total int64) // of a download
	Say      func(line string)       // what a person should know; nil is nobody
	Getenv   func(string) string     // nil is os.Getenv
	Client   *http.Client            // nil is http.DefaultClient
}

// Locate gives the path of a published model's weights, a file or a folder for weights.OpenModel, and downloads them when they are not on disk.
// It looks in the folder that CLIPKIT_WEIGHTS names, in o.Folder and in the reference's ~/.cache/clip, in each for the reference's file
// and for a folder named like the repository, as the hub's own tools make it. CLIPKIT_OFFLINE=1 or HF_HUB_OFFLINE=1 forbids downloading.
//
// A file that was downloaded is compared with its SHA-256, once (package intact). One that has changed since is moved away and downloaded again.
func Locate(ctx context.Context, name string, o Options) (path string, err error) {
	release, err := FindRelease(name)
	if err != nil {
		return "", err
	}
	getenv := o.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	folders := []string{getenv("CLIPKIT_WEIGHTS"), o.Folder}
	if home := getenv("HOME"); home != "" {
		folders = append(folders, filepath.Join(home, ".cache", "clip"))
	}
	var damaged error
	for _, folder := range folders {
		if folder == "" {
			continue
		}
		file := filepath.Join(folder, release.File)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			err := intact.Verify(file)
			if !errors.Is(err, intact.ErrDamaged) {
				return file, err
			}
			moved, other := intact.Quarantine(file)
			if other != nil {
				return "", fmt.Errorf("%w (%w)", err, other)
			}
			damaged = fmt.Errorf("%w; it is at %s now", err, moved)
			if o.Say != nil {
				o.Say(damaged.Error())
			}
		}
		dir := filepath.Join(folder, release.repo)
		if _, err := os.Stat(filepath.Join(dir, "config.json")); err == nil {
			return dir, nil
		}
	}
	cfg, err := arch.Lookup(release.Name)
	if err != nil {
		return "", err
	}
	path = filepath.Join(o.Folder, release.File)
	err = download.Fetch(ctx, download.File{
		URLs: release.urls(getenv), Path: path, Offline: download.Offline(getenv),
		MaxSize:  16 * int64(cfg.NumParams()), // four times its float32 values: room for an optimizer's state
		Progress: o.Progress, Client: o.Client,
	})
	if err != nil && damaged != nil {
		err = fmt.Errorf("%w; %w", err, damaged)
	}
	if err != nil {
		return "", err
	}
	return path, nil
}
