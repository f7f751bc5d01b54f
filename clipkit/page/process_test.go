package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"clipnb/assets"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/explore"
	"clipnb/clipkit/index"
	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/model"
	"clipnb/clipkit/weights"
)

// The page's process of these tests is this test program.
func TestMain(m *testing.M) {
	Main(openEmoji)
	limit.Main(m)
}

// shown is what a page of these tests shows: the embedded valid split, with the embedded model under a name.
type shown struct{ Side string }

func openEmoji(ctx context.Context, spec json.RawMessage, token string) (*explore.Handler, func(), error) {
	var s shown
	if err := json.Unmarshal(spec, &s); err != nil {
		return nil, nil, err
	}
	if s.Side == "" {
		return nil, nil, errors.New("a side needs a name")
	}
	data, err := dataset.Open("emoji")
	if err != nil {
		return nil, nil, err
	}
	small, err := assets.SmallModel()
	if err != nil {
		return nil, nil, err
	}
	f, err := weights.Parse("emoji", small)
	if err != nil {
		return nil, nil, err
	}
	cfg, err := weights.Architecture(f)
	if err != nil {
		return nil, nil, err
	}
	dev, err := device.Open("cpu")
	if err != nil {
		return nil, nil, err
	}
	m, err := model.New(cfg, dev)
	if err != nil {
		return nil, nil, err
	}
	if err := weights.Load(m, cfg, f); err != nil {
		return nil, nil, err
	}
	features, err := eval.Extract(ctx, exchange.Alone, m, data.Valid, cfg.ContextLength, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	images, err := index.Create(filepath.Join(Dir(), "index"), "emoji", features.Dim)
	if err != nil {
		return nil, nil, err
	}
	items := make([]index.Item, len(features.ImageIDs))
	for i, id := range features.ImageIDs {
		items[i] = index.Item{ID: id}
	}
	rows := func(_ context.Context, at []int) (out []float32, err error) {
		for _, i := range at {
			out = append(out, features.Images[i*features.Dim:(i+1)*features.Dim]...)
		}
		return out, nil
	}
	if err := index.Build(ctx, images, items, rows, nil); err != nil {
		return nil, nil, err
	}
	h, err := explore.New(ctx, explore.Config{Title: "test", Source: data.Valid, Token: token, Sides: []explore.Side{{Name: s.Side, Model: m, Images: images}}})
	return h, func() { images.Close(); m.Close() }, err
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
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if !p.alive() {
			return
		}
	}
	t.Errorf("process %d is still there", p.PID)
}

// The page is found again as long as it shows the same, is replaced under the same address when it is to show something else, encodes for
// others, and ends with its kernel.
func TestPageLivesAsLongAsItsKernel(t *testing.T) {
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	ctx := t.Context()
	owner, end := kernel(t)
	page, err := start(ctx, "explore", shown{"a"}, owner)
	if err != nil {
		t.Fatal(err)
	}
	again, err := start(ctx, "explore", shown{"a"}, owner)
	if err != nil || again.URL != page.URL || again.state.Page != page.state.Page {
		t.Fatalf("found again: %v, want %v; %v", again, page, err)
	}
	info, err := os.Stat(stateFile("explore", owner))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the token: %v %v", info, err)
	}
	vectors, err := page.EncodeTexts(ctx, []string{"一只猫", "Hello 世界"})
	if err != nil || len(vectors) != 2 || len(vectors[0]) != 256 {
		t.Errorf("texts: %v, %d vectors", err, len(vectors))
	}
	hits, err := page.SearchText(ctx, "红色的心", 5)
	if err != nil || len(hits) != 5 || len(hits[0].Encoded) == 0 || len(hits[0].Captions) == 0 {
		t.Errorf("a search: %v, %d hits", err, len(hits))
	}

	other, err := start(ctx, "explore", shown{"another name"}, owner)
	if err != nil {
		t.Fatal(err)
	}
	gone(t, page.state.Page)
	if other.URL != page.URL || other.state.Page == page.state.Page {
		t.Errorf("the page that replaces %v is %v", page.URL, other.URL)
	}
	var info2 struct{ Models []struct{ Name string } }
	if err := other.ask(ctx, http.MethodGet, "api/info", nil, &info2); err != nil || len(info2.Models) != 1 || info2.Models[0].Name != "another name" {
		t.Errorf("%+v %v", info2, err)
	}
	another, _ := kernel(t)
	if _, ok := readState("explore", another); ok {
		t.Error("another kernel finds this one's page")
	}

	end() // the kernel restarts
	gone(t, other.state.Page)
	if files, _ := filepath.Glob(filepath.Join(Dir(), "*.json")); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
	if err := other.Healthy(ctx); !errors.Is(err, ErrNone) {
		t.Errorf("an ended page answers: %v", err)
	}
}

// What the page's process cannot open it says in its own words, and leaves nothing behind.
func TestStartRefuses(t *testing.T) {
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	owner, _ := kernel(t)
	if _, err := start(t.Context(), "a/b", shown{"a"}, owner); err == nil {
		t.Error("a page name with a slash")
	}
	_, err := start(t.Context(), "explore", shown{}, owner)
	if err == nil || !strings.Contains(err.Error(), "a side needs a name") || !strings.Contains(err.Error(), "explore.log") {
		t.Errorf("an opener's error: %v", err)
	}
	if files, _ := filepath.Glob(filepath.Join(Dir(), "*.json")); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
	if _, err := Attach(t.Context()); !errors.Is(err, ErrNone) {
		t.Errorf("attaching to nothing: %v", err)
	}
}

// The frame asks nobody unless Jupyter is around it, and holds its address as text.
func TestFrame(t *testing.T) {
	p := newPage("explore", state{Port: 4321, Token: "TOKENTOKENTOKEN"})
	html := p.frame("TICKETTICKETTICKET", 600)
	for _, part := range []string{`id="clipkit-page-TICKETTI"`, `href="http://127.0.0.1:4321/open/TICKETTICKETTICKET"`, `"proxy/4321/"`, "height:600px", `if (!config) return;`} {
		if !strings.Contains(html, part) {
			t.Errorf("the frame has no %s:\n%s", part, html)
		}
	}
	if strings.Contains(html, "TOKEN") {
		t.Errorf("the token is in the frame:\n%s", html)
	}
	if regexp.MustCompile(`\$[A-Z]`).MatchString(html) {
		t.Errorf("something is not filled in:\n%s", html)
	}
}

// The page's token is neither in ps nor in a notebook's output, and its file is the user's alone.
// fault 19.12
func TestTokenIsKeptNowhere(t *testing.T) {
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	ctx := t.Context()
	owner, _ := kernel(t)
	page, err := start(ctx, "explore", shown{"a"}, owner)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	frame, err := page.Frame(ctx, 600)
	if err != nil {
		t.Fatal(err)
	}
	link := page.String()
	for _, name := range []string{"cmdline", "environ"} {
		if words, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", page.PID(), name)); runtime.GOOS == "linux" && (err != nil || strings.Contains(string(words), page.state.Token)) {
			t.Errorf("%s: %q, %v", name, words, err)
		}
	}
	for name, text := range map[string]string{"the frame": frame, "a printed page": link, "a formatted one": fmt.Sprintf("%v %s", page, page)} {
		if strings.Contains(text, page.state.Token) {
			t.Errorf("%s has the token: %s", name, text)
		}
	}
	reply, err := http.Get(link)
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Errorf("the printed link: %v %v", reply, err)
	}
	if reply, err := http.Get(link); err != nil || reply.StatusCode != http.StatusUnauthorized {
		t.Errorf("the printed link, once more: %v %v", reply, err)
	}
	if info, err := os.Stat(stateFile("explore", owner)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the token: %v %v", info, err)
	}
}
