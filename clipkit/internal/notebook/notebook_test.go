package notebook_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/internal/browser"
	"clipnb/clipkit/internal/notebook"
)

// Notebooks are stored without outputs, begin with %noautoget and have short cells.
func TestNotebooksAreTidy(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(notebook.Root, "notebooks", "*.ipynb"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		code := 0
		for i, c := range notebook.Read(t, path).Cells {
			if c.CellType != "code" {
				continue
			}
			if code++; code == 1 && strings.TrimSpace(c.Source[0]) != "%noautoget" {
				t.Errorf("%s: its first cell begins with %q", path, c.Source[0])
			}
			if len(c.Outputs) > 0 || c.Count != nil {
				t.Errorf("%s: cell %d is stored with outputs", path, i+1)
			}
			if len(c.Source) > 12 {
				t.Errorf("%s: cell %d has %d lines", path, i+1, len(c.Source))
			}
		}
	}
}

// On paper nothing of the executed page is cut at the right: a long line of code, a table of many columns, a row of pictures, a path without a space.
func TestPageIsPrintedWhole(t *testing.T) {
	browser.Need(t)
	var cells []any
	for _, source := range []string{
		"%noautoget\nimport \"github.com/janpfeifer/gonb/gonbui\"\nvar long = \"" + strings.Repeat("长的一行 a long line of code ", 12) + "\"",
		"%%\nfmt.Println(strings.Repeat(\"/folder\", 40), long)\ngonbui.DisplayHTML(\"<table><tr>\" + strings.Repeat(\"<th>text→image R@10</th>\", 16) + \"</tr></table>\")\n" +
			"gonbui.DisplayHTML(`<div style=\"display:flex\">` + strings.Repeat(`<svg width=\"180\" height=\"60\" style=\"flex:none\"><rect width=\"180\" height=\"60\"/></svg>`, 9) + `</div><svg width=\"1400\" height=\"90\"></svg>`)\ngonbui.Sync()",
	} {
		cells = append(cells, map[string]any{"cell_type": "code", "id": fmt.Sprintf("cell-%d", len(cells)), "metadata": map[string]any{}, "outputs": []any{}, "execution_count": nil, "source": source})
	}
	text, err := json.Marshal(map[string]any{"cells": cells, "nbformat": 4, "nbformat_minor": 5,
		"metadata": map[string]any{"kernelspec": map[string]string{"name": "cpu", "display_name": "Go · CPU", "language": "go"}}})
	path := filepath.Join(t.TempDir(), "wide")
	if err == nil {
		err = os.WriteFile(path+".ipynb", text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, page := notebook.Execute(t, path)
	if err := os.WriteFile(path+".html", []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	tab := browser.Drive(t, "file://"+path+".html", browser.Look{Width: 700, Height: 900}) // A4 without its margins
	const cut = `[...document.querySelectorAll(".jp-Notebook *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 ||
		(e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && getComputedStyle(e).overflowX !== "visible")).map((e) => e.tagName + "." + e.getAttribute("class")).join(" ")`
	if onScreen := tab.Text(cut); onScreen == "" {
		t.Error("nothing is too wide for the screen: this test shows nothing")
	}
	tab.Paper(true)
	if onPaper := tab.Text(cut); onPaper != "" {
		t.Errorf("cut at the right: %s", onPaper)
	}
}
