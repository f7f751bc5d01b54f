// Package option completes the options that go-echarts writes for ECharts, and makes them JSON that is safe inside a script element.
//
//	chart := &charts.Line{}
//	option.Start(&chart.BaseConfiguration)
//	json := option.Encode(option.Whole(&chart.BaseConfiguration))
//
// charts.NewLine is not called, because it brings the template of go-echarts' own pages. A program with text/template in it keeps every exported
// method of every type that it has, for a template might call them by name: cells were 10 MB larger.
package option

import (
	"encoding/json"
	"fmt"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"
)

// Start gives a chart with x and y axes the defaults that charts.NewLine, NewBar and NewScatter give.
func Start(c *charts.BaseConfiguration) {
	c.XAxisList, c.YAxisList = []opts.XAxis{{}}, []opts.YAxis{{}}
	c.FillDefaultValues()
	c.Accept(Visitor{})
}

// Whole is the whole option of a chart that Start was given. (JSON alone leaves out the axes of a chart that no New made.)
func Whole(c *charts.BaseConfiguration) map[string]any {
	whole := c.JSON()
	whole["xAxis"], whole["yAxis"] = Visitor{}.VisitXAxis(c.XAxisList), Visitor{}.VisitYAxis(c.YAxisList)
	return whole
}

// Visitor adds the settings that go-echarts has no fields for; a chart is given it with Accept.
type Visitor struct {
	charts.BaseConfigurationVisitor
}

// VisitTooltipOpt has tooltips drawn as text inside the chart: ECharts' default is HTML, into which series names would go.
func (Visitor) VisitTooltipOpt(t opts.Tooltip) any {
	return struct {
		opts.Tooltip
		RenderMode string `json:"renderMode"`
		Confine    bool   `json:"confine"`
	}{t, "richText", true}
}

// VisitLegendOpt leaves room between entries: the browser's Chinese glyphs are wider than ECharts estimates.
func (Visitor) VisitLegendOpt(l opts.Legend) any {
	return struct {
		opts.Legend
		ItemGap int `json:"itemGap"` // pixels
	}{l, 24}
}

// VisitDataZooms leaves the wheel to the page, which scrolls; with Ctrl it zooms.
func (Visitor) VisitDataZooms(zooms []opts.DataZoom) any {
	type zoom struct {
		opts.DataZoom
		ZoomOnMouseWheel string `json:"zoomOnMouseWheel"`
	}
	out := make([]zoom, len(zooms))
	for i, z := range zooms {
		out[i] = zoom{z, "ctrl"}
	}
	return out
}

// VisitXAxis writes steps without decimals in tooltips.
func (Visitor) VisitXAxis(axes []opts.XAxis) any {
	type axis struct {
		opts.XAxis
		AxisPointer any `json:"axisPointer"`
	}
	whole := map[string]any{"label": map[string]any{"precision": 0}}
	out := make([]axis, len(axes))
	for i, a := range axes {
		out[i] = axis{a, whole}
	}
	return out
}

// VisitYAxis aligns the axis names with the outer edge of the labels, so that long ones are not cut off.
func (Visitor) VisitYAxis(axes []opts.YAxis) any {
	type axis struct {
		opts.YAxis
		NameTextStyle opts.TextStyle `json:"nameTextStyle"`
	}
	out := make([]axis, len(axes))
	for i, a := range axes {
		align := "left"
		if a.Position == "right" {
			align = "right"
		}
		out[i] = axis{a, opts.TextStyle{Align: align}}
	}
	return out
}

// Ended is a line with a text at its end, "" for none, which go-echarts has no field for.
func Ended(line charts.SingleSeries, text string) any {
	type label struct {
		Show      bool   `json:"show"`
		Formatter string `json:"formatter"`
	}
	return struct {
		charts.SingleSeries
		EndLabel label `json:"endLabel"`
	}{line, label{text != "", text}}
}

// Encode goes round go-echarts' own template, which would leave < and > as they are and turn marked strings into functions.
// encoding/json escapes <, >, & and the two line separators, so the JSON can neither end a script nor be anything but data.
func Encode(option any) []byte {
	b, err := json.Marshal(option)
	if err != nil {
		// Values are finite and types are fixed: this is a mistake in this package, and the page shows it instead of a chart.
		b, _ = json.Marshal(map[string]any{"title": map[string]any{"text": fmt.Sprintf("chart: %v", err)}})
	}
	return b
}
