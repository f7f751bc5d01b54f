package explore_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/explore"
	"clipnb/clipkit/index"
	"clipnb/clipkit/internal/browser"

	"github.com/chromedp/chromedp/kb"
)

// visit opens a page and checks at the end of the test that it asked nobody but its own server, and that nothing in it went wrong.
func visit(t *testing.T, address string, look browser.Look) *browser.Tab {
	t.Helper()
	tab := browser.Drive(t, address, look)
	origin, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		asked := tab.Requests()
		for _, r := range asked {
			u, err := url.Parse(r)
			if err != nil || u.Scheme != "blob" && (u.Scheme != origin.Scheme || u.Host != origin.Host) {
				t.Errorf("the page asked for %s", r)
			}
		}
		if troubles := tab.Troubles(); len(troubles) > 0 || len(asked) < 5 {
			t.Errorf("%d requests; troubles: %q", len(asked), troubles)
		}
	})
	tab.Wait(`document.querySelectorAll(".cell img[src]").length > 5`)
	return tab
}

// shot keeps a screenshot where the flag asks for them.
func shot(tab *browser.Tab, name string) {
	if *shots == "" {
		return
	}
	tab.Wait(`[...document.querySelectorAll("img[src]")].every((i) => i.complete)`)
	tab.Eval(`new Promise((done) => setTimeout(done, 400))`, nil)
	tab.Shot(filepath.Join(*shots, name+".png"))
}

// answered waits until the page shows the answer to what its address says.
func answered(tab *browser.Tab) {
	tab.Wait(`document.body.dataset.answered === location.hash && !document.querySelectorAll(".cell:empty").length`)
}

const results = `[...document.querySelectorAll("section:not([hidden]) .grid")].map((g) => [...g.querySelectorAll(".cell")].slice(0, 4).map((c) => c.querySelector("img").dataset.src.split("/").pop()).join()).join(" ")`

// first are the ids of a search, as results gives them.
func first(t *testing.T, base string, question q) string {
	question["k"] = 4
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(search(t, base, question).ids())), ","), "[]")
}

func TestPageSearchesAsOneTypes(t *testing.T) {
	s := serve(t, 1, "")
	tab := visit(t, s.URL+"/", browser.Look{Width: 1100, Height: 900})
	tab.Wait(`document.activeElement.id === "text"`)
	shot(tab, "all")
	tab.Type("红色的心")
	tab.Wait(`location.hash.includes(encodeURIComponent("红色的心"))`)
	answered(tab)
	if got, want := tab.Text(results), first(t, s.URL, q{"text": "红色的心"}); got != want {
		t.Errorf("results %s, want %s", got, want)
	}
	if asked := len(slices.DeleteFunc(tab.Requests(), func(u string) bool { return !strings.HasSuffix(u, "/api/search") })); asked > 4 {
		t.Errorf("%d searches for four characters", asked)
	}
	shot(tab, "text")
	// A labelled query tells its rank, marks the right hit, and counts.
	tab.Type(kb.Escape)
	tab.Type("红心")
	answered(tab)
	tab.Wait(`document.querySelector(".pane h2").innerText.includes("红心") || /rank \d+|排第 \d+/.test(document.querySelector(".pane h2").innerText)`)
	tab.Wait(`/R@1 \d+%/.test(document.querySelector(".sofar").innerText)`)
	if n := tab.Text(`document.querySelectorAll(".cell.right .tick").length`); n != "1" {
		t.Errorf("%s right hits marked", n)
	}
	// A reload brings back what was asked.
	before := tab.Text(results)
	tab.Reload()
	tab.Wait(`document.querySelectorAll(".cell[data-score]").length > 3`)
	answered(tab)
	if got := tab.Text(results + `+ document.querySelector("#text").value`); got != before+"红心" {
		t.Errorf("after a reload %s, before %s", got, before)
	}
	// Keys: into the grid, to the second result, why.
	tab.Eval(`document.querySelector("#text").focus()`, nil)
	for _, k := range []string{kb.ArrowDown, kb.ArrowRight, "w"} {
		tab.Type(k)
	}
	tab.Wait(`document.querySelector("#detail").open && document.querySelector("#why").dataset.done`)
	if n := tab.Text(`document.querySelectorAll("#why .tokens span").length`); n != "2" {
		t.Errorf("%s tokens", n)
	}
	shot(tab, "why")
	tab.Type(kb.Escape)
	tab.Wait(`!document.querySelector("#detail").open`)
	// More like this: by the key, then Back.
	second := strings.Split(before, ",")[1]
	tab.Eval(`document.querySelector(".grid").focus()`, nil)
	tab.Type(kb.Enter)
	tab.Wait(`location.hash.includes("image=" + ` + second + `)`)
	answered(tab)
	if got, want := tab.Text(results), first(t, s.URL, q{"image": mustInt(t, second)}); got != want {
		t.Errorf("more like %s: %s, want %s", second, got, want)
	}
	tab.Eval(`history.back()`, nil)
	tab.Wait(`document.querySelector("#text").value === "红心"`)
	answered(tab)
	// The threshold dims what is below, and English is a click away.
	tab.Eval(`document.querySelector("#scores").open = true`, nil)
	tab.Eval(`(() => { const i = document.querySelector("#bars input"); i.value = 0.6; i.dispatchEvent(new Event("input")) })()`, nil)
	tab.Wait(`document.querySelectorAll(".cell.below").length > 0 && document.querySelectorAll(".cell[data-score]:not(.below)").length > 0`)
	shot(tab, "threshold")
	language := tab.Text(`document.documentElement.lang`)
	tab.Click("#language")
	tab.Wait(`document.documentElement.lang !== "` + language + `"`)
	shot(tab, "language")
	tab.Eval(`document.activeElement.blur()`, nil)
	tab.Type("?")
	tab.Wait(`document.querySelector("#keys").open`)
	shot(tab, "keys")
}

func mustInt(t *testing.T, s string) (n int64) {
	t.Helper()
	if _, err := fmt.Sscan(s, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A pasted picture is searched with, then mixed with a text; a dropped one replaces it.
func TestPageTakesPictures(t *testing.T) {
	s, e := serve(t, 1, ""), embedded()
	tab := visit(t, s.URL+"/", browser.Look{Width: 1100, Height: 900, Dark: true})
	give := func(id int64, event string) {
		encoded, err := e.split.Image(id)
		if err != nil {
			t.Fatal(err)
		}
		tab.Eval(fmt.Sprintf(`(() => {
			const bytes = Uint8Array.from(atob(%q), (c) => c.charCodeAt(0)), data = new DataTransfer();
			data.items.add(new File([bytes], "a.jpg", {type: "image/jpeg"}));
			window.dispatchEvent(%s);
		})()`, base64.StdEncoding.EncodeToString(encoded), event), nil)
	}
	ids := e.split.ImageIDs()
	give(ids[40], `new ClipboardEvent("paste", {clipboardData: data})`)
	tab.Wait(`location.hash.includes("picture=")`)
	answered(tab)
	if got := tab.Text(results); !strings.HasPrefix(got, fmt.Sprint(ids[40])) {
		t.Errorf("pasted %d: %s", ids[40], got)
	}
	tab.Wait(`!document.querySelector("#chip").hidden && document.querySelector("#chip-picture").naturalWidth > 0 && document.querySelector("#mix").hidden`)
	pasted := tab.Text(results)
	tab.Eval(`document.querySelector("#text").focus()`, nil)
	tab.Type("红心")
	tab.Wait(`!document.querySelector("#mix").hidden`)
	answered(tab)
	mixed := tab.Text(results)
	shot(tab, "mix-dark")
	tab.Eval(`(() => { const w = document.querySelector("#weight"); w.value = 0; w.dispatchEvent(new Event("input")) })()`, nil)
	tab.Wait(`/weight=0(&|$)/.test(location.hash)`)
	answered(tab)
	key := tab.Text(`new URLSearchParams(location.hash.slice(1)).get("picture")`)
	if want := first(t, s.URL, q{"text": "红心", "picture": key}); mixed != want || mixed == pasted {
		t.Errorf("pasted %s, mixed %s, want %s", pasted, mixed, want)
	}
	if text, want := tab.Text(results), first(t, s.URL, q{"text": "红心"}); text != want {
		t.Errorf("with weight 0 %s, want %s", text, want)
	}
	tab.Type(kb.Escape)
	tab.Wait(`document.querySelector("#chip").hidden && !document.querySelectorAll(".cell[data-score]").length`)
	give(ids[50], `new DragEvent("drop", {dataTransfer: data, cancelable: true})`)
	tab.Wait(`location.hash.includes("picture=")`)
	answered(tab)
	if got := tab.Text(results); !strings.HasPrefix(got, fmt.Sprint(ids[50])) {
		t.Errorf("dropped %d: %s", ids[50], got)
	}
	// Captions for the picture.
	tab.Eval(`document.querySelectorAll("#to button")[1].click()`, nil)
	tab.Wait(`document.querySelector(".grid").classList.contains("lines")`)
	answered(tab)
	shot(tab, "captions-dark")
	if name, want := tab.Text(`document.querySelector(".cell .name").innerText`), search(t, s.URL, q{"image": ids[50], "to": "texts", "k": 1}).Hits[0].Text; name != want {
		t.Errorf("first caption %q, want %q", name, want)
	}
	// What the server has forgotten is said.
	other := browser.Drive(t, s.URL+"/#picture=00000000000000000000000000000000", browser.Look{Width: 600, Height: 500})
	other.Wait(`!document.querySelector("#trouble").hidden && document.querySelector("#chip").hidden`)
}

func TestPageComparesTwoModels(t *testing.T) {
	s := serve(t, 2, "")
	tab := visit(t, s.URL+"/", browser.Look{Width: 1280, Height: 860})
	tab.Type("微笑的脸")
	tab.Wait(`document.querySelectorAll(".cell[data-score]").length > 20`)
	answered(tab)
	if got, want := tab.Text(results), first(t, s.URL, q{"text": "微笑的脸"})+" "+first(t, s.URL, q{"text": "微笑的脸", "model": 1}); got != want {
		t.Errorf("side by side %s, want %s", got, want)
	}
	// Every mark of the second model says how far its picture was in the first's ranking.
	ranks := map[int64]int{}
	for i, id := range search(t, s.URL, q{"text": "微笑的脸", "k": 100}).ids() {
		ranks[id] = i + 1
	}
	var marks []string
	tab.Eval(`[...document.querySelectorAll("[data-model='1'] .cell")].map((c) => [c.dataset.index, c.querySelector("img").dataset.src.split("/").pop(), c.querySelector(".up, .down, .new")?.innerText || ""].join())`, &marks)
	moved := 0
	for _, mark := range marks {
		var i int
		var id int64
		part := strings.Split(mark, ",")
		fmt.Sscan(part[0], &i)
		fmt.Sscan(part[1], &id)
		want := ""
		switch was := ranks[id]; {
		case was == 0:
			want = "new"
		case was > i+1:
			want = fmt.Sprintf("▲%d", was-i-1)
		case was < i+1:
			want = fmt.Sprintf("▼%d", i+1-was)
		}
		if want != "" {
			moved++
		}
		if part[2] != want && !(want == "new" && part[2] == "新") {
			t.Errorf("place %d, picture %d: marked %q, want %q", i+1, id, part[2], want)
		}
	}
	if moved < 3 {
		t.Errorf("only %d of %v moved", moved, marks)
	}
	shot(tab, "compare")
	tab.Eval(`document.activeElement.blur()`, nil)
	tab.Type("m")
	tab.Wait(`document.querySelectorAll("section:not([hidden])").length === 1`)
	answered(tab)
}

// A caption that is a script stays a text, in every place that shows it.
// fault 38
func TestHostileCaptionsAreText(t *testing.T) {
	const hostile = `</script><img src=x onerror="document.title='broken in'"><b>`
	e := embedded()
	if e.err != nil {
		t.Fatal(e.err)
	}
	source := renamed{e.split, hostile}
	s := start(t, explore.Config{Title: hostile, Source: source, Sides: e.sides[:1]})
	tab := visit(t, s.URL+"/", browser.Look{Width: 900, Height: 700})
	tab.Wait(`document.querySelectorAll("#try button").length > 3`)
	tab.Eval(`document.querySelector("#text").focus()`, nil)
	tab.Type("猫")
	tab.Wait(`document.querySelectorAll(".cell[data-score]").length > 3`)
	answered(tab)
	tab.Eval(`document.querySelector(".cell .ask").click()`, nil)
	tab.Wait(`document.querySelector("#detail li")`)
	for _, selector := range []string{"h1", ".cell .name", "#detail li", "#try button"} {
		if got := tab.Text(`document.querySelector("` + selector + `").textContent`); got != hostile {
			t.Errorf("%s shows %q", selector, got)
		}
	}
	tab.Type(kb.Escape)
	tab.Eval(`document.querySelectorAll("#to button")[1].click()`, nil)
	tab.Wait(`document.querySelector(".lines .name")?.textContent === ` + fmt.Sprintf("%q", hostile))
	if n := tab.Text(`document.querySelectorAll("b, .cell img[onerror], script:not([src])").length - document.querySelectorAll(".pane h2 b").length`); n != "0" {
		t.Errorf("%s elements came out of captions", n)
	}
	if title := tab.Text(`document.title`); title != hostile {
		t.Errorf("the title is %q", title)
	}
}

// renamed is a source whose captions are all the same.
type renamed struct {
	dataset.Source
	caption string
}

func (r renamed) Texts() []dataset.Text {
	texts := slices.Clone(r.Source.Texts())
	for i := range texts {
		texts[i].Text = r.caption
	}
	return texts
}

// whole claims to have every picture.
type whole struct{ index.Index }

func (whole) Missing(context.Context, ...int64) ([]int64, error) { return nil, nil }

// 100,000 pictures are as many cells as fit into the view, wherever one scrolls, and a pull through all of them loads what is looked at.
func TestPageScrollsThroughManyPictures(t *testing.T) {
	const n = 100_000
	c := wide(t, 200)
	c.Source, c.Sides[0].Images = manyPictures(n), whole{c.Sides[0].Images}
	s := start(t, c)
	tab := visit(t, s.URL+"/", browser.Look{Width: 1100, Height: 800})
	var longest float64
	tab.Eval(`new Promise((done) => {
		const grid = document.querySelector(".grid"), frames = [];
		let step = 0, last = performance.now();
		function frame(now) {
			frames.push(now - last);
			last = now;
			grid.scrollTop = (step / 120) * grid.scrollHeight;
			if (++step <= 120) requestAnimationFrame(frame); else done(frames.sort((a, b) => a - b)[Math.floor(frames.length / 2)]);
		}
		requestAnimationFrame(frame);
	})`, &longest)
	t.Logf("a pull through %d pictures: half of the frames within %.1f ms", n, longest)
	tab.Wait(`[...document.querySelectorAll(".cell")].some((c) => c.dataset.index === "99999" && c.querySelector("img").naturalWidth > 0)`)
	if cells := tab.Text(`document.querySelectorAll(".cell").length`); len(cells) > 2 {
		t.Errorf("%s cells in the document", cells)
	}
	if asked := len(tab.Requests()); asked > 600 {
		t.Errorf("%d requests for a pull through the set", asked)
	}
	shot(tab, "many")
}

// From a text to its pictures on the screen: asked, answered, every thumbnail in view loaded. What the wait after a key stroke adds is not in it.
func TestTextToScreen(t *testing.T) {
	s := start(t, wide(t, *pictures))
	tab := visit(t, s.URL+"/", browser.Look{Width: 1100, Height: 800})
	var took []float64
	tab.Eval(`(async () => {
		const took = [], text = document.querySelector("#text");
		for (let i = 0; i < 40; i++) {
			text.value = "第" + i + "个问题";
			text.dispatchEvent(new Event("input"));
			const start = performance.now();
			document.querySelector("#ask").requestSubmit();
			const shown = () => new URLSearchParams(location.hash.slice(1)).get("q") === text.value && document.body.dataset.answered === location.hash &&
				[...document.querySelectorAll(".cell img")].every((i) => i.complete && i.naturalWidth > 0);
			while (!shown()) await new Promise((next) => requestAnimationFrame(next));
			took.push(performance.now() - start);
		}
		return took.slice(8).sort((a, b) => a - b);
	})()`, &took)
	t.Logf("text to %s pictures on the screen, %d × 512: p50 %.0f ms, p95 %.0f ms", tab.Text(`document.querySelectorAll(".cell img").length`), *pictures, took[len(took)/2], took[len(took)*95/100])
	if took[0] <= 0 || len(took) != 32 {
		t.Errorf("%v", took)
	}
}
