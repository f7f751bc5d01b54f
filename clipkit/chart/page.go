package chart

import (
	"fmt"
	"strings"

	"clipnb/clipkit/chart/library"
	"clipnb/clipkit/chart/svg"
)

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
		whole, err := library.Whole()
		if err != nil {
			return "", fmt.Errorf("chart: page %q: %w", title, err)
		}
		b.WriteString(whole)
	}
	b.WriteString("</body>\n</html>\n")
	return b.String(), nil
}
