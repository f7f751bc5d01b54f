package jupyter_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/notebook"
)

// A notebook that is opened, and even saved, is the file that it was; its kernel is idle, and only kernels whose device is here are offered.
func TestNotebookUnchangedInJupyterLab(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test runs JupyterLab")
	}
	browser.Need(t)
	const token = "a-token-for-the-test"
	all, err := filepath.Glob(filepath.Join(notebook.Root, "notebooks", "*.ipynb"))
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	name := fmt.Sprintf("test-unchanged-%d", os.Getpid())
	dir := filepath.Join(notebook.Root, "experiments", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	files := map[string][]byte{}
	for _, path := range all {
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(path)), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = data
	}
	base, first := lab(t, token), filepath.Base(all[0])
	tab := browser.Drive(t, base+"lab/tree/experiments/"+name+"/"+first+"?token="+token, browser.Look{Width: 1200, Height: 900})
	for file, data := range files {
		open := fmt.Sprintf(`[...jupyterapp.shell.widgets("main")].find((w) => w.context?.path === %q)`, "experiments/"+name+"/"+file)
		tab.Wait(`!!window.jupyterapp?.commands.hasCommand("docmanager:open")`)
		tab.Eval(fmt.Sprintf(`jupyterapp.commands.execute("docmanager:open", {path: %q}).then(() => true)`, "experiments/"+name+"/"+file), nil)
		tab.Wait(open + `?.context.isReady && ` + open + `.sessionContext.session?.kernel?.connectionStatus === "connected" && ` + open + `.sessionContext.session.kernel.status === "idle"`)
		tab.Eval(open+`.sessionContext.session.kernel.info.then(() => true)`, nil)
		if tab.Text(`String(`+open+`.context.model.dirty)`) != "false" {
			t.Errorf("opening %s changes it", file)
		}
		tab.Eval(open+`.context.save().then(() => true)`, nil)
		saved, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(saved, data) {
			t.Errorf("saving %s changes it:\n%s", file, saved)
		}
		tab.Eval(open+`.sessionContext.shutdown().then(() => true)`, nil)
	}
	_, err = os.Stat("/dev/nvidia0")
	offered := tab.Text(`[...Object.keys(jupyterapp.serviceManager.kernelspecs.specs.kernelspecs)].sort().join(" ")`)
	if want := "cpu python3"; os.IsNotExist(err) && os.Getenv("CLIPKIT_DEVICE") == "" && offered != want {
		t.Errorf("offered are %s, want %s", offered, want)
	}
}
