package page

import (
	_ "embed"
	"fmt"
	"html"
	"strings"
)

//go:embed frame.js
var frameJS string

// Frame is HTML that shows the page in a notebook's output. Where no Jupyter is around it, as in an exported notebook, only the words are there, and
// nothing is asked of any host.
func (p *Page) Frame(height int) string {
	id := "clipkit-page-" + p.state.Token[:8]
	script := strings.NewReplacer("$ID", id, "$PORT", fmt.Sprint(p.state.Port), "$PATH", p.state.Token+"/", "$HEIGHT", fmt.Sprint(height)).Replace(frameJS)
	return fmt.Sprintf(`<div id="%s"><p>搜索页运行的时候显示在这里 · The retrieval page is shown here while it runs: <a href="%s" target="_blank" rel="noopener noreferrer">%[2]s</a></p></div>
<script>%[3]s</script>`, id, html.EscapeString(p.URL), script)
}
