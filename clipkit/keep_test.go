package clipkit_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/index"
	"clipnb/clipkit/index/pgvector/pgserver"
	"clipnb/clipkit/page"
)

// counting counts how many pictures are read, and ends a context after some.
type counting struct {
	dataset.Source
	read  atomic.Int64
	after int64
	end   func()
}

func (c *counting) Image(id int64) ([]byte, error) {
	if n := c.read.Add(1); c.end != nil && n == c.after {
		c.end()
	}
	return c.Source.Image(id)
}

// emojiModel is the embedded set and model, in a root of the test's own.
func emojiModel(t *testing.T) (context.Context, *dataset.Dataset, *clipkit.Model) {
	t.Helper()
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	data, err := clipkit.OpenDataset(t.Context(), "emoji")
	if err != nil {
		t.Fatal(err)
	}
	m, err := clipkit.Load(t.Context(), "emoji")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return t.Context(), data, m
}

// An index that is kept is the one in memory; an interrupted build goes on where it was, and a finished one is only opened.
func TestKeptIndexResumes(t *testing.T) {
	ctx, data, m := emojiModel(t)
	short, cancel := context.WithCancel(ctx)
	first := &counting{Source: data.Test, after: 400, end: cancel}
	if _, err := clipkit.BuildIndex(short, m, first, clipkit.Keep("run")); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	second := &counting{Source: data.Test}
	kept, err := clipkit.BuildIndex(ctx, m, second, clipkit.Keep("run"))
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if n := len(data.Test.ImageIDs()); second.read.Load() == 0 || second.read.Load() > int64(n-64) {
		t.Errorf("after an interruption %d of %d pictures were encoded", second.read.Load(), n)
	}
	third := &counting{Source: data.Test}
	again, err := clipkit.BuildIndex(ctx, m, third, clipkit.Keep("run"))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if n := third.read.Load(); n != 0 {
		t.Errorf("a finished index: %d pictures encoded again", n)
	}
	memory, err := clipkit.BuildIndex(ctx, m, data.Test)
	if err != nil {
		t.Fatal(err)
	}
	a, err := memory.SearchText(ctx, "红色的心", 10)
	b, err2 := again.SearchText(ctx, "红色的心", 10)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for i := range a {
		if a[i].ImageID != b[i].ImageID || a[i].Score-b[i].Score > 1e-5 || b[i].Score-a[i].Score > 1e-5 || !bytes.Equal(a[i].Encoded, b[i].Encoded) {
			t.Errorf("hit %d: %d %v in memory, %d %v kept", i, a[i].ImageID, a[i].Score, b[i].ImageID, b[i].Score)
		}
	}
}

// Features that an evaluation has left are taken over: nothing is encoded.
func TestIndexFromARunsFeatures(t *testing.T) {
	ctx, data, m := emojiModel(t)
	if _, err := clipkit.EvaluateRetrieval(ctx, m, data.Valid, clipkit.Keep("run")); err != nil {
		t.Fatal(err)
	}
	split := &counting{Source: data.Valid}
	ix, err := clipkit.BuildIndex(ctx, m, split, clipkit.Keep("run"))
	if err != nil || split.read.Load() != 0 {
		t.Fatalf("%d pictures encoded; %v", split.read.Load(), err)
	}
	defer ix.Close()
	if hits, err := ix.SearchText(ctx, "狗", 3); err != nil || len(hits) != 3 {
		t.Error(hits, err)
	}
	// Another engine is asked for by a function; its errors are told, and it may lack captions.
	var images *index.Folder
	_, err = clipkit.BuildIndex(ctx, m, data.Valid, clipkit.InEngine(func(_ context.Context, model string, dim int) (e index.Pair, err error) {
		images, err = index.Create(filepath.Join(t.TempDir(), "x"), model, dim)
		return index.Pair{Images: images}, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := images.Len(ctx); err != nil || n != len(data.Valid.ImageIDs()) {
		t.Error(n, err)
	}
	broken := errors.New("no server")
	if _, err := clipkit.BuildIndex(ctx, m, data.Valid, clipkit.InEngine(func(context.Context, string, int) (index.Pair, error) { return index.Pair{}, broken })); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// A folder of pictures that grows, changes and shrinks: only what is new is encoded, and what is gone is not found.
func TestIndexFollowsAFolderOfPictures(t *testing.T) {
	ctx, _, m := emojiModel(t)
	dir := t.TempDir()
	draw := func(name string, c color.Color) {
		p := image.NewRGBA(image.Rect(0, 0, 32, 32))
		for i := range 32 * 32 {
			p.Set(i%32, i/32, c)
		}
		var b bytes.Buffer
		if err := errors.Join(png.Encode(&b, p), os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755), os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	build := func() (labels map[string]bool, added int) {
		pictures, err := dataset.OpenPictures(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer pictures.Close()
		ix, err := clipkit.BuildIndex(ctx, m, pictures, clipkit.Keep("mine"))
		if err != nil {
			t.Fatal(err)
		}
		defer ix.Close()
		hits, err := ix.SearchText(ctx, "红色", 100)
		if err != nil {
			t.Fatal(err)
		}
		labels = map[string]bool{}
		for _, h := range hits {
			labels[pictures.Label(h.ImageID)] = true
		}
		if len(labels) != len(pictures.ImageIDs()) {
			t.Errorf("%d found of %d", len(labels), len(pictures.ImageIDs()))
		}
		return labels, len(hits)
	}
	draw("红/1.png", color.RGBA{255, 0, 0, 255})
	draw("绿/2.png", color.RGBA{0, 255, 0, 255})
	if labels, _ := build(); !labels["红/1.png"] || !labels["绿/2.png"] {
		t.Error(labels)
	}
	draw("蓝/3.png", color.RGBA{0, 0, 255, 255})
	if err := os.Remove(filepath.Join(dir, "绿/2.png")); err != nil {
		t.Fatal(err)
	}
	if labels, n := build(); labels["绿/2.png"] || !labels["蓝/3.png"] || n != 2 {
		t.Error(labels)
	}
	draw("红/1.png", color.RGBA{255, 0, 1, 255}) // changed: another id
	if labels, n := build(); n != 2 || !labels["红/1.png"] {
		t.Error(labels)
	}
	// Captions come and go with their file, and hits have them.
	draw("绿/2.png", color.RGBA{0, 255, 0, 255})
	for _, captions := range []string{"红的,蓝的,绿的", "红的,换了"} {
		list := "image,caption\n"
		for i, caption := range strings.Split(captions, ",") {
			list += []string{"红/1.png", "蓝/3.png", "绿/2.png"}[i] + "," + caption + "\n"
		}
		if err := os.WriteFile(filepath.Join(dir, "captions.csv"), []byte(list), 0o644); err != nil {
			t.Fatal(err)
		}
		p := clipkit.Must(dataset.OpenPictures(dir))
		ix := clipkit.Must(clipkit.BuildIndex(ctx, m, p, clipkit.Keep("mine")))
		texts := clipkit.Must(ix.Side(ctx, "mine")).Texts
		found, err := texts.Search(ctx, index.Query{Vector: clipkit.Must(m.EncodeTexts(ctx, []string{"红的"}))[0], Model: texts.Model(), K: 9})
		if want := strings.Count(list, "\n") - 1; err != nil || len(found) != want || len(p.Texts()) != want || found[0].ID != p.Texts()[0].ID {
			t.Errorf("%s: %v %v %v", captions, found, p.Texts(), err)
		}
		if hits, err := ix.SearchText(ctx, "红的", 3); err != nil || len(hits) != 3 {
			t.Errorf("%s: %v %v", captions, hits, err)
		}
		if err := errors.Join(ix.Close(), p.Close()); err != nil {
			t.Fatal(err)
		}
	}
	pictures, err := dataset.OpenPictures(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer pictures.Close()
	memory, err := clipkit.BuildIndex(ctx, m, pictures)
	if err != nil {
		t.Fatal(err)
	}
	if hits, err := memory.SearchText(ctx, "红色", 5); err != nil || len(hits) != 3 || len(hits[0].Captions) == 0 || hits[0].Captions[0] == "" {
		t.Errorf("in memory: %v %v", hits, err)
	}
	if folders, _ := filepath.Glob(filepath.Join(os.Getenv("CLIPKIT_ROOT"), "experiments", "mine", "index", "*")); len(folders) != 1 {
		t.Errorf("indexes: %v", folders)
	}
	if _, err := dataset.OpenPictures(t.TempDir()); !errors.Is(err, dataset.ErrNotFound) {
		t.Error(err)
	}
}

// In PostgreSQL the index is the one in memory, and the page's process opens it by its address.
func TestIndexInPostgres(t *testing.T) {
	server, err := pgserver.Start("fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ctx, data, m := emojiModel(t)
	ix, err := clipkit.BuildIndex(ctx, m, data.Valid, clipkit.InPostgres(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	memory, err := clipkit.BuildIndex(ctx, m, data.Valid)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := clipkit.Explore(ctx, ix, m)
	if err != nil {
		t.Fatal(err)
	}
	defer shown.Close()
	for name, search := range map[string]func(context.Context, string, int) ([]page.Hit, error){"here": ix.SearchText, "by the page": shown.SearchText} {
		want, err := memory.SearchText(ctx, "红色的心", 5)
		got, err2 := search(ctx, "红色的心", 5)
		if err != nil || err2 != nil || len(got) != 5 {
			t.Fatal(name, err, err2, len(got))
		}
		for i := range want {
			if got[i].ImageID != want[i].ImageID {
				t.Errorf("%s: hit %d is %d, want %d", name, i, got[i].ImageID, want[i].ImageID)
			}
		}
	}
}

// An index that is complete is only opened: it neither reads nor makes the features that all cells share.
func TestCompleteIndexAsksForNoFeatures(t *testing.T) {
	ctx, data, m := emojiModel(t)
	shared := filepath.Join(os.Getenv("CLIPKIT_ROOT"), "experiments", ".features")
	for i, want := range []bool{true, false} {
		ix, err := clipkit.BuildIndex(ctx, m, data.Valid, clipkit.Keep("run"))
		if err != nil {
			t.Fatal(err)
		}
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(shared); (err == nil) != want {
			t.Errorf("build %d: shared features there: %v, want %v", i+1, err == nil, want)
		}
		if err := os.RemoveAll(shared); err != nil {
			t.Fatal(err)
		}
	}
}
