package jupyter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/notebook"
)

// While a run trains its charts are live in one place and grow, and the kernel is busy, after a reload too; the stop button ends it with its charts in place
// and no line of progress that says otherwise.
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
	base := lab(t, token)
	w := work{browser.Drive(t, base+"lab/tree/"+path+"?token="+token, browser.Look{Width: 1400, Height: 2200}), t, path}
	w.ready()
	w.command(`"notebook:run-all-cells"`)
	const points = `echarts.getInstanceByDom(` + stages + `[0]).getOption().series[0].data.length`
	w.Wait(stages + `.length === 2 && ` + points + ` > 0`)
	before := w.Text(points)
	w.Wait(points + ` > ` + before)
	w.live(2, false)
	w.Wait(`/training: loss \d/.test(document.body.innerText)`)
	w.shot("training.png")
	w.Eval(w.panel()+`.context.save().then(() => true)`, nil)
	w.Reload()
	w.ready()
	w.Wait(w.panel() + `.sessionContext.kernelDisplayStatus === "busy"`)
	w.Eval(w.panel()+`.sessionContext.session.kernel.interrupt().then(() => true)`, nil)
	w.Wait(w.panel() + `.sessionContext.kernelDisplayStatus === "idle"`)
	if _, err := os.Stat(filepath.Join(notebook.Root, "experiments", name, "checkpoints")); err != nil {
		t.Errorf("nothing was saved: %v", err)
	}
	saved, err := os.ReadFile(filepath.Join(notebook.Root, path))
	if err != nil || strings.Contains(string(saved), "(0/100000)") {
		t.Errorf("a line of progress from before the first step is left: %v", err)
	}
}
