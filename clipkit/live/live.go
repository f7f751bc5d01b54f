package live

import (
	"fmt"
	"os"
	"time"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/chart/library"
	"clipnb/clipkit/experiment"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"
)

const (
	liveInterval = 2 * time.Second // between two drawings, at least
	liveRest     = 200             // times what the last drawing took, at least: it is half a percent of the training's time
)

// charts draw loss and accuracy in one place of a notebook's output while a run goes on. nil draws nothing.
type charts struct {
	place func(data map[protocol.MIMEType]any) // replaces what is there
	now   func() time.Time
	rows  []experiment.Row
	next  time.Time // not to be drawn before
	drawn bool
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
	place := func(data map[protocol.MIMEType]any) {
		gonbui.SendData(&protocol.DisplayData{Data: data, DisplayID: id})
	}
	return &charts{place: place, now: time.Now, rows: rows}
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
	script := library.Script()
	if !l.drawn {
		script = library.Output()
	}
	l.draw(script)
	end := l.now()
	l.next = end.Add(max(liveInterval, liveRest*end.Sub(start)))
}

// draw shows the charts. The first drawing brings their library where that is needed, and so does the last one, which is what the notebook keeps.
func (l *charts) draw(script string) {
	l.place(output(script, chart.Loss(l.rows), chart.Accuracy(l.rows)))
	l.drawn = true
}

// finish leaves the charts of everything.
func (l *charts) finish() {
	if l == nil || len(l.rows) == 0 {
		return
	}
	l.draw(library.Output())
	gonbui.Sync()
}
