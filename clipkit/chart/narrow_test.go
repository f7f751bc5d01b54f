package chart

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/browser"
)

// overlaps names the texts of live charts that lie over each other or leave their chart.
const overlaps = `[...document.querySelectorAll("[_echarts_instance_] svg")].flatMap((s) => {
	const frame = s.getBoundingClientRect(), bad = [];
	const texts = [...s.querySelectorAll("text")].filter((e) => Math.abs(e.getCTM().b) < 0.01 || Math.abs(e.getCTM().a) < 0.01) // of a slanted one the box is larger than the text
		.map((e) => ({ text: e.textContent, r: e.getBoundingClientRect() })).filter((t) => t.text.trim() && t.r.width > 0);
	texts.forEach((a, i) => {
		if (a.r.left < frame.left - 1 || a.r.right > frame.right + 1) bad.push("cut: " + a.text);
		texts.slice(0, i).forEach((b) => {
			const x = Math.min(a.r.right, b.r.right) - Math.max(a.r.left, b.r.left), y = Math.min(a.r.bottom, b.r.bottom) - Math.max(a.r.top, b.r.top);
			if (x > 2 && y > 0.4 * Math.min(a.r.height, b.r.height)) bad.push(a.text + " | " + b.text);
		});
	});
	return bad;
}).join("\n")`

// show opens figures as a page of their own, as wide as a view of the browser's.
func show(t *testing.T, width int64, figures ...Figure) *browser.Tab {
	t.Helper()
	page, err := Page("测试 · test", figures...)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(page)) }))
	t.Cleanup(s.Close)
	tab := browser.Drive(t, s.URL+"/", browser.Look{Width: 800, Height: 900})
	tab.Size(width, 900)
	tab.Wait(fmt.Sprintf(`innerWidth === %d && document.readyState === "complete"`, width))
	return tab
}

// In a phone's view no text of a chart lies over another or is cut off.
func TestLabelsOnAPhone(t *testing.T) {
	rows := training(60)
	r := experiment.Recall{R1: 13.1, R5: 32.4, R10: 100}
	named := []Named{{Name: "before", TextToImage: r, ImageToText: r}, {Name: "after finetuning for a long time", TextToImage: r, ImageToText: r},
		{Name: "published", TextToImage: r, ImageToText: r, Published: true}}
	charts := []Figure{Loss(rows), LearningRate(rows), Accuracy(rows), Throughput(rows), RecallBars(named[:2]...), RecallBars(named...),
		Overlay(Loss, Run{Name: "a", Rows: rows}, Run{Name: "b", Rows: rows}), Latency(Timing{Model: "ViT-B-16 fp16", Engine: "onnx", Image: 12.5, Text: 3.25}),
		Confusion([]string{"猫", "狗", "a long name of a class"}, [][]int{{3, 1, 0}, {0, 2, 1}, {1, 1, 5}}), Similarities([]float64{0.3, 0.4}, []float64{0.1, 0.2}, 0.25)}
	for _, width := range []int64{390, 800} {
		tab := show(t, width, charts...)
		tab.Wait(fmt.Sprintf(`(() => { const s = [...document.querySelectorAll("[_echarts_instance_]")]; return s.length === %d && s.every((s) => s.querySelector("text") && s.clientWidth > 300 && s.clientWidth <= innerWidth) })()`, len(charts)))
		tab.Wait(`echarts && [...document.querySelectorAll("[_echarts_instance_]")].every((s) => !echarts.getInstanceByDom(s).isDisposed())`)
		if dir := os.Getenv("CLIPKIT_SHOTS"); dir != "" {
			tab.Size(width, 5000)
			tab.Shot(filepath.Join(dir, fmt.Sprintf("charts-%d.png", width)))
		}
		if bad := tab.Text(overlaps); bad != "" {
			t.Errorf("at %d pixels:\n%s", width, bad)
		}
		if wide := tab.Text(`document.documentElement.scrollWidth`); wide != fmt.Sprint(width) {
			t.Errorf("the page is %s pixels wide in a view of %d", wide, width)
		}
	}
}

// Six pictures stand as three and three where they do not fit beside each other, and a table with long reasons stays in view, in lines of more than a word.
func TestGridsAndTablesInNarrowViews(t *testing.T) {
	png := readTestdata(t, "good.png")
	var six []Picture
	for i := range 6 {
		six = append(six, Picture{Encoded: png, Caption: fmt.Sprint("picture ", i), Score: 0.5})
	}
	table := Table([]string{"recipe", "hours", "why"}, [][]string{{"flickr30k/vit-b-16/full", "12.5", strings.Repeat("it needs more memory than there is; ", 8)}})
	for _, view := range []struct {
		width int64
		rows  string
	}{{390, "2,2,2 or 1"}, {700, "3,3"}, {800, "3,3"}, {1100, "3,3 or 6"}} {
		tab := show(t, view.width, Grid("six", six), table)
		tab.Wait(`document.querySelectorAll("img").length === 6 && [...document.images].every((i) => i.getBoundingClientRect().width === 128)`)
		rows := tab.Text(`(() => { const rows = {}; for (const i of document.images) { const y = Math.round(i.getBoundingClientRect().top); rows[y] = (rows[y] ?? 0) + 1 } return Object.values(rows).join(",") })()`)
		if rows == "5,1" || rows == "4,2" || view.width >= 700 && rows != "3,3" && rows != "6" {
			t.Errorf("at %d pixels six pictures stand as %s, want %s", view.width, rows, view.rows)
		}
		if wide := tab.Text(`document.documentElement.scrollWidth`); wide != fmt.Sprint(view.width) {
			t.Errorf("the page is %s pixels wide in a view of %d", wide, view.width)
		}
		if high := tab.Text(`document.querySelector("td:last-child").getBoundingClientRect().width >= 200`); high != "true" {
			t.Errorf("at %d pixels the reason has a column of %s", view.width, tab.Text(`document.querySelector("td:last-child").getBoundingClientRect().width`))
		}
	}
}
