package jupyter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/notebook"
)

// JupyterLab's launcher has a card for each kernel that this machine can run, with a logo and a name that tell it from the others, in both themes. Where gopls was
// built, Tab shows what a package has.
func TestLauncherInJupyterLab(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test runs JupyterLab")
	}
	browser.Need(t)
	const token = "a-token-for-the-test"
	name := fmt.Sprintf("test-launcher-%d", os.Getpid())
	path := writeNotebook(t, name, "%noautoget\nimport \"clipnb/clipkit\"", "%%\nclipkit.Must(clipkit.Op")
	base := lab(t, token)
	w := work{browser.Drive(t, base+"lab?token="+token, browser.Look{Width: 1200, Height: 800}), t, path}
	w.Wait(`window.jupyterapp && document.querySelector("[data-category=Notebook]")`)
	for _, theme := range []string{"JupyterLab Light", "JupyterLab Dark"} {
		w.theme(theme)
		w.Wait(fmt.Sprintf(`document.body.dataset.jpThemeLight === "%v"`, theme == "JupyterLab Light"))
		w.Wait(`(() => { const cards = [...document.querySelectorAll("[data-category=Notebook]")].filter((c) => c.innerText.includes("Go · "));
			const logos = cards.map((c) => c.querySelector("img, svg"));
			return cards.length > 0 && new Set(cards.map((c) => c.innerText)).size === cards.length && logos.every((l) => l.tagName !== "IMG" || l.naturalWidth > 0 && l.clientWidth > 20) })()`)
		w.shot("launcher-" + theme[11:] + ".png")
	}
	if _, err := os.Stat(filepath.Join(notebook.Root, ".tools", "gopls", "gopls")); err != nil {
		return
	}
	w.Go(base + "lab/tree/" + path)
	w.ready()
	w.Eval(w.panel()+`.content.activeCellIndex = 0`, nil)
	w.command(`"notebook:run-cell-and-select-next"`)
	w.Wait(w.panel() + `.content.widgets[0].model.executionCount === 1`)
	for _, theme := range []string{"JupyterLab Dark", "JupyterLab Light"} {
		w.theme(theme)
		w.Wait(fmt.Sprintf(`document.body.dataset.jpThemeLight === "%v"`, theme == "JupyterLab Light"))
		w.Eval(w.panel()+`.content.activeCellIndex = 1`, nil)
		w.command(`"notebook:enter-edit-mode"`)
		w.Eval(`(() => { const e = `+w.panel()+`.content.activeCell.editor; const end = e.getPositionAt(e.model.sharedModel.getSource().length); e.setCursorPosition(end); e.focus() })()`, nil)
		// gopls reads the packages first, and says so.
		w.Wait(`document.querySelector(".jp-Completer:not(.lm-mod-hidden)")?.innerText.includes("OpenDataset") || (jupyterapp.commands.execute("completer:invoke-notebook"), false)`)
		w.shot("completion-" + theme[11:] + ".png")
		w.Eval(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", keyCode: 27, bubbles: true }))`, nil)
		w.Wait(`!document.querySelector(".jp-Completer:not(.lm-mod-hidden)")`)
	}
}
