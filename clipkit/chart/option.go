package chart

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"
)

// visitor adds the settings that go-echarts has no fields for.
type visitor struct {
	charts.BaseConfigurationVisitor
}

// VisitTooltipOpt has tooltips drawn as text inside the chart: ECharts' default is HTML, into which series names would go.
func (visitor) VisitTooltipOpt(t opts.Tooltip) any {
	return struct {
		opts.Tooltip
		RenderMode string `json:"renderMode"`
		Confine    bool   `json:"confine"`
	}{t, "richText", true}
}

// VisitLegendOpt leaves room between entries: the browser's Chinese glyphs are wider than ECharts estimates.
func (visitor) VisitLegendOpt(l opts.Legend) any {
	return struct {
		opts.Legend
		ItemGap int `json:"itemGap"` // pixels
	}{l, 24}
}

// VisitXAxis writes steps without decimals in tooltips.
func (visitor) VisitXAxis(axes []opts.XAxis) any {
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
func (visitor) VisitYAxis(axes []opts.YAxis) any {
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

// common are the settings of every chart. The title stays in the HTML around it, where it can wrap.
func common(trigger string) []charts.GlobalOpts {
	return []charts.GlobalOpts{
		charts.WithInitializationOpts(opts.Initialization{BackgroundColor: "transparent", Theme: "white"}),
		charts.WithColorsOpts(palette),
		charts.WithAnimation(false),
		charts.WithTooltipOpts(opts.Tooltip{Show: opts.Bool(true), Trigger: trigger}),
		charts.WithLegendOpts(opts.Legend{Show: opts.Bool(true), Type: "scroll", Top: "0", Left: "0"}),
		charts.WithGridOpts(opts.Grid{Left: "8", Right: "24", Top: "64", Bottom: "36", ContainLabel: opts.Bool(true)}),
	}
}

// option is the live form of the curves.
func (c curves) option() []byte {
	chart := charts.NewLine()
	chart.Accept(visitor{})
	chart.SetGlobalOptions(common("axis")...)
	chart.SetGlobalOptions(charts.WithXAxisOpts(opts.XAxis{
		Type: "value", Name: "步 · optimizer step", NameLocation: "middle", NameGap: 30, Scale: opts.Bool(true), MinInterval: 1,
		SplitLine: &opts.SplitLine{Show: opts.Bool(false)},
	}))
	for i, name := range c.axes {
		axis := opts.YAxis{Type: "value", Name: name.String(), Scale: opts.Bool(true), Position: "left", AlignTicks: opts.Bool(true)}
		if i == 0 {
			chart.SetGlobalOptions(charts.WithYAxisOpts(axis))
			continue
		}
		axis.Position = "right"
		chart.ExtendYAxis(axis)
	}
	for _, l := range c.lines {
		data := make([]opts.LineData, len(l.points))
		for i, p := range l.points {
			data[i] = opts.LineData{Value: [2]float64{p.x, round(p.y)}}
		}
		axis := 0
		if l.right {
			axis = 1
		}
		chart.AddSeries(l.name.String(), data,
			charts.WithLineChartOpts(opts.LineChart{
				YAxisIndex: axis, Symbol: "circle", SymbolSize: 5, ShowSymbol: opts.Bool(len(data) <= 40),
			}),
			charts.WithItemStyleOpts(opts.ItemStyle{Color: l.colour, Opacity: opts.Float(l.opacity())}),
			charts.WithLineStyleOpts(l.style()),
		)
	}
	return encode(chart.JSON())
}

func (l curve) style() opts.LineStyle {
	s := opts.LineStyle{Color: l.colour, Width: 2, Opacity: opts.Float(l.opacity())}
	if l.faint {
		s.Width = 1
	}
	if l.dashed {
		s.Type = "dashed"
	}
	return s
}

// option is the live form of the bars.
func (c bars) option() []byte {
	chart := charts.NewBar()
	chart.Accept(visitor{})
	chart.SetGlobalOptions(common("axis")...)
	categories := make([]string, len(c.categories))
	for i, l := range c.categories {
		categories[i] = l.zh
	}
	chart.SetGlobalOptions(
		charts.WithXAxisOpts(opts.XAxis{
			Type: "category", Name: "文→图 text→image · 图→文 image→text", NameLocation: "middle", NameGap: 30,
			AxisLabel: &opts.AxisLabel{Interval: "0"},
		}),
		charts.WithYAxisOpts(opts.YAxis{Type: "value", Name: c.axis.String(), Position: "left"}),
	)
	chart.SetXAxis(categories)
	for i, name := range c.names {
		data := make([]opts.BarData, len(c.values[i]))
		for j, v := range c.values[i] {
			data[j].Value = "-" // ECharts' word for no value
			if !math.IsNaN(v) {
				data[j].Value = math.Round(v*100) / 100
			}
		}
		chart.AddSeries(name, data,
			charts.WithItemStyleOpts(opts.ItemStyle{Color: palette[i%len(palette)]}),
			charts.WithLabelOpts(opts.Label{Show: opts.Bool(len(c.names) <= 3), Position: "top", FontSize: 10}),
		)
	}
	chart.Validate() // puts the categories into the axis
	return encode(chart.JSON())
}

// encode goes round go-echarts' own template, which would leave < and > as they are and turn marked strings into functions.
// encoding/json escapes <, >, & and the two line separators, so the JSON can neither end a script nor be anything but data.
func encode(option map[string]any) []byte {
	b, err := json.Marshal(option)
	if err != nil {
		// Values are finite and types are fixed: this is a mistake in this package, and the page shows it instead of a chart.
		b, _ = json.Marshal(map[string]any{"title": map[string]any{"text": fmt.Sprintf("chart: %v", err)}})
	}
	return b
}
