package clipkit

import (
	"context"
	"encoding/json"
	"errors"
	"image"
	"math"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"clipnb/clipkit/imaging"
	"clipnb/clipkit/page"
)

// pageIndex is an index of the embedded set in a root of its own.
func pageIndex(t *testing.T) *Index {
	t.Helper()
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	ctx := t.Context()
	data, err := OpenDataset(ctx, "emoji")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load(ctx, "emoji")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	ix, err := BuildIndex(ctx, m, data.Valid)
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

// The page encodes and searches as the program does that started it, and its process has opened model and data by itself.
func TestPageIsTheSameModel(t *testing.T) {
	ix, ctx := pageIndex(t), t.Context()
	p, err := Explore(ctx, ix, ix.model)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	texts := []string{"一只猫", "Hello 世界"}
	want, err := ix.model.EncodeTexts(ctx, texts)
	got, err2 := p.EncodeTexts(ctx, texts)
	if err != nil || err2 != nil || len(got) != 2 || farthest(got, want) > 1e-6 {
		t.Errorf("texts: %v %v, %v apart", err, err2, farthest(got, want))
	}
	encoded, err := ix.split.Image(ix.split.ImageIDs()[5])
	if err != nil {
		t.Fatal(err)
	}
	picture, err := imaging.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	want, err = ix.model.EncodeImages(ctx, []image.Image{picture.Image()})
	got, err2 = p.EncodeImages(ctx, []image.Image{picture.Image()})
	if err != nil || err2 != nil || len(got) != 1 || farthest(got, want) > 1e-6 {
		t.Errorf("pictures: %v %v, %v apart", err, err2, farthest(got, want))
	}
	here, err := ix.SearchText(ctx, "红色的心", 5)
	there, err2 := p.SearchText(ctx, "红色的心", 5)
	if err != nil || err2 != nil || len(there) != 5 {
		t.Fatal(err, err2, len(there))
	}
	for i := range here {
		if here[i].ImageID != there[i].ImageID || len(there[i].Encoded) == 0 || !slices.Equal(here[i].Captions, there[i].Captions) {
			t.Errorf("hit %d: %d here, %d there", i, here[i].ImageID, there[i].ImageID)
		}
	}
}

func farthest(a, b [][]float32) (most float64) {
	for i := range min(len(a), len(b)) {
		for k := range a[i] {
			most = max(most, math.Abs(float64(a[i][k]-b[i][k])))
		}
	}
	return most
}

// gone waits until a page's process has ended.
func gone(t *testing.T, p *page.Page) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if errors.Is(p.Healthy(t.Context()), page.ErrNone) {
			return
		}
	}
	t.Errorf("process %d is still there", p.PID())
}

// Outside a notebook the page belongs to the program; one that was killed is started again; a model that lies in no file is saved.
func TestExploreInAProgram(t *testing.T) {
	ix, ctx := pageIndex(t), t.Context()
	if _, err := page.Attach(ctx); !errors.Is(err, page.ErrNone) {
		t.Errorf("before there is a page: %v", err)
	}
	m := ix.model
	m.again = "" // as New's

	beside, err := BuildIndex(ctx, m, ix.split)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := Explore(ctx, ix, m, Beside(beside), Called("zero-shot", "finetuned"))
	if err != nil {
		t.Fatal(err)
	}
	if saved, _ := filepath.Glob(filepath.Join(page.Dir(), "*.safetensors")); len(saved) != 1 {
		t.Errorf("saved %v", saved)
	}
	found, err := page.Attach(ctx)
	if err != nil || found.URL != shown.URL || !strings.HasPrefix(shown.String(), "http://127.0.0.1:") {
		t.Errorf("attached to %v, want %v; %v", found, shown, err)
	}
	var info struct {
		Models []struct{ Name string }
		Title  string
	}
	reply, err := http.Get(shown.URL + "api/info")
	if err == nil {
		err = errors.Join(json.NewDecoder(reply.Body).Decode(&info), reply.Body.Close())
	}
	if err != nil || len(info.Models) != 2 || info.Models[1].Name != "finetuned" || info.Title != "emoji/valid" {
		t.Errorf("%+v %v", info, err)
	}
	if err := syscall.Kill(shown.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone(t, shown)
	revived, err := Explore(ctx, ix, m, Beside(beside), Called("zero-shot", "finetuned"))
	if err != nil || revived.PID() == shown.PID() {
		t.Fatal(revived, err)
	}
	if err := revived.Close(); err != nil {
		t.Error(err)
	}
	gone(t, revived)
	if err := revived.Close(); err != nil {
		t.Error("closing twice:", err)
	}
}

// What cannot be shown is said before or by the page's process, with its own words.
func TestExploreRefuses(t *testing.T) {
	ix, ctx := pageIndex(t), t.Context()
	if _, err := Explore(ctx, ix, ix.model, PageName("a/b")); err == nil {
		t.Error("a page name with a slash")
	}
	data, err := OpenDataset(ctx, "emoji")
	if err != nil {
		t.Fatal(err)
	}
	other := &Index{model: ix.model, split: data.Test, features: ix.features, exact: ix.exact}
	if _, err := Explore(ctx, ix, ix.model, Beside(other)); err == nil || !strings.Contains(err.Error(), "other pictures") {
		t.Errorf("two splits: %v", err)
	}
	shape, v, err := ix.model.Towers.Get("text_projection")
	if err != nil {
		t.Fatal(err)
	}
	v[0]++
	if err := ix.model.Towers.Set("text_projection", shape, v); err != nil {
		t.Fatal(err)
	}
	if _, err = Explore(ctx, ix, ix.model); err == nil || !strings.Contains(err.Error(), "other weights") || !strings.Contains(err.Error(), "save that one") {
		t.Errorf("a model that was changed in memory: %v", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Explore(ctx, ix, ix.model); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
