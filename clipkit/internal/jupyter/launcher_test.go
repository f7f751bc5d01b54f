package jupyter_test

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/notebook"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp/kb"
)

// themes are JupyterLab's own, the light one last: a setting of whoever uses this checkout.
var themes = []string{"Dark", "Light"}

// themed changes the theme and waits for it.
func (w work) themed(name string) {
	w.t.Helper()
	w.theme("JupyterLab " + name)
	w.Wait(fmt.Sprintf(`document.body.dataset.jpThemeLight === "%v" && !document.querySelector("#jupyterlab-splash")`, name == "Light"))
}

// JupyterLab's launcher has a card for each kernel that this machine can run, with a logo and a name that tell it from the others, in both themes and on a phone.
// Where gopls was built, Tab shows what a package has and Shift-Tab explains it. When the terminal is closed, no kernel and no gopls is left.
func TestLauncherInJupyterLab(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test runs JupyterLab")
	}
	browser.Need(t)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // what nohup has this process ignore, its children would ignore too
	const token = "a-token-for-the-test"
	name := fmt.Sprintf("test-launcher-%d", os.Getpid())
	path := writeNotebook(t, name, "%noautoget\nimport \"clipnb/clipkit\"", "%%\nclipkit.Must(clipkit.Op", "%%\nclipkit.Must(clipkit.Recipe(\"emoji/finetune\"))")
	base, process := startLab(t, token)
	w := work{browser.Drive(t, base+"lab?token="+token, browser.Look{Width: 1200, Height: 800}), t, path}
	w.Wait(`window.jupyterapp && document.querySelector("[data-category=Notebook]")`)
	for _, theme := range themes {
		w.themed(theme)
		w.Wait(`(() => { const cards = [...document.querySelectorAll("[data-category=Notebook]")].filter((c) => c.innerText.includes("Go · "));
			const logos = cards.map((c) => c.querySelector("img, svg"));
			return cards.length > 0 && new Set(cards.map((c) => c.innerText)).size === cards.length && logos.every((l) => l.tagName !== "IMG" || l.naturalWidth > 0 && l.clientWidth > 20) })()`)
		w.shot("launcher-" + theme + ".png")
		w.Size(390, 844)
		w.Wait(`innerWidth === 390`)
		w.shot("launcher-" + theme + "-390.png")
		w.Size(1200, 800)
		w.Wait(`innerWidth === 1200`)
	}
	w.Go(base + "lab/tree/" + path)
	w.ready()
	w.Eval(w.panel()+`.content.activeCellIndex = 0`, nil)
	w.command(`"notebook:run-cell-and-select-next"`)
	w.Wait(w.panel() + `.content.widgets[0].model.executionCount === 1`)
	if _, err := os.Stat(filepath.Join(notebook.Root, ".tools", "gopls", "gopls")); err != nil { // .ci/run comes again when there is one
		buildsGopls(t)
		endsWithAll(t, process, syscall.SIGHUP, "gonb")
		return
	}
	// gopls reads the packages first, and says so.
	w.Eval(`void (async () => { const code = `+w.panel()+`.content.widgets[1].model.sharedModel.getSource();
		for (window.matches = ""; !window.matches.includes("OpenDataset"); await new Promise((go) => setTimeout(go, 300)))
			window.matches = (await `+w.panel()+`.sessionContext.session.kernel.requestComplete({ code, cursor_pos: code.length })).content.matches.join(" ") })()`, nil)
	w.Wait(`window.matches.includes("OpenDataset")`)
	for _, theme := range themes {
		w.themed(theme)
		w.cursor(1, "clipkit.Op", len("clipkit.Op"))
		w.Type(kb.Tab)
		w.shown(".jp-Completer:not(.lm-mod-hidden)", "OpenDataset", "completer:invoke-notebook")
		w.shot("completion-" + theme + ".png")
		w.Type(kb.Escape)
		w.Wait(`!document.querySelector(".jp-Completer:not(.lm-mod-hidden)")`)
		w.cursor(2, "Must", 2)
		w.Type(kb.Tab, input.ModifierShift)
		w.shown(".jp-Tooltip", "Must unwraps a result", "tooltip:launch-notebook")
		w.shot("explanation-" + theme + ".png")
		w.Type(kb.Escape)
		w.Wait(`!document.querySelector(".jp-Tooltip")`)
	}
	if text := w.Text(w.panel() + `.content.widgets[1].model.sharedModel.getSource()`); text != "%%\nclipkit.Must(clipkit.Op" {
		t.Errorf("the cell has become %q", text)
	}
	endsWithAll(t, process, syscall.SIGHUP, "gonb", "gopls")
}

// cursor puts the cursor of a cell so many letters behind the beginning of a word.
func (w work) cursor(cell int, word string, letters int) {
	w.t.Helper()
	w.Eval(fmt.Sprintf(`%s.content.activeCellIndex = %d`, w.panel(), cell), nil)
	w.command(`"notebook:enter-edit-mode"`)
	w.Eval(fmt.Sprintf(`(() => { const e = %s.content.activeCell.editor; e.setCursorPosition(e.getPositionAt(e.model.sharedModel.getSource().lastIndexOf(%q) + %d)); e.focus() })()`, w.panel(), word, letters), nil)
	w.Wait(`!!document.activeElement.closest(".cm-editor")`)
}

// shown waits until what matches a selector has a text. A kernel on a busy machine may answer later than JupyterLab waits for it: then it is asked again.
func (w work) shown(selector, text, command string) {
	w.t.Helper()
	w.Wait(fmt.Sprintf(`document.querySelector(%q)?.innerText.includes(%q) || ((window.polls = (window.polls || 0) + 1) %% 100 === 0 && jupyterapp.commands.execute(%q) && false)`, selector, text, command))
}

// buildsGopls waits until JupyterLab's start has begun to build gopls beside it, or has done so.
func buildsGopls(t *testing.T) {
	t.Helper()
	tools := filepath.Join(notebook.Root, ".tools")
	for ended := false; !ended; time.Sleep(100 * time.Millisecond) {
		for _, name := range []string{"gopls/clipkit-stamp", "gopls.failed"} {
			_, err := os.Stat(filepath.Join(tools, name))
			ended = ended || err == nil
		}
		if f, err := os.Open(filepath.Join(tools, "gopls.lock")); err == nil {
			ended = ended || syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
			f.Close()
		}
	}
}
