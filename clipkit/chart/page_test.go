package chart

import (
	"regexp"
	"strings"
	"testing"

	"clipnb/clipkit/chart/library"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/browser"
)

// loads are the ways in which markup or a style sheet fetches something.
var loads = regexp.MustCompile(`(?i)(src|href|srcset|action)\s*=\s*["']?\s*(https?:)?//|url\(\s*["']?\s*(https?:)?//|@import`)

func everything(t *testing.T) []Figure {
	t.Helper()
	rows := training(200)
	right, wrong := true, false
	png := readTestdata(t, "good.png")
	return []Figure{
		Loss(rows), LearningRate(rows), Accuracy(rows), Throughput(rows),
		Overlay(Throughput, Run{hostile[0], rows}, Run{"b", rows}),
		Confusion([]string{hostile[0], hostile[1]}, [][]int{{3, 1}, {0, 2}}),
		Heatmap([][]float64{{0.1, 0.2}, {0.3, 0.4}}, []Picture{{Encoded: png, Caption: hostile[0]}, {Caption: hostile[1]}}, []string{hostile[0], "b"}),
		Similarities([]float64{0.3, 0.4}, []float64{0.1, 0.2}, 0.25),
		Map([][2]float64{{0, 1}, {2, 3}}, []string{hostile[0], "b"}, []Picture{{Encoded: png, Caption: hostile[0]}, {}}),
		Latency(Timing{Model: hostile[0], Engine: hostile[1], Image: 1, Text: 2}),
		RecallBars(
			Named{Name: hostile[0], TextToImage: experiment.Recall{R1: 10.9, R5: 26.2, R10: 37.7}, ImageToText: experiment.Recall{R1: 9, R5: 15.8, R10: 21.4}},
			Named{Name: "微调后 finetuned", TextToImage: experiment.Recall{R1: 20.6, R5: 46.5, R10: 56.9}, ImageToText: experiment.Recall{R1: 19.4, R5: 31.6, R10: 44.4}},
		),
		Grid(hostile[0], []Picture{{Encoded: png, Caption: hostile[0], Score: 0.4, Right: &right}, {Encoded: png, Caption: "狗", Right: &wrong}}),
		Table([]string{hostile[0], "R@1"}, [][]string{{hostile[1], "10.9"}}),
	}
}

// fault 39
func TestPageLoadsNothing(t *testing.T) {
	page, err := Page("表情 · emoji", everything(t)...)
	if err != nil {
		t.Fatal(err)
	}
	if found := loads.FindString(page); found != "" {
		t.Errorf("the page loads %q", found)
	}
	for _, want := range []string{"<title>表情 · emoji</title>", "default-src 'none'", "color-scheme: light dark"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if !loads.MatchString(`<img src="https://host.invalid/">`) || !loads.MatchString(`a{background:url(//host.invalid)}`) {
		t.Error("the pattern finds no loads at all")
	}
}

func TestPageBringsEChartsOnlyForCharts(t *testing.T) {
	for want, part := range map[bool]Figure{true: Loss(training(2)), false: Table([]string{"a"}, nil)} {
		page, err := Page("t", part, Loss(nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(page, "globalThis.echarts"); got != want {
			t.Errorf("%T: ECharts inside is %v, want %v (%d bytes)", part, got, want, len(page))
		}
	}
}

func TestPageRefusesNil(t *testing.T) {
	if _, err := Page("t", Loss(nil), nil); err == nil || !strings.Contains(err.Error(), "part 2 of 2 is nil") {
		t.Errorf("error %v, want one that names part 2 of 2", err)
	}
}

// spy notices alerts, from whatever handler. It comes before the page's own content.
const spy = `<script>alert = function () { document.documentElement.setAttribute("data-alerted", "yes") }</script>`

// labelled is a chart that says what it is to those who do not see it.
var labelled = regexp.MustCompile(`role="img" aria-label="[^"]{10,}"`)

// fault 39
func TestPageInBrowser(t *testing.T) {
	page, err := Page("表情 · emoji", everything(t)...)
	if err != nil {
		t.Fatal(err)
	}
	visit := browser.Open(t, strings.Replace(page, "<head>", "<head>"+spy, 1))
	rendered := visit.DOM[strings.Index(visit.DOM, "<body"):strings.LastIndex(visit.DOM, "<script>(function(){if(globalThis.echarts)")]
	if n := strings.Count(rendered, "<svg "); n != 11 {
		t.Errorf("%d live charts, want 11", n)
	}
	if n := len(labelled.FindAllString(rendered, -1)); n != 11 {
		t.Errorf("%d charts have a role and a label, want 11", n)
	}
	if n := strings.Count(rendered, "<img "); n != 2 {
		t.Errorf("%d pictures, want the grid's 2 and no static chart", n)
	}
	if strings.Contains(visit.DOM, `data-alerted="yes"`) {
		t.Error("hostile text ran a script")
	}
	if len(visit.Requests)+len(visit.Console) != 0 {
		t.Errorf("requests %q, console %q", visit.Requests, visit.Console)
	}
}

// Every chart with every hostile text on one page, and every tooltip opened.
// fault 38
func TestHostileTextInBrowser(t *testing.T) {
	png := readTestdata(t, "good.png")
	var figures []Figure
	for _, text := range hostile {
		for _, c := range withText(text, png) {
			figures = append(figures, c)
		}
		figures = append(figures, Grid(text, []Picture{{Encoded: png, Caption: text}}))
	}
	page, err := Page(hostile[0], figures...)
	if err != nil {
		t.Fatal(err)
	}
	open := `<script>document.querySelectorAll("[_echarts_instance_]").forEach(function (stage) {
		echarts.getInstanceByDom(stage).dispatchAction({ type: "showTip", seriesIndex: 0, dataIndex: 0 }) })</script></body></html>`
	page = strings.Replace(page, "<head>", "<head>"+spy, 1)
	visit := browser.Open(t, strings.Replace(page, "</body>\n</html>", open, 1))
	if strings.Contains(visit.DOM, `data-alerted="yes"`) {
		t.Error("hostile text ran a script")
	}
	if len(visit.Requests)+len(visit.Console) != 0 {
		t.Errorf("requests %q, console %q", visit.Requests, visit.Console)
	}
	// A matrix' and a map's tooltip hold the picture as an element and the text as text.
	text := `<div dir="auto">图片 · picture: &lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;</div>`
	if !strings.Contains(visit.DOM, text) {
		t.Error("no tooltip of a heat map names its row as text")
	}
	tip := regexp.MustCompile(`<img src="data:image/[a-z]+;base64,[^"]+" style="display: block[^>]*><div dir="auto">[^<]*</div><div dir="auto">&lt;/script&gt;&lt;img`)
	if !tip.MatchString(visit.DOM) {
		t.Error("no tooltip of a map shows its picture and caption")
	}
}

// Without the set-up, as in an untrusted notebook, the static pictures stay; with it at the end of the page or with a module loader
// around, charts are live; a tooltip shows a hostile name as text.
func TestNotebookOutputsInBrowser(t *testing.T) {
	setup, err := library.Whole()
	if err != nil {
		t.Fatal(err)
	}
	chart := RecallBars(Named{Name: hostile[0], TextToImage: experiment.Recall{R1: 50}})
	fragment := "<!DOCTYPE html><body>" + spy + chart.HTML() + chart.HTML()
	tooltip := `<script>document.querySelectorAll("svg").forEach(function (svg) {
		echarts.getInstanceByDom(svg.closest("[_echarts_instance_]")).dispatchAction({ type: "showTip", seriesIndex: 0, dataIndex: 0 }) })</script>`
	loader := `<script>function define() { throw new Error("asked the module loader") } define.amd = {}</script>`
	for name, test := range map[string]struct {
		page         string
		live, static int
	}{
		"no set-up":     {fragment, 0, 2},
		"set-up last":   {fragment + setup + tooltip, 2, 0},
		"set-up first":  {"<!DOCTYPE html><body>" + spy + loader + setup + chart.HTML() + setup + chart.HTML() + tooltip, 2, 0},
		"spy works":     {"<!DOCTYPE html><body>" + spy + hostile[0], 0, 1},
		"dark notebook": {`<!DOCTYPE html><body style="background:#111111;color:#eeeeee">` + chart.HTML() + setup, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			visit := browser.Open(t, test.page)
			body := regexp.MustCompile(`(?s)<script.*?</script>`).ReplaceAllString(visit.DOM, "")
			if live, static := strings.Count(body, "<svg "), strings.Count(body, "<img "); live != test.live || static != test.static {
				t.Errorf("%d live and %d static charts, want %d and %d", live, static, test.live, test.static)
			}
			if alerted := strings.Contains(body, "data-alerted"); alerted != (name == "spy works") {
				t.Errorf("alerted is %v", alerted)
			}
			if len(visit.Console) != 0 && name != "spy works" {
				t.Errorf("console: %q", visit.Console)
			}
			// ECharts' label colours in its dark theme.
			if dark := strings.Contains(body, "#B9B8CE"); dark != (name == "dark notebook") {
				t.Errorf("the dark theme is used: %v", dark)
			}
		})
	}
}
