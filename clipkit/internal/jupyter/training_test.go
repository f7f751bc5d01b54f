package jupyter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/notebook"
)

// reached is the last step that the first chart shows, line the one that the line of progress says.
const (
	reached = `((d) => Number((d.value || d)[0]))(echarts.getInstanceByDom(` + stages + `[0]).getOption().series[0].data.at(-1))`
	line    = `Number((document.body.innerText.match(/training: loss \d.*\((\d+)\/100000/) || ["", 0])[1])`
)

// While a run trains its charts are live in one place and grow, in either theme and on a phone, and the kernel is busy, after a reload too; the stop button ends
// it with its charts in place. Run again, line and charts begin where the run is, and no line is left that says otherwise. When JupyterLab is ended, nothing is
// left of it.
func TestTrainingInJupyterLab(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test runs JupyterLab")
	}
	browser.Need(t)
	const token = "a-token-for-the-test"
	name := fmt.Sprintf("test-training-%d", os.Getpid())
	path := writeNotebook(t, name,
		"%noautoget\nimport (\n\t\"context\"\n\n\t\"clipnb/clipkit\"\n)",
		"%%\nctx := context.Background()\ndata, m := clipkit.Must(clipkit.OpenDataset(ctx, \"emoji\")), clipkit.Must(clipkit.Load(ctx, \"emoji\"))\n"+
			"cfg := clipkit.Must(clipkit.Recipe(\"emoji/finetune\")).Config\ncfg.Name, cfg.BatchSize, cfg.MaxSteps, cfg.LogInterval = \""+name+"\", 8, 100000, 1\nclipkit.Must(clipkit.Finetune(ctx, m, data, cfg))")
	base, process := startLab(t, token)
	look := browser.Look{Width: 1400, Height: 2200}
	w := work{browser.Drive(t, base+"lab/tree/"+path+"?token="+token, look), t, path}
	w.ready()
	w.begin("notebook:run-all-cells")
	w.training()
	for _, theme := range themes {
		w.themed(theme)
		w.live(2, theme == "Dark")
		w.shot("training-" + theme + ".png")
		w.command(`"application:toggle-left-area"`)
		w.Size(390, 1400)
		w.Wait(`innerWidth === 390 && ` + stages + `.every((s) => s.clientWidth > 100 && s.clientWidth < 390 && echarts.getInstanceByDom(s).getWidth() === s.clientWidth)`)
		w.shot("training-" + theme + "-390.png")
		w.Size(int64(look.Width), int64(look.Height))
		w.command(`"application:toggle-left-area"`)
		w.live(2, theme == "Dark")
	}

	w.save()
	w.Reload()
	w.ready()
	w.Wait(w.panel() + `.sessionContext.kernelDisplayStatus === "busy"`)
	w.live(2, false)
	w.stop()
	saved, err := filepath.Glob(filepath.Join(notebook.Root, "experiments", name, "checkpoints", "step-*"))
	if err != nil || len(saved) == 0 {
		t.Fatalf("nothing was saved: %v", err)
	}
	step, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(saved[len(saved)-1]), "step-"))
	if err != nil {
		t.Fatal(err)
	}

	w.command(`"notebook:clear-all-cell-outputs"`)
	w.Wait(stages + `.length === 0`)
	w.Eval(w.panel()+`.content.activeCellIndex = 1`, nil)
	w.begin("notebook:run-cell")
	w.Wait(`(window.firstLine ||= ` + line + `) > 0 && (window.firstChart ||= ` + reached + `) > 0`)
	for _, first := range []string{"window.firstLine", "window.firstChart"} {
		if at, err := strconv.Atoi(w.Text(first)); err != nil || at < step {
			t.Errorf("the run goes on from step %d, and %s was at %d, %v", step, first, at, err)
		}
	}
	w.training()
	w.stop()
	for _, theme := range themes {
		w.themed(theme)
		w.live(2, theme == "Dark")
		w.shot("trained-" + theme + ".png")
	}
	w.save()
	text, err := os.ReadFile(filepath.Join(notebook.Root, path))
	if err != nil || strings.Contains(string(text), "(0/100000)") || strings.Contains(string(text), "compiling") {
		t.Errorf("a line of progress from before the first step is left: %v", err)
	}
	endsWithAll(t, process, syscall.SIGTERM, "gonb")
}

// begin gives a command and does not wait for its end, which is that of the cells that it runs.
func (w work) begin(command string) {
	w.t.Helper()
	w.Eval(fmt.Sprintf(`void jupyterapp.commands.execute(%q)`, command), nil)
}

// training waits until a run draws its charts and its line of progress, and goes on.
func (w work) training() {
	w.t.Helper()
	w.Wait(stages + `.length === 2 && ` + reached + ` > 0 && ` + line + ` > 0`)
	before := w.Text(reached)
	w.Wait(reached + ` > ` + before)
	w.live(2, false)
}

// stop does what the stop button does. (A click on the button by script did nothing.)
func (w work) stop() {
	w.t.Helper()
	w.Eval(w.panel()+`.sessionContext.session.kernel.interrupt().then(() => true)`, nil)
	w.Wait(w.panel() + `.sessionContext.kernelDisplayStatus === "idle"`)
}

func (w work) save() {
	w.t.Helper()
	w.Eval(w.panel()+`.context.save().then(() => true)`, nil)
}
