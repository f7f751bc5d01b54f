package chart

import (
	_ "embed"
	"fmt"
	"strings"

	"clipnb/assets"
	"clipnb/clipkit/chart/svg"
)

//go:embed mount.js
var mountJS string

// Setup is the script element with ECharts (1 MB) that makes charts live. A notebook needs it once, before or after its charts;
// [Page] brings its own.
func Setup() (string, error) {
	echarts, err := assets.ECharts()
	if err != nil {
		return "", fmt.Errorf("chart: reading the embedded ECharts: %w", err)
	}
	// ECharts would register itself with a module loader where a page has one (require.js in exported notebooks) instead of setting the
	// global, so the loader's names are hidden from it. Inside a script element "</script" and "<!--" have a meaning of their own.
	inline := strings.NewReplacer("</script", `<\/script`, "<!--", `<\!--`).Replace(echarts)
	return "<script>(function(){if(globalThis.echarts)return;var define,module,exports;" + inline + "\n}).call(globalThis);\n" + mountJS + "</script>", nil
}

// policy lets a page use what is in it and nothing else.
const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

// Page is a standalone HTML document of the parts, in their order, light or dark as the reader prefers. It makes no request to any
// host. ECharts is inside only if a part is a [Chart] with something to draw.
func Page(title string, parts ...Figure) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `<!DOCTYPE html>
<html lang="zh">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="%s">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>
:root { color-scheme: light dark; }
body { font-family: system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; max-width: 960px; margin: 24px auto; padding: 0 16px; }
h1 { font-size: 22px; }
</style>
</head>
<body>
<h1>%s</h1>
`, policy, svg.Escape(title), svg.Escape(title))
	live := false
	for i, part := range parts {
		if part == nil {
			return "", fmt.Errorf("chart: page %q: part %d of %d is nil; leave it out or pass a figure", title, i+1, len(parts))
		}
		if c, ok := part.(*Chart); ok && c.option != nil {
			live = true
		}
		b.WriteString(part.HTML())
		b.WriteString("\n")
	}
	if live {
		setup, err := Setup()
		if err != nil {
			return "", err
		}
		b.WriteString(setup)
	}
	b.WriteString("</body>\n</html>\n")
	return b.String(), nil
}
