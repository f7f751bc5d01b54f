package live

import (
	"encoding/base64"
	"fmt"
	"os"
	"time"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/experiment"

	"github.com/janpfeifer/gonb/gonbui"
)

const (
	liveInterval = 2 * time.Second // between two drawings, at least
	liveRest     = 200             // times what the last drawing took, at least: it is half a percent of the training's time
)

// charts draw loss and accuracy in one place of a notebook's output while a run goes on. nil draws nothing.
type charts struct {
	place func(html string) // replaces what is there
	now   func() time.Time
	rows  []experiment.Row
	next  time.Time // not to be drawn before
}

// newCharts begins with what the run in dir has already done. Outside a notebook it is nil.
func newCharts(dir string) *charts {
	if !gonbui.IsNotebook {
		return nil
	}
	rows, err := experiment.ReadRows(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the chart begins here: "+err.Error())
	}
	id := gonbui.UniqueId()
	return &charts{place: func(html string) { gonbui.UpdateHTML(id, html) }, now: time.Now, rows: rows}
}

// add takes a step or a validation, and draws when it is time.
func (l *charts) add(row experiment.Row) {
	if l == nil {
		return
	}
	l.rows = append(l.rows, row)
	start := l.now()
	if start.Before(l.next) {
		return
	}
	l.place(still(chart.Loss(l.rows)) + still(chart.Accuracy(l.rows)))
	end := l.now()
	l.next = end.Add(max(liveInterval, liveRest*end.Sub(start)))
}

// finish leaves the charts of everything, which come alive where the notebook lets scripts run.
func (l *charts) finish() {
	if l == nil || len(l.rows) == 0 {
		return
	}
	l.place(chart.Loss(l.rows).HTML() + chart.Accuracy(l.rows).HTML())
	if err := SetUpCharts(); err != nil {
		fmt.Fprintln(os.Stderr, "charts stay still: "+err.Error())
	}
	gonbui.Sync()
}

// still is a chart as a picture. A live one for each drawing would stay in the browser's memory.
func still(c *chart.Chart) string {
	return fmt.Sprintf(`<img style="display:block;max-width:100%%" alt="" src="data:image/svg+xml;base64,%s"/>`, base64.StdEncoding.EncodeToString(c.SVG()))
}
