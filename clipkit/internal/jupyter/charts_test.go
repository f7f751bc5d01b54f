package jupyter_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/notebook"
)

// charts are the cells of a notebook with three charts, of which the last cell's is run alone later.
var charts = []string{
	"%noautoget\nimport (\n\t\"fmt\"\n\n\t\"clipnb/clipkit\"\n\t\"clipnb/clipkit/chart\"\n\t\"clipnb/clipkit/experiment\"\n)",
	"%%\nr := experiment.Recall{R1: 9, R5: 35.8, R10: 12}\nrow := experiment.Row{Kind: \"train\", Step: 1, Loss: 2.5, ImagesPerSecond: 80, PeakShare: 0.5}\n" +
		"clipkit.Show(chart.RecallBars(chart.Named{Name: \"one\", TextToImage: r, ImageToText: r}), chart.Throughput([]experiment.Row{row}))\nfmt.Println(\"first cell done\")",
	"%%\nvar rows []experiment.Row\nfor i := range 30 {\n\trows = append(rows, experiment.Row{Kind: \"train\", Step: i + 1, Loss: 1 + 1/float64(i+1)})\n}\n" +
		"clipkit.Show(chart.Loss(rows))\nfmt.Println(\"last cell done\")",
}

const (
	stages = `[...document.querySelectorAll(".jp-OutputArea [_echarts_instance_]")]`
	wide   = stages + `.every((s) => s.clientWidth > 400 && echarts.getInstanceByDom(s).getWidth() === s.clientWidth && s.querySelector("svg").getBoundingClientRect().width > 400)`
)

// work is a notebook that a test has open in JupyterLab.
type work struct {
	*browser.Tab
	t    *testing.T
	path string
}

func (w work) panel() string {
	return fmt.Sprintf(`[...jupyterapp.shell.widgets("main")].find((w) => w.context?.path === %q)`, w.path)
}

func (w work) command(name string) {
	w.t.Helper()
	w.Eval(fmt.Sprintf(`jupyterapp.commands.execute(%s).then(() => true)`, name), nil)
}

func (w work) ready() {
	w.t.Helper()
	w.Wait(w.panel() + `.context.isReady && ` + w.panel() + `.sessionContext.session.kernel.connectionStatus === "connected"`)
	w.Eval(`jupyterapp.shell.activateById(`+w.panel()+`.id)`, nil)
}

// live waits for n charts that fill their place and are drawn in the colours of a theme.
func (w work) live(n int, dark bool) {
	w.t.Helper()
	w.Wait(fmt.Sprintf(`%s.length === %d && %s && %[1]s.every((s) => s.innerHTML.includes("#B9B8CE") === %[4]v)`, stages, n, wide, dark)) // a colour of ECharts' dark theme
}

func (w work) theme(name string) {
	w.t.Helper()
	w.command(fmt.Sprintf(`"apputils:change-theme", {theme: %q}`, name))
}

// Charts in JupyterLab: live in whatever order cells are run, with a library that no output carries; drawn again after whatever changes their place; live and
// with tooltips in a notebook that is opened again; pictures on paper, and where the notebook is not trusted, on its own background.
func TestChartsInJupyterLab(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test runs JupyterLab")
	}
	browser.Need(t)
	const token = "a-token-for-the-test"
	look := browser.Look{Width: 1400, Height: 2200} // JupyterLab has only those cells in the page that are in view
	path := writeNotebook(t, fmt.Sprintf("test-charts-%d", os.Getpid()), charts...)
	file := filepath.Join(notebook.Root, path)
	base := lab(t, token)
	w := work{browser.Drive(t, base+"lab/tree/"+path+"?token="+token, look), t, path}
	w.ready()
	w.command(`"notebook:run-all-cells"`)
	w.Wait(`document.body.innerText.includes("last cell done")`)
	w.live(3, false)

	for _, theme := range []string{"JupyterLab Dark", "JupyterLab Light", "JupyterLab Dark"} {
		w.theme(theme)
		w.live(3, theme == "JupyterLab Dark")
	}
	w.shot("charts-dark.png")
	w.command(`"notebook:hide-all-cell-outputs"`)
	w.Wait(stages + `.every((s) => !s.clientWidth)`)
	w.theme("JupyterLab Light")
	w.command(`"notebook:show-all-cell-outputs"`)
	w.live(3, false)
	w.Eval(w.panel()+`.node.parentElement.style.display = "none"`, nil) // as a hidden tab
	w.theme("JupyterLab Dark")
	w.Eval(w.panel()+`.node.parentElement.style.display = ""`, nil)
	w.live(3, true)
	w.theme("JupyterLab Light")
	w.live(3, false) // JupyterLab loses what it is asked while a theme is on its way
	before := w.Text(stages + `[0].clientWidth`)
	w.command(`"application:toggle-left-area"`)
	w.Wait(stages + `[0].clientWidth != ` + before)
	w.live(3, false)
	w.Eval(`document.body.style.zoom = 1.25`, nil)
	w.live(3, false)
	w.Eval(`document.body.style.zoom = ""`, nil)
	w.live(3, false)
	for _, factor := range []float64{1.25, 1} { // the browser's own zoom
		w.Zoom(look, factor)
		w.Wait(fmt.Sprintf(`devicePixelRatio === %g`, factor))
		w.live(3, false)
	}

	const stills = `document.querySelectorAll(".jp-OutputArea img[src^='data:image/svg']").length`
	w.Paper(true)
	w.Wait(stages + `.length === 0 && ` + stills + ` === 4`) // throughput has two axes, and still pictures one each
	w.Paper(false)
	w.live(3, false)

	// The cell that came first is run again: what it showed is overwritten.
	w.Eval(w.panel()+`.content.activeCellIndex = 1`, nil)
	w.command(`"notebook:run-cell"`)
	w.Wait(w.panel() + `.sessionContext.session.kernel.status === "idle"`)
	w.live(3, false)

	// Saved and opened again, and the mouse over a chart.
	w.Eval(w.panel()+`.context.save().then(() => true)`, nil)
	saved, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the notebook with three charts has %d bytes", len(saved))
	if bytes.Contains(saved, []byte("clipkitLibrary=")) || len(saved) > 200_000 {
		t.Errorf("the saved notebook has %d bytes", len(saved))
	}
	w.Reload()
	w.ready()
	w.live(3, false)
	w.Eval(stages+`[0].scrollIntoView({block: "center"})`, nil)
	texts := stages + `[0].querySelectorAll("text").length`
	before = w.Text(texts)
	w.Hover(".jp-OutputArea [_echarts_instance_]")
	w.Wait(texts + ` > ` + before) // the tooltip's
	w.shot("charts-hover.png")

	// A cell that runs alone in a page that has seen no other.
	w.command(`"notebook:clear-all-cell-outputs"`)
	w.Eval(w.panel()+`.context.save().then(() => true)`, nil)
	w.Reload()
	w.ready()
	for _, cell := range []int{0, 2} {
		w.Eval(fmt.Sprintf(`%s.content.activeCellIndex = %d`, w.panel(), cell), nil)
		w.command(`"notebook:run-cell"`)
	}
	w.Wait(`document.body.innerText.includes("last cell done")`)
	w.live(1, false)

	// A notebook that another person has run is not trusted.
	w.theme("JupyterLab Dark")
	w.Eval(w.panel()+`.context.save().then(() => true)`, nil)
	w.untrusted(base, saved)
	w.theme("JupyterLab Light") // a setting of whoever uses this checkout

	for _, r := range w.Requests() {
		if u, err := url.Parse(r); err != nil || u.Scheme != "data" && u.Scheme != "blob" && u.Hostname() != "127.0.0.1" {
			t.Errorf("a request to %s", r)
		}
	}
}

// untrusted opens a notebook whose signature is not known here. Its charts are pictures, through which the background shines.
func (w work) untrusted(base string, saved []byte) {
	w.t.Helper()
	other := strings.TrimSuffix(w.path, "page.ipynb") + "other.ipynb"
	var changed map[string]any
	if err := json.Unmarshal(saved, &changed); err != nil {
		w.t.Fatal(err)
	}
	changed["metadata"].(map[string]any)["author"] = "somebody"
	b, err := json.Marshal(changed)
	if err == nil {
		err = os.WriteFile(filepath.Join(notebook.Root, other), b, 0o644)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.Go(base + "lab/tree/" + other)
	w.path = other
	w.Wait(w.panel() + `.context.isReady`)
	w.Wait(`document.body.dataset.jpThemeLight === "false" && document.querySelectorAll(".jp-OutputArea img[src^='data:image/svg']").length === 4`)
	if n := w.Text(w.panel() + `.node.querySelectorAll("[_echarts_instance_]").length`); n != "0" {
		w.t.Errorf("%s live charts without trust", n)
	}
	var pixel [4]int
	w.Eval(`(async () => { const i = document.querySelector(".jp-OutputArea img[src^='data:image/svg']"); await i.decode();
		const c = new OffscreenCanvas(720, 300).getContext("2d"); c.drawImage(i, 0, 0); return [...c.getImageData(2, 2, 1, 1).data] })()`, &pixel)
	if pixel[3] != 0 || w.Text(`getComputedStyle(document.querySelector(".jp-OutputArea img[src^='data:image/svg']")).backgroundColor`) != "rgba(0, 0, 0, 0)" {
		w.t.Errorf("the picture's background is %v", pixel)
	}
	w.shot("charts-untrusted.png")
}

// shot keeps a screenshot where a person wants to look at it.
func (w work) shot(name string) {
	if dir := os.Getenv("CLIPKIT_SHOTS"); dir != "" {
		w.Shot(filepath.Join(dir, name))
	}
}
