package clipkit_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/internal/browser"
)

type notebook struct {
	Cells []struct {
		CellType string `json:"cell_type"`
		Source   []string
		Outputs  []json.RawMessage
		Count    *int `json:"execution_count"`
	}
}

func readNotebook(t *testing.T, path string) (nb notebook) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &nb)
	}
	if err != nil {
		t.Fatal(err)
	}
	return nb
}

// Notebooks are stored without outputs, begin with %noautoget and have short cells.
func TestNotebooksAreTidy(t *testing.T) {
	paths, err := filepath.Glob("../notebooks/*.ipynb")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		code := 0
		for i, c := range readNotebook(t, path).Cells {
			if c.CellType != "code" {
				continue
			}
			if code++; code == 1 && strings.TrimSpace(c.Source[0]) != "%noautoget" {
				t.Errorf("%s: its first cell begins with %q", path, c.Source[0])
			}
			if len(c.Outputs) > 0 || c.Count != nil {
				t.Errorf("%s: cell %d is stored with outputs", path, i+1)
			}
			if len(c.Source) > 12 {
				t.Errorf("%s: cell %d has %d lines", path, i+1, len(c.Source))
			}
		}
	}
}

// The quickstart runs headless at a toy size, as the README says, and its page shows charts and pictures without a request to any host.
func TestQuickstartRunsHeadless(t *testing.T) {
	name := fmt.Sprintf("test-quickstart-%d", os.Getpid())
	run := filepath.Join("..", "experiments", name)
	t.Cleanup(func() { os.RemoveAll(run) })
	nb, page := execute(t, "quickstart", "steps=3", "name="+name)
	for _, file := range []string{"metrics.jsonl", "config.json", "eval/before.json", "eval/after.json", "checkpoints/step-00000003/manifest.json"} {
		if _, err := os.Stat(filepath.Join(run, file)); err != nil {
			t.Error(err)
		}
	}
	for i, c := range nb.Cells {
		if c.CellType == "code" && c.Count == nil {
			t.Errorf("cell %d was not executed", i+1)
		}
	}
	visit := browser.Open(t, page)
	if len(visit.Requests) > 0 {
		t.Errorf("the page asks for %v", visit.Requests)
	}
	// Loss, learning rate, two of throughput and recall are drawn by ECharts; 12 + 4×6 pictures are embedded.
	if n := strings.Count(visit.DOM, "<svg"); n < 4 {
		t.Errorf("%d live charts", n)
	}
	if n := strings.Count(visit.DOM, `src="data:image/png`); n < 36 {
		t.Errorf("%d pictures", n)
	}
}

// execute runs a notebook headless with parameters and gives what it left.
func execute(t *testing.T, name string, params ...string) (nb notebook, page string) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: this test runs a whole notebook")
	}
	out := t.TempDir()
	cmd := exec.Command("go", append([]string{"run", "./kernels", "exec", "-out", out, "notebooks/" + name + ".ipynb"}, params...)...)
	cmd.Dir = ".."
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	html, err := os.ReadFile(filepath.Join(out, name+".html"))
	if err != nil {
		t.Fatal(err)
	}
	return readNotebook(t, filepath.Join(out, name+".ipynb")), string(html)
}

// Somebody's own folder: pictures of coloured squares with a CSV of captions, trained with the recipe for it.
func TestFinetuneNotebookOnAFolderOfPictures(t *testing.T) {
	folder, name := t.TempDir(), fmt.Sprintf("test-finetune-%d", os.Getpid())
	squares(t, folder)
	run := filepath.Join("..", "experiments", name)
	t.Cleanup(func() { os.RemoveAll(run) })
	nb, page := execute(t, "finetune", "recipe=own/emoji", "data="+folder, "name="+name, "steps=4", "batch=32")
	for _, file := range []string{"metrics.jsonl", "eval/before.json", "eval/after.json", name + ".pt", "checkpoints/best/step-*/manifest.json"} {
		if found, err := filepath.Glob(filepath.Join(run, file)); err != nil || len(found) != 1 {
			t.Errorf("%s: %v, %v", file, found, err)
		}
	}
	for _, part := range []string{"own/emoji", "4 steps of 64 pairs, lr 0.0002", "GB", "valid 10 pictures"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %q", part)
		}
	}
	// The cell that trains leaves one place with both curves, the last state and no drawing before it.
	charts := 0
	for _, c := range nb.Cells {
		if !strings.Contains(strings.Join(c.Source, ""), "clipkit.Finetune") {
			continue
		}
		for _, o := range c.Outputs {
			if text := string(o); !strings.Contains(text, "globalThis.echarts)return") && strings.Contains(text, "data-clipkit-chart=") {
				charts++
				if !strings.Contains(text, "Training loss. train: ") || !strings.Contains(text, "(4); validation: ") || !strings.Contains(text, "In-batch accuracy") {
					t.Errorf("the curves of the run: %.3000s", text)
				}
			}
		}
	}
	if charts != 1 {
		t.Errorf("training left %d outputs with charts", charts)
	}
	visit := browser.Open(t, page)
	if n := strings.Count(visit.DOM, "<svg"); len(visit.Requests) > 0 || n < 5 { // loss, accuracy, learning rate, throughput, recall
		t.Errorf("%d live charts, requests %v", n, visit.Requests)
	}
}

// squares writes 48 pictures, 50 captions with commas among them, and a file that is none.
func squares(t *testing.T, folder string) {
	t.Helper()
	f, err := os.Create(filepath.Join(folder, "captions.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := csv.NewWriter(f)
	w.Write([]string{"image", "caption"})
	for i := range 48 {
		picture := image.NewRGBA(image.Rect(0, 0, 40+i, 60))
		draw.Draw(picture, picture.Bounds(), image.NewUniform(color.RGBA{uint8(5 * i), uint8(255 - 5*i), uint8(90 * (i % 3)), 255}), image.Point{}, draw.Src)
		name := fmt.Sprintf("方块 %d.png", i)
		p, err := os.Create(filepath.Join(folder, name))
		if err == nil {
			err = png.Encode(p, picture)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		w.Write([]string{name, fmt.Sprintf("第%d个方块, 宽%d", i, 40+i)})
	}
	w.Write([]string{"方块 0.png", "绿色的方块"})
	w.Write([]string{"方块 1.png", "另一个绿色的方块"})
	if w.Flush(); w.Error() != nil {
		t.Fatal(w.Error())
	}
}

// With no parameters but its length the notebook runs the emoji recipe.
func TestFinetuneNotebookOnTheEmbeddedSet(t *testing.T) {
	name := fmt.Sprintf("test-finetune-emoji-%d", os.Getpid())
	run := filepath.Join("..", "experiments", name)
	t.Cleanup(func() { os.RemoveAll(run) })
	_, page := execute(t, "finetune", "steps=2", "name="+name)
	for _, part := range []string{"emoji/finetune", "2 steps of 128 pairs, lr 0.0004", "57.2"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %q", part)
		}
	}
}

// Without weights and data the results table is made of the embedded set, and says so; a toy size.
func TestResultsNotebookRunsHeadless(t *testing.T) {
	name := fmt.Sprintf("test-results-%d", os.Getpid())
	run := filepath.Join("..", "experiments", name+"-emoji-finetune")
	t.Cleanup(func() { os.RemoveAll(run) })
	nb, page := execute(t, "results", "steps=6", "name="+name, "recipes=emoji/finetune,flickr30k/vit-h-14/full-8p")
	for i, c := range nb.Cells {
		if c.CellType == "code" && c.Count == nil {
			t.Errorf("cell %d was not executed", i+1)
		}
	}
	for _, file := range []string{"chinese_clip_bs128_1p_acc.log", "chinese_clip_bs128_1p_acc_perf_report.log", "eval/result.json"} {
		if _, err := os.Stat(filepath.Join(run, file)); err != nil {
			t.Error(err)
		}
	}
	for _, part := range []string{
		"Which rows this machine can run", "flickr30k/vit-h-14/full-8p（3 epochs, 8p × 32）: needs: weights ViT-H-14", "8 devices", "GB of memory", // 1
		"The table as printed", "put right, and what was measured here", "2512.40", "multiples", // 3, 4
		"emoji/finetune: measured here on emoji (embedded set, not Flickr30k-CN), after 6 steps only", ">published<", // 4
		"ActualFPS = ", "E2ETrainingTime = ", "Final Performance images/sec : ", // 5
		"Published retrieval results", "MUGE", "COCO-CN", "emoji finetuned（已发表 published）", "79.1", "83.5", "92.1", // 6
		"Published zero-shot classification", "CIFAR100", "26.2", // 7
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %q", part)
		}
	}
	visit := browser.Open(t, page)
	if n := strings.Count(visit.DOM, "<svg"); len(visit.Requests) > 0 || n < 9 { // throughput, and two of each of four sets
		t.Errorf("%d live charts, requests %v", n, visit.Requests)
	}
}

// The retrieval notebook, with two models and a folder of pictures. Its pages are there while it runs and gone with its kernel.
func TestRetrievalNotebookRunsHeadless(t *testing.T) {
	folder, name := t.TempDir(), fmt.Sprintf("test-retrieval-%d", os.Getpid())
	squares(t, folder)
	run := filepath.Join("..", "experiments", name)
	t.Cleanup(func() { os.RemoveAll(run) })
	nb, page := execute(t, "retrieval", "name="+name, "after=emoji", "folder="+folder, "query=红心")
	links := map[string]bool{}
	for i, c := range nb.Cells {
		if c.CellType == "code" && c.Count == nil {
			t.Errorf("cell %d was not executed", i+1)
		}
	}
	for _, link := range regexp.MustCompile(`http://127\.0\.0\.1:\d+/[A-Z0-9]+/`).FindAllString(page, -1) {
		links[link] = true
	}
	if len(links) != 3 {
		t.Errorf("links to pages: %v", links)
	}
	for link := range links { // a page looks twice a second whether its kernel is there
		for range 200 {
			if reply, err := http.Get(link + "healthz"); err != nil {
				delete(links, link)
				break
			} else {
				reply.Body.Close()
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	if len(links) > 0 {
		t.Errorf("pages that answer 10 s after their kernel has ended: %v", links)
	}
	for _, part := range []string{"文搜图 · By text: 红心", "狗 – 小狗: ", "我的图片 · My pictures: 红心", "方块 "} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %q", part)
		}
	}
	if kept, err := filepath.Glob(filepath.Join(run, "index", "*", "images", "index.log")); err != nil || len(kept) != 2 { // the emoji, the folder
		t.Errorf("indexes kept: %v %v", kept, err)
	}
	if visit := browser.Open(t, page); len(visit.Requests) > 0 {
		t.Errorf("the page asks for %v", visit.Requests)
	}
}
