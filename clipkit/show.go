package clipkit

import (
	"clipnb/clipkit/chart"
	"clipnb/clipkit/live"

	"github.com/janpfeifer/gonb/gonbui"
)

// Show displays figures in a notebook's output. Outside a notebook it says how to write them to a page.
func Show(figures ...chart.Figure) {
	if !gonbui.IsNotebook {
		say("not in a notebook: write chart.Page(title, figures…) to a file and open it in a browser")
		return
	}
	live.Display(figures...)
}
