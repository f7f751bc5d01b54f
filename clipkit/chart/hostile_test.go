package chart

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/chart/option"
	"clipnb/clipkit/experiment"
)

var hostile = []string{
	`</script><img src=x onerror=alert(1)>`,
	`"><script>alert(1)</script>`,
	`' onmouseover='alert(1)`,
	`<!--<script>`,
	"]]>&lt;\x00\x1b[31m\xff\xfe\u2028\u2029",
	`__f__function(){alert(1)}__f__`,
	`{a|<b>bold</b>}`,
	`javascript:alert(1)`,
	"`${alert(1)}`",
	`background:url(javascript:alert(1));}</style><style>*{background:url(//host.invalid)}`,
	`{p0|}{p1|猫}{@[2]}{b}`,
	"\u202eمرحبا بالعالم\u202e שלום",
	strings.Repeat("很长的标题 very long ", 5000),
}

// A fragment is checked as XML: the HTML that this package writes is well-formed, so whatever text smuggles in shows as an element or
// an attribute that isn't on these lists, or as a syntax error.
var (
	allowedElements   = []string{"div", "span", "img", "table", "thead", "tbody", "tr", "th", "td", "script"}
	allowedAttributes = []string{"style", "alt", "src", "width", "height", "colspan", "data-clipkit-chart", "title", "dir", "loading", "decoding"}
	allowedSource     = regexp.MustCompile(`^data:image/(png|jpeg|gif|webp|bmp|svg\+xml);base64,[A-Za-z0-9+/]*=*$`)
	allowedScript     = regexp.MustCompile(`^\(globalThis\.clipkitCharts\?\?=\[\]\)\.push\(\["[0-9a-f]{16}",\{.*\}\]\);$`)

	svgElements   = []string{"svg", "g", "rect", "text", "path", "image", "use", "defs"}
	svgAttributes = []string{"xmlns", "width", "height", "viewBox", "font-family", "font-size", "font-weight", "font-style", "font-variant", "text-anchor", "transform",
		"style", "fill", "fill-opacity", "stroke", "stroke-width", "opacity", "x", "y", "d", "id", "href"}
	svgHref = regexp.MustCompile(`^(#k[0-9]+|data:image/(png|jpeg|gif|webp|bmp);base64,[A-Za-z0-9+/]*=*)$`)
)

func checkFragment(t *testing.T, html string) {
	t.Helper()
	for _, problem := range intrusions(html) {
		t.Errorf("%s in\n%.2000s", problem, html)
	}
}

func intrusions(html string) (problems []string) {
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	d := xml.NewDecoder(strings.NewReader(html))
	inScript := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return problems
		}
		if err != nil {
			report("syntax error: %v", err)
			return problems
		}
		switch token := token.(type) {
		case xml.StartElement:
			inScript = token.Name.Local == "script"
			if !slices.Contains(allowedElements, token.Name.Local) {
				report("element <%s>", token.Name.Local)
			}
			for _, a := range token.Attr {
				if !slices.Contains(allowedAttributes, a.Name.Local) {
					report("attribute %s=%q", a.Name.Local, a.Value)
				}
				if a.Name.Local == "src" && !allowedSource.MatchString(a.Value) {
					report("src %.100q", a.Value)
				}
			}
		case xml.EndElement:
			inScript = false
		case xml.CharData:
			if inScript && !allowedScript.Match(token) {
				report("script %.300q", token)
			}
		case xml.Comment, xml.Directive, xml.ProcInst:
			report("%T %q", token, token)
		}
	}
}

// checkStill looks at a static picture in the same way.
func checkStill(t *testing.T, svg []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("a static picture is no XML: %v\n%.2000s", err, svg)
			return
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if !slices.Contains(svgElements, start.Name.Local) {
			t.Errorf("a static picture has an element <%s>", start.Name.Local)
		}
		for _, a := range start.Attr {
			if !slices.Contains(svgAttributes, a.Name.Local) || a.Name.Local == "href" && !svgHref.MatchString(a.Value) || strings.Contains(a.Value, "url(") {
				t.Errorf("a static picture has %s=%.100q", a.Name.Local, a.Value)
			}
		}
	}
}

// withText are all charts that hold outside text, with text in every place.
func withText(text string, png []byte) []*Chart {
	picture := Picture{Encoded: png, Caption: text}
	rows := []experiment.Row{{Kind: "train", Step: 1, Loss: 1, Note: text}, {Kind: "valid", Step: 1, Loss: 2}, {Kind: text, Note: text}}
	return []*Chart{
		Loss(rows),
		Overlay(Loss, Run{Name: text, Rows: rows}, Run{Name: "b", Rows: rows}),
		RecallBars(Named{Name: text, TextToImage: experiment.Recall{R1: 5}}, Named{Name: text + " twice"}, Named{Name: text, Published: true}),
		Latency(Timing{Model: text, Engine: text, Image: 1, Text: 2}),
		Confusion([]string{text, "b"}, [][]int{{3, 1}, {0, 2}}),
		Heatmap([][]float64{{0.1, 0.2}, {0.3, 0.4}}, []Picture{picture, {Caption: text}}, []string{text, "b"}),
		Similarities([]float64{0.3, 0.4}, []float64{0.1, 0.2}, 0.25),
		Map([][2]float64{{0, 1}, {2, 3}, {1, 1}}, []string{text, "b", text}, []Picture{picture, {Encoded: []byte(text), Caption: text}, picture}),
	}
}

func TestIntrusionsAreFound(t *testing.T) {
	for _, html := range []string{
		`<div onclick="x"></div>`, `<iframe></iframe>`, `<img src="https://host.invalid/a.png"/>`, `<script>alert(1)</script>`, `<div><!-- --></div>`, `<div>a<b</div>`,
	} {
		if len(intrusions(html)) == 0 {
			t.Errorf("%s passes", html)
		}
	}
	if problems := intrusions(`<div style="a">text &lt;b&gt;</div>`); len(problems) != 0 {
		t.Errorf("plain text is reported: %q", problems)
	}
}

// fault 38
func TestHostileTextIsInert(t *testing.T) {
	png := readTestdata(t, "good.png")
	right := true
	for _, text := range hostile {
		figures := []Figure{
			Grid(text, []Picture{{Encoded: png, Caption: text, Right: &right}, {Encoded: []byte(text), Caption: text}}),
			Table([]string{text, "b"}, [][]string{{text, "1"}, {"2"}}),
		}
		for _, c := range withText(text, png) {
			figures = append(figures, c)
			data := slices.Concat(c.option, option.Encode(c.live))
			if bytes.ContainsAny(data, "<>&\u2028\u2029") || !json.Valid(c.option) {
				t.Errorf("%s: the option holds unescaped characters or is no JSON: %.2000s", c.title, data)
			}
			checkStill(t, c.SVG())
			for _, s := range c.static {
				checkStill(t, s.Document("#334155"))
			}
		}
		for _, f := range figures {
			checkFragment(t, f.HTML())
			if f, ok := f.(fragment); ok {
				checkStill(t, f.Still())
			}
		}
		page, err := Page(text, Table(nil, nil))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(page, "<script") || strings.Contains(page, "<img") {
			t.Errorf("the title %q became elements:\n%s", text, page)
		}
	}
}

// A name that go-echarts' own template would turn into a function stays a string.
func TestFunctionMarkersStayText(t *testing.T) {
	c := RecallBars(Named{Name: `__f__function(){alert(1)}__f__`}) // one model: no letter before its name
	if name := parse(t, c).Series[0].Name; name != `__f__function(){alert(1)}__f__` {
		t.Errorf("the name is now %q", name)
	}
}

func TestOnlyPicturesAreEmbedded(t *testing.T) {
	for name, embedded := range map[string]bool{
		"good.png": true, "truncated.png": true, "script.svg": false, "xml-declared.svg": false, "page-named.png": false,
	} {
		html := Grid("", []Picture{{Encoded: readTestdata(t, name), Caption: "x"}}).HTML()
		if got := strings.Contains(html, "<img"); got != embedded {
			t.Errorf("%s: embedded %v, want %v\n%s", name, got, embedded, html)
		}
		if !embedded && !strings.Contains(html, "expected png, jpeg, gif, webp or bmp") {
			t.Errorf("%s: no reason is given:\n%s", name, html)
		}
	}
	for name, p := range map[string]Picture{"0 bytes": {}, "too large": {Encoded: make([]byte, maxPicture+1)}} {
		if html := Grid("", []Picture{p}).HTML(); strings.Contains(html, "<img") || !strings.Contains(html, name) {
			t.Errorf("%s: %.300s", name, html)
		}
	}
}

func TestGridShowsVerdictsAndScores(t *testing.T) {
	png, right, wrong := readTestdata(t, "good.png"), true, false
	html := Grid("结果", []Picture{
		{Encoded: png, Caption: "猫", Score: 0.3142, Right: &right}, {Encoded: png, Caption: "狗", Right: &wrong}, {Encoded: png, Caption: "鸟"},
	}).HTML()
	for text, want := range map[string]int{
		"✓": 1, "✗": 1, "solid #16a34a": 1, "solid #dc2626": 1, "solid transparent": 1, "0.3142": 1, "0.0000": 0, ">结果<": 1, "<img": 3,
	} {
		if got := strings.Count(html, text); got != want {
			t.Errorf("%q: %d times, want %d", text, got, want)
		}
	}
	if html := Grid("", nil).HTML(); !strings.Contains(html, "no pictures") {
		t.Errorf("an empty grid is %s", html)
	}
}

func TestTable(t *testing.T) {
	html := Table([]string{"Setting", "R@1"}, [][]string{{"zero-shot", "10.9"}, {"finetuned", "20.6 %", "extra"}}).HTML()
	checkFragment(t, html)
	for text, want := range map[string]int{"<th ": 2, "<td ": 5, "text-align:right": 2, ">20.6 %<": 1} {
		if got := strings.Count(html, text); got != want {
			t.Errorf("%q: %d times, want %d\n%s", text, got, want, html)
		}
	}
	if html := Table([]string{"a"}, nil).HTML(); !strings.Contains(html, "no rows yet") {
		t.Errorf("an empty table is %s", html)
	}
}

func FuzzGrid(f *testing.F) {
	names, err := filepath.Glob("testdata/*.*g")
	if err != nil || len(names) == 0 {
		f.Fatalf("no pictures in testdata (%v)", err)
	}
	for i, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, hostile[i%len(hostile)])
	}
	f.Fuzz(func(t *testing.T, encoded []byte, text string) {
		for _, f := range []Figure{Grid(text, []Picture{{Encoded: encoded, Caption: text}}), Table([]string{text}, [][]string{{text}})} {
			checkFragment(t, f.HTML())
			checkStill(t, f.(fragment).Still())
		}
		c := RecallBars(Named{Name: text})
		checkFragment(t, c.HTML())
		if name := parse(t, c).Series; len(name) != 1 {
			t.Errorf("%d series", len(name))
		}
	})
}

// Whatever a row holds, a chart is drawn or says that it has nothing to draw.
func FuzzLoss(f *testing.F) {
	f.Add(1, 2.5, 2, 2.5)
	f.Add(-5, 1e100, 1<<60, math.Nextafter(1e100, 0))
	f.Add(3, 5e-324, 4, -5e-324)
	f.Add(0, math.NaN(), 0, math.Inf(-1))
	f.Fuzz(func(t *testing.T, step1 int, loss1 float64, step2 int, loss2 float64) {
		c := Loss([]experiment.Row{{Kind: "train", Step: step1, Loss: loss1}, {Kind: "train", Step: step2, Loss: loss2}})
		checkFragment(t, c.HTML())
		if c.option != nil {
			parse(t, c)
		}
		for _, s := range c.static {
			if n := len(s.Document("#334155")); n > 60_000 {
				t.Errorf("a static picture of %d bytes", n)
			}
		}
	})
}

func readTestdata(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
