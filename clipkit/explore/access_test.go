package explore_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"clipnb/clipkit/explore"
	"clipnb/clipkit/internal/browser"

	"github.com/chromedp/chromedp/kb"
)

// one serves a page of one model on a small set.
func one(t *testing.T) *httptest.Server {
	t.Helper()
	e := small()
	if e.err != nil {
		t.Fatal(e.err)
	}
	return start(t, explore.Config{Title: "表情 emoji", Source: e.split, Sides: e.sides})
}

// nameless are what one can act on or look at, in view, that has no name for those who do not see it.
const nameless = `[...document.querySelectorAll("button, input, summary, img[src], canvas[role], svg:not([aria-hidden]), [role=gridcell], [role=grid], dialog[open]")]
	.filter((e) => e.checkVisibility() && !(e.ariaLabel || e.getAttribute("aria-label") || e.alt || e.labels?.[0]?.textContent.trim() || e.textContent.trim()))
	.map((e) => e.outerHTML.slice(0, 80)).join("\n")`

// A reader without a mouse or without eyes: the first arrow key selects, the current cell is named, Tab leads to its "why", every picture has a text.
func TestPageWithoutAMouse(t *testing.T) {
	s := one(t)
	tab := visit(t, s.URL+"/", browser.Look{Width: 1100, Height: 900})
	tab.Wait(`document.activeElement.id === "text"`)
	tab.Type("红心")
	answered(tab)
	tab.Wait(`document.querySelectorAll(".cell[data-score]").length > 3`)
	const current = `document.getElementById(document.querySelector(".grid").getAttribute("aria-activedescendant"))`
	if is := tab.Text(`document.querySelector(".grid").hasAttribute("aria-activedescendant")`); is != "false" {
		t.Error("a cell is current before a key was pressed")
	}
	tab.Type(kb.ArrowDown)
	tab.Wait(current + `?.dataset.index === "0"`)
	tab.Type(kb.ArrowRight)
	tab.Wait(current + `?.dataset.index === "1" && ` + current + `.ariaSelected === "true" && document.querySelectorAll("[aria-selected=true]").length === 1`)
	if label, want := tab.Text(current+`.ariaLabel`), tab.Text(current+`.querySelector("img").alt`); want == "" || !strings.HasPrefix(label, want) || !strings.Contains(label, "2") {
		t.Errorf("the current cell is called %q, its picture %q", label, want)
	}
	if tree := tab.Text(`[...document.querySelectorAll(".grid > *, .grid > * > *, .grid > * > * > *")].map((e) => e.role).filter((r, i, all) => all.indexOf(r) === i).join()`); tree != "rowgroup,row,gridcell" {
		t.Errorf("in the grid are %s", tree)
	}
	if order := tab.Text(`[...document.querySelectorAll(".cell")].every((c, i, all) => !i || Number(all[i - 1].dataset.index) < Number(c.dataset.index))`); order != "true" {
		t.Error("cells are not read in their order")
	}
	if bad := tab.Text(nameless); bad != "" {
		t.Errorf("without a name:\n%s", bad)
	}
	// End and Home go to the ends, and the cells that come into view are the grid's.
	tab.Type(kb.End)
	tab.Wait(`Number(` + current + `?.ariaColIndex) > 0 && Number(` + current + `.dataset.index) > 100 && ` + current + `.parentElement.ariaRowIndex === document.querySelector(".grid").ariaRowCount`)
	tab.Type(kb.Home)
	tab.Wait(current + `?.dataset.index === "0"`)
	// Tab goes to the current cell's why, Enter presses it; Escape comes back.
	tab.Type(kb.Tab)
	tab.Wait(`document.activeElement.classList.contains("ask") && document.activeElement.closest(".cell") === ` + current)
	tab.Type(kb.Enter)
	tab.Wait(`document.querySelector("#detail").open && document.querySelector("#why").dataset.done`)
	if bad := tab.Text(nameless); bad != "" {
		t.Errorf("without a name in the look at one picture:\n%s", bad)
	}
	tab.Type(kb.Escape)
	tab.Wait(`!document.querySelector("#detail").open && document.activeElement.classList.contains("ask")`)
	// The chart of cosines is a picture with a text that has its figures.
	tab.Eval(`document.querySelector("#scores").open = true`, nil)
	tab.Wait(`/zero-shot.*0\.\d\d.*0\.\d\d.*0\.\d\d.*0\.\d\d/.test(document.querySelector("#bars svg[role=img]").getAttribute("aria-label"))`)
}

// "Labelled queries so far" counts what was asked and has an answer: not twice what is written in two ways, not what was only on the way to a longer text.
func TestPageCountsLabelledQueries(t *testing.T) {
	s := one(t)
	tab := visit(t, s.URL+"/", browser.Look{Width: 900, Height: 700})
	sofar := func(want string) {
		t.Helper()
		tab.Wait(`(document.querySelector(".sofar")?.innerText.match(/\d+/) || [""])[0] === "` + want + `"`)
	}
	ask := func(text string, enter bool) {
		t.Helper()
		tab.Eval(`(() => { const i = document.querySelector("#text"); i.value = "`+text+`"; i.dispatchEvent(new Event("input")); })()`, nil)
		tab.Wait(`new URLSearchParams(location.hash.slice(1)).get("q") === "` + strings.TrimSpace(text) + `" || new URLSearchParams(location.hash.slice(1)).get("q") === "` + text + `"`)
		answered(tab)
		if enter {
			tab.Eval(`document.querySelector("#ask").requestSubmit()`, nil)
			answered(tab)
		}
	}
	var two [][]string // captions that others begin with, and those
	tab.Eval(`(async () => {
		const texts = (await (await fetch("api/texts?n=500")).json()).texts.map((x) => x.text), pairs = [];
		for (const a of texts) for (const b of texts) if (b !== a && b.startsWith(a) && !pairs.some(([c]) => c.includes(a) || a.includes(c))) pairs.push([a, b]);
		return pairs.slice(0, 2);
	})()`, &two)
	if len(two) != 2 {
		t.Fatalf("captions of the set: %q", two)
	}
	ask(two[0][0], false)
	sofar("1")
	ask(two[0][0]+" ", true)
	sofar("1")
	ask(two[0][0]+"和没有人写过的话", true) // no caption: nothing is known of it, and it takes nothing away that was asked
	sofar("1")
	ask(two[1][0], false)
	sofar("2")
	ask(two[1][1], false) // typing has gone on
	tab.Eval(`new Promise((done) => setTimeout(done, 900))`, nil)
	sofar("2")
	ask(two[1][0], true) // asked by itself
	sofar("3")
}

// On a phone everything that is to be touched is 44 px, "why" is there without hovering, and nothing is wider than the screen.
func TestPageOnAPhone(t *testing.T) {
	s := one(t)
	for _, dark := range []bool{false, true} {
		name := map[bool]string{false: "phone-light", true: "phone-dark"}[dark]
		tab := visit(t, s.URL+"/#q=红心", browser.Look{Width: 390, Height: 844, Dark: dark})
		tab.Size(390, 844)
		tab.Wait(`innerWidth === 390 && document.querySelectorAll(".cell[data-score]").length > 3 && document.querySelector(".cell .ask").getBoundingClientRect().width >= 44`)
		tab.Wait(`document.querySelectorAll("#try button").length > 0`)
		touch := func(where string) {
			t.Helper()
			if small := tab.Text(`[...document.querySelectorAll("` + where + ` :is(button, summary, input, label.button)")].filter((e) => e.checkVisibility() && e.id !== "file")
				.map((e) => [e.id || e.className || e.textContent, e.getBoundingClientRect()]).filter(([, r]) => r.width < 44 || r.height < 44).map(([n, r]) => n + " " + r.width + "x" + r.height).join(", ")`); small != "" {
				t.Errorf("%s, %s: too small for a finger: %s", name, where, small)
			}
			if wide := tab.Text(`document.documentElement.scrollWidth`); wide != "390" {
				t.Errorf("%s, %s: %s px wide", name, where, wide)
			}
		}
		tab.Wait(`[...document.querySelectorAll(".cell img")].every((i) => i.naturalWidth > 0)`) // in other columns than before
		touch("body")
		if seen := tab.Text(`getComputedStyle(document.querySelector(".cell .ask")).opacity`); seen != "1" {
			t.Errorf("%s: why has opacity %s", name, seen)
		}
		shot(tab, name)
		tab.Click(`.cell .ask`)
		tab.Wait(`document.querySelector("#detail").open && document.querySelector("#why").dataset.done`)
		touch("dialog[open]")
		shot(tab, name+"-why")
		tab.Type(kb.Escape)
		tab.Eval(`document.querySelector("#scores").open = true`, nil)
		tab.Wait(`document.querySelector("#bars button").checkVisibility()`)
		touch("body")
		shot(tab, name+"-scores")
		tab.Eval(`document.querySelector("#scores").open = false`, nil)
		tab.Eval(`document.querySelectorAll("#to button")[1].click()`, nil)
		tab.Wait(`document.querySelector(".grid").classList.contains("lines")`)
		answered(tab)
		shot(tab, name+"-captions")
	}
}
