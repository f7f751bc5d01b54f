package live

import (
	"fmt"
	"strings"
	"sync/atomic"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/chart/library"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"
)

// brought is whether this cell's outputs have what makes charts live.
var brought atomic.Bool

// Display shows figures in a notebook's output, each as an output of its own.
func Display(figures ...chart.Figure) {
	for _, f := range figures {
		script := ""
		if _, isChart := f.(*chart.Chart); isChart && !brought.Swap(true) {
			script = library.Output()
		}
		gonbui.SendData(&protocol.DisplayData{Data: output(script, f)})
	}
	gonbui.Sync()
}

// output is figures in every form in which they may be seen: HTML in a notebook; where that is not shown, as in some viewers and in papers, an image;
// and text in a terminal. script is what makes charts live. Several figures are charts.
func output(script string, figures ...chart.Figure) map[protocol.MIMEType]any {
	html, text := []string{script}, []string{}
	var charts []*chart.Chart
	data := map[protocol.MIMEType]any{}
	for _, f := range figures {
		html = append(html, f.HTML())
		if t, ok := f.(fmt.Stringer); ok {
			text = append(text, t.String())
		}
		if c, ok := f.(*chart.Chart); ok {
			charts = append(charts, c)
		} else if s, ok := f.(interface{ Still() []byte }); ok {
			data[protocol.MIMEImageSVG] = string(s.Still())
		}
	}
	data[protocol.MIMETextHTML], data[protocol.MIMETextPlain] = strings.Join(html, ""), strings.Join(text, "\n\n")
	if len(charts) > 0 {
		data[protocol.MIMEImageSVG] = string(chart.Still(charts...))
	}
	return data
}
