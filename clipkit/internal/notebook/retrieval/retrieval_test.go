package retrieval_test

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/internal/notebook"
)

func TestMain(m *testing.M) { limit.Main(m) }

// The retrieval notebook, with two models and a folder of pictures. Its pages are there while it runs and gone with its kernel.
func TestRetrievalNotebookRunsHeadless(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	notebook.Squares(t, folder)
	name, run := notebook.Run(t, "retrieval")
	nb, page, said := notebook.ExecuteAloud(t, "retrieval", "name="+name, "after=emoji", "folder="+folder, "query=红心")
	links := map[string]bool{}
	nb.Executed(t)
	nb.EveryForm(t)
	for _, link := range regexp.MustCompile(`http://127\.0\.0\.1:\d+/`).FindAllString(page, -1) {
		links[link] = true
	}
	if len(links) != 3 {
		t.Errorf("links to pages: %v", links)
	}
	for end := time.Now().Add(2 * time.Minute); len(links) > 0; time.Sleep(50 * time.Millisecond) { // a page looks twice a second whether its kernel is there
		for link := range links {
			reply, err := http.Get(link + "healthz")
			if err != nil {
				delete(links, link)
				continue
			}
			reply.Body.Close()
		}
		if time.Now().After(end) {
			t.Fatalf("pages that answer 2 minutes after their kernel has ended: %v", links)
		}
	}
	for _, part := range []string{"文搜图 · By text: 红心", "狗 – 小狗: ", "我的图片 · My pictures: 红心", "个方块, 宽"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %q", part)
		}
	}
	if n := strings.Count(said, "the retrieval page, shown in the open notebook\n"); n != 3 || strings.Contains(said, "(text/html)") {
		t.Errorf("exec tells %d times of a page:\n%s", n, said)
	}
	if kept, err := filepath.Glob(filepath.Join(run, "index", "*", "images", "index.log")); err != nil || len(kept) != 2 { // the emoji, the folder
		t.Errorf("indexes kept: %v %v", kept, err)
	}
	if visit := browser.Open(t, page); len(visit.Requests) > 0 {
		t.Errorf("the page asks for %v", visit.Requests)
	}
}
