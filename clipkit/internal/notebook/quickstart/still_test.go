package quickstart_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/notebook"
)

// sanitized shows outputs as viewers of repositories do: scripts, styles and frames are gone, and of attributes only those are left that such viewers leave.
const sanitized = `<!DOCTYPE html><meta charset="utf-8"><body><script>
const kept = /^(alt|src|width|height|colspan|rowspan|title|dir)$/;
for (const html of %s) {
	const d = new DOMParser().parseFromString(html, "text/html");
	d.querySelectorAll("script, style, link, iframe, svg, form, button").forEach((e) => e.remove());
	d.querySelectorAll("*").forEach((e) => [...e.attributes].forEach((a) => kept.test(a.name) || e.removeAttribute(a.name)));
	d.querySelectorAll("[src]").forEach((e) => e.src.startsWith("data:image/") || e.removeAttribute("src"));
	const section = document.createElement("section");
	section.append(...d.body.childNodes);
	document.body.append(section);
}
</script>`

var (
	number   = regexp.MustCompile(`\d+\.\d+|\d+%`)
	embedded = regexp.MustCompile(`src="data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)"`)
	element  = regexp.MustCompile(`<[^>]*>`)
)

// withoutScripts looks at an executed notebook's figures where scripts and styles do not run: each has visible content, with every number that its text has.
func withoutScripts(t *testing.T, nb notebook.Notebook) {
	t.Helper()
	var pages, plain []string
	for _, c := range nb.Cells {
		for _, o := range c.Outputs {
			html, text := string(o.Data["text/html"]), string(o.Data["text/plain"])
			if html == "" {
				continue
			}
			if text == "" || !strings.HasPrefix(string(o.Data["image/svg+xml"]), "<svg ") {
				t.Errorf("a figure has no text or no image beside it: %.300s", html)
			}
			pages, plain = append(pages, html), append(plain, text)
		}
	}
	if len(pages) < 8 { // a grid, two tables, three charts and four searches; training's charts are one output
		t.Errorf("%d figures", len(pages))
	}
	list, err := json.Marshal(pages)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, sanitized, list) }))
	defer s.Close()
	tab := browser.Drive(t, s.URL+"/", browser.Look{Width: 900, Height: 1200})
	tab.Wait(fmt.Sprintf(`document.querySelectorAll("section").length === %d && [...document.images].every((i) => i.loading = "eager") && [...document.images].every((i) => i.complete)`, len(pages)))
	for i, text := range plain {
		section := fmt.Sprintf(`document.querySelectorAll("section")[%d]`, i)
		if n := tab.Text(fmt.Sprintf(`[...%s.querySelectorAll("img")].filter((i) => !(i.naturalWidth > 0 && i.getBoundingClientRect().height > 40)).length`, section)); n != "0" {
			t.Errorf("%s pictures do not show in %.300s", n, pages[i])
		}
		seen := tab.Text(section+`.innerText`) + tab.Text(`[...`+section+`.querySelectorAll("img")].map((i) => i.alt).join(" ")`)
		for _, picture := range embedded.FindAllStringSubmatch(pages[i], -1) {
			file, err := base64.StdEncoding.DecodeString(picture[1])
			if err != nil {
				t.Fatal(err)
			}
			seen += element.ReplaceAllString(string(file), " ")
		}
		for _, n := range number.FindAllString(text, -1) {
			if !strings.Contains(seen, n) {
				t.Errorf("%s is not to be seen of\n%s\nonly\n%.2000s", n, text, seen)
			}
		}
		if strings.TrimSpace(seen) == "" {
			t.Errorf("nothing is to be seen of\n%s", text)
		}
	}
}
