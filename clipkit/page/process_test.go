package clipkit

import (
	"context"
	"errors"
	"image"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"clipnb/clipkit/imaging"
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

// kernel starts a process that stands for a notebook's kernel.
func kernel(t *testing.T) (owner process, end func()) {
	t.Helper()
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	end = func() { c.Process.Kill(); c.Wait() }
	t.Cleanup(end)
	return thisProcess(c.Process.Pid), end
}

func gone(t *testing.T, p process) {
	t.Helper()
	for range 200 {
		if !p.alive() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("process %d is still there", p.PID)
}

// The page is found again as long as it shows the same, is replaced under the same address when it is to show something else, encodes for
// others, and ends with its kernel.
func TestPageLivesAsLongAsItsKernel(t *testing.T) {
	ix, ctx := pageIndex(t), t.Context()
	owner, end := kernel(t)
	spec, err := newSpec(ctx, ix, ix.model, exploreOptions{name: "explore"})
	if err != nil {
		t.Fatal(err)
	}
	page, err := openPage(ctx, spec, owner)
	if err != nil {
		t.Fatal(err)
	}
	if spec, err = newSpec(ctx, ix, ix.model, exploreOptions{name: "explore"}); err != nil {
		t.Fatal(err)
	}
	again, err := openPage(ctx, spec, owner)
	if err != nil || again.URL != page.URL || again.state.Page != page.state.Page {
		t.Fatalf("found again: %v, want %v; %v", again, page, err)
	}
	info, err := os.Stat(stateFile("explore", owner))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the token: %v %v", info, err)
	}

	texts := []string{"一只猫", "Hello 世界"}
	want, err := ix.model.EncodeTexts(ctx, texts)
	got, err2 := page.EncodeTexts(ctx, texts)
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
	got, err2 = page.EncodeImages(ctx, []image.Image{picture.Image()})
	if err != nil || err2 != nil || len(got) != 1 || farthest(got, want) > 1e-6 {
		t.Errorf("pictures: %v %v, %v apart", err, err2, farthest(got, want))
	}
	here, err := ix.SearchText(ctx, "红色的心", 5)
	there, err2 := page.SearchText(ctx, "红色的心", 5)
	if err != nil || err2 != nil || len(there) != 5 {
		t.Fatal(err, err2, len(there))
	}
	for i := range here {
		if here[i].ImageID != there[i].ImageID || len(there[i].Encoded) == 0 || !slices.Equal(here[i].Captions, there[i].Captions) {
			t.Errorf("hit %d: %d here, %d there", i, here[i].ImageID, there[i].ImageID)
		}
	}

	if spec, err = newSpec(ctx, ix, ix.model, exploreOptions{name: "explore", names: []string{"another name"}}); err != nil {
		t.Fatal(err)
	}
	other, err := openPage(ctx, spec, owner)
	if err != nil {
		t.Fatal(err)
	}
	gone(t, page.state.Page)
	if other.URL != page.URL || other.state.Page == page.state.Page {
		t.Errorf("the page that replaces %v is %v", page.URL, other.URL)
	}
	another, _ := kernel(t)
	if _, ok := readState("explore", another); ok {
		t.Error("another kernel finds this one's page")
	}

	end() // the kernel restarts
	gone(t, other.state.Page)
	if files, _ := filepath.Glob(filepath.Join(pages(), "*.json")); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
	if err := other.Healthy(ctx); !errors.Is(err, ErrNoPage) {
		t.Errorf("an ended page answers: %v", err)
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

// Outside a notebook the page belongs to the program; one that was killed is started again; a model that lies in no file is saved.
func TestExploreInAProgram(t *testing.T) {
	ix, ctx := pageIndex(t), t.Context()
	if _, err := Attach(ctx); !errors.Is(err, ErrNoPage) {
		t.Errorf("before there is a page: %v", err)
	}
	m := ix.model
	m.Source = "random weights, seed 1"
	beside, err := BuildIndex(ctx, m, ix.split)
	if err != nil {
		t.Fatal(err)
	}
	page, err := Explore(ctx, ix, m, Beside(beside), Called("zero-shot", "finetuned"))
	if err != nil {
		t.Fatal(err)
	}
	if saved, _ := filepath.Glob(filepath.Join(pages(), "*.safetensors")); len(saved) != 1 {
		t.Errorf("saved %v", saved)
	}
	found, err := Attach(ctx)
	if err != nil || found.URL != page.URL || !strings.HasPrefix(page.String(), "http://127.0.0.1:") {
		t.Errorf("attached to %v, want %v; %v", found, page, err)
	}
	var info struct {
		Models []struct{ Name string }
		Title  string
	}
	if err := page.ask(ctx, "GET", "api/info", nil, &info); err != nil || len(info.Models) != 2 || info.Models[1].Name != "finetuned" || info.Title != "emoji/valid" {
		t.Errorf("%+v %v", info, err)
	}
	if err := syscall.Kill(page.state.Page.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone(t, page.state.Page)
	revived, err := Explore(ctx, ix, m, Beside(beside), Called("zero-shot", "finetuned"))
	if err != nil || revived.state.Page == page.state.Page {
		t.Fatal(revived, err)
	}
	if err := revived.Close(); err != nil {
		t.Error(err)
	}
	gone(t, revived.state.Page)
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
	shape, v, err := ix.model.Get("text_projection")
	if err != nil {
		t.Fatal(err)
	}
	v[0]++
	if err := ix.model.Set("text_projection", shape, v); err != nil {
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

// The frame asks nobody unless Jupyter is around it, and holds its address as text.
func TestFrame(t *testing.T) {
	p := newPage("explore", pageState{Port: 4321, Token: "TOKENTOKENTOKEN"})
	html := p.frame(600)
	for _, part := range []string{`id="clipkit-page-TOKENTOK"`, `href="http://127.0.0.1:4321/TOKENTOKENTOKEN/"`, `"proxy/4321/TOKENTOKENTOKEN/"`, "height:600px", `if (!config) return;`} {
		if !strings.Contains(html, part) {
			t.Errorf("the frame has no %s:\n%s", part, html)
		}
	}
	if regexp.MustCompile(`\$[A-Z]`).MatchString(html) {
		t.Errorf("something is not filled in:\n%s", html)
	}
}
