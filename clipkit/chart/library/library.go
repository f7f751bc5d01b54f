// Package library brings ECharts and the script that draws charts with it (mount.js) to where charts are shown.
//
//	whole, err := library.Whole()   // a page of one's own: everything, 1 MB, and its charts are live at once
//	script := library.Script()      // an output whose Jupyter has the library: 10 kB
//	script = library.Packed()       // an output that may be opened anywhere: 450 kB
//
// Each is a script element. A notebook's outputs are run again, overwritten and deleted one by one, so each that holds a chart brings one of them.
// The library itself is 1 MB, and 40 outputs would make a notebook of 40 MB: outputs of "kernels lab" and "kernels exec" bring none, because
// that JupyterLab hands it out under static/ and that page has it once ([Served]). Where neither script nor library arrives, charts
// stay the pictures that they are.
//
// A page may get any of them, any number of times, before or after its charts. Nothing is ever asked of another host.
package library

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"clipnb/assets"
)

//go:embed mount.js
var mountJS string

// Served says whether who started this notebook's kernel has the library for whoever opens the notebook: JupyterLab as "kernels lab" starts it,
// or the page that "kernels exec" writes.
func Served() bool { return os.Getenv("CLIPKIT_CHARTS") == "served" }

// Whole is ECharts as it is, which runs before anything that comes after it in the page.
func Whole() (string, error) {
	echarts, err := assets.ECharts()
	if err != nil {
		return "", fmt.Errorf("reading the embedded ECharts: %w", err)
	}
	// ECharts would register itself with a module loader where a page has one (require.js in exported notebooks) instead of setting the
	// global, so the loader's names are hidden from it. Inside a script element "</script" and "<!--" have a meaning of their own.
	inline := strings.NewReplacer("</script", `<\/script`, "<!--", `<\!--`).Replace(echarts)
	return "<script>(function(){if(globalThis.echarts)return;var define,module,exports;" + inline + "\n}).call(globalThis);\n" + mountJS + "</script>", nil
}

// Script finds the library where it is: in the page, or in the Jupyter around it.
func Script() string { return "<script>" + mountJS + "</script>" }

// Packed has the library inside, packed; a browser unpacks it when a chart needs it.
func Packed() string {
	return `<script>globalThis.clipkitLibrary="` + base64.StdEncoding.EncodeToString(assets.EChartsPacked()) + "\";\n" + mountJS + "</script>"
}

// Output is what a notebook's output with charts brings.
func Output() string {
	if Served() {
		return Script()
	}
	return Packed()
}
