package library

import (
	"regexp"
	"strings"
	"testing"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/limit"
)

func TestMain(m *testing.M) { limit.Main(m) }

func TestEachIsOneScript(t *testing.T) {
	whole, err := Whole()
	if err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{"whole": whole, "script": Script(), "packed": Packed()} {
		inside, ok := strings.CutPrefix(script, "<script>")
		inside, ok2 := strings.CutSuffix(inside, "</script>")
		if !ok || !ok2 || strings.Contains(inside, "</script") || strings.Contains(inside, "<!--") {
			t.Errorf("%s is not a single script element", name)
		}
		if !strings.Contains(inside, "var define,module,exports;") {
			t.Errorf("%s: a module loader on the page would swallow ECharts", name)
		}
	}
	if n := len(Script()); n > 12_000 {
		t.Errorf("the script that every output brings has %d bytes", n)
	}
	if n := len(Packed()); n > 470_000 {
		t.Errorf("the packed library has %d bytes", n)
	}
}

func TestOutputBringsTheLibraryWhereNobodyServesIt(t *testing.T) {
	for served, packed := range map[string]bool{"": true, "served": false} {
		t.Setenv("CLIPKIT_CHARTS", served)
		if got := strings.Contains(Output(), "clipkitLibrary=\""); got != packed {
			t.Errorf("CLIPKIT_CHARTS=%q: the library is inside: %v", served, got)
		}
	}
}

// What arrives first, last, twice or without a library: a chart is drawn once, or stays the picture that it was.
func TestLibraryArrives(t *testing.T) {
	chart := func(name string) string {
		return `<div data-clipkit-chart="` + name + `"><img alt="still"></div><script>(globalThis.clipkitCharts??=[]).push(["` + name +
			`",{"xAxis":{"type":"category","data":["a"]},"yAxis":{},"tooltip":{},"series":[{"type":"bar","data":[1]}]},{"height":200}]);</script>`
	}
	loader := `<script>function define() { throw new Error("asked the module loader") } define.amd = {}</script>`
	broken := `<script>globalThis.clipkitLibrary="AAAA"</script>`
	for name, test := range map[string]struct {
		body         string
		live, static int
	}{
		"packed first":             {Packed() + chart("a") + chart("b"), 2, 0},
		"packed last":              {chart("a") + chart("b") + Packed(), 2, 0},
		"packed in each":           {Packed() + chart("a") + Packed() + chart("b"), 2, 0},
		"script, then packed":      {Script() + chart("a") + Packed() + chart("b"), 2, 0},
		"script alone":             {Script() + chart("a"), 0, 1},
		"library in the head":      {strings.SplitAfter(Packed(), "\n")[0] + "</script>" + Script() + chart("a"), 1, 0},
		"the same chart twice":     {Packed() + chart("a") + chart("a"), 2, 0},
		"a module loader":          {loader + Packed() + chart("a"), 1, 0},
		"a library that is broken": {broken + Script() + chart("a"), 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			visit := browser.Open(t, "<!DOCTYPE html><body>"+test.body)
			body := regexp.MustCompile(`(?s)<script.*?</script>`).ReplaceAllString(visit.DOM, "")
			if live, static := strings.Count(body, "<svg "), strings.Count(body, "<img "); live != test.live || static != test.static {
				t.Errorf("%d live and %d static charts, want %d and %d", live, static, test.live, test.static)
			}
			if len(visit.Console)+len(visit.Requests) != 0 {
				t.Errorf("console %q, requests %q", visit.Console, visit.Requests)
			}
		})
	}
}
