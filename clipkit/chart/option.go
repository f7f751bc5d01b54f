package chart

import (
	"math"
	"strconv"
	"strings"

	"clipnb/clipkit/chart/option"
	"clipnb/clipkit/chart/svg"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"
)

// The height of a chart with one row of legend, of each further row, the page's width that rows are estimated for, and the number of
// rows above which a legend scrolls instead. CSS pixels.
const (
	liveHeight   = 340
	legendHeight = 38
	legendWidth  = 860
	legendRows   = 8
)

// legendLines is about how many lines a legend takes; 1 where it scrolls.
func legendLines(legend []mark) int {
	lines, x := 1, 0.0
	for _, m := range legend {
		w := 54 + 12*svg.Ems(m.name)
		if x > 0 && x+w > legendWidth {
			lines, x = lines+1, 0
		}
		x += w
	}
	if lines > legendRows {
		return 1
	}
	return lines
}

// height is that of a chart whose legend has its lines above the axes.
func height(legend []mark) int { return liveHeight + legendHeight*(legendLines(legend)-1) }

// common are the settings of every chart. The title stays in the HTML around it, where it can wrap.
func common(trigger string, legend []mark) []charts.GlobalOpts {
	top := 64 + legendHeight*(legendLines(legend)-1)
	kind := "plain"
	if legendLines(legend) == 1 {
		kind = "scroll"
	}
	return []charts.GlobalOpts{
		charts.WithInitializationOpts(opts.Initialization{BackgroundColor: "transparent", Theme: "white"}),
		charts.WithColorsOpts(palette),
		charts.WithAnimation(false),
		charts.WithTooltipOpts(opts.Tooltip{Show: opts.Bool(true), Trigger: trigger}),
		charts.WithLegendOpts(opts.Legend{Show: opts.Bool(true), Type: kind, Top: "0", Left: "0"}),
		charts.WithGridOpts(opts.Grid{Left: "8", Right: "24", Top: strconv.Itoa(top), Bottom: "36", ContainLabel: opts.Bool(true)}),
	}
}

// atEdge keeps an axis line at the left edge, also where the other axis has its 0 elsewhere.
var atEdge = &opts.AxisLine{Show: opts.Bool(true), OnZero: opts.Bool(false)}

// option is the live form of the curves.
func (c curves) option(legend []mark) []byte {
	chart := &charts.Line{}
	option.Start(&chart.BaseConfiguration)
	chart.SetGlobalOptions(common("axis", legend)...)
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
	whole := option.Whole(&chart.BaseConfiguration)
	series := make([]any, len(c.lines))
	for i, l := range c.lines {
		series[i] = option.Ended(chart.MultiSeries[i], l.letter)
	}
	whole["series"] = series
	return option.Encode(whole)
}

func (l curve) style() opts.LineStyle {
	s := opts.LineStyle{Color: l.colour, Width: 2, Type: string(l.stroke), Opacity: opts.Float(l.opacity())}
	if l.faint {
		s.Width = 1
	}
	return s
}

// option is the live form of the bars.
func (c bars) option(legend []mark) []byte {
	chart := &charts.Bar{}
	option.Start(&chart.BaseConfiguration)
	chart.SetGlobalOptions(common("axis", legend)...)
	categories := make([]string, len(c.categories))
	lines := 1
	for i, l := range c.categories {
		categories[i] = l.zh
		lines = max(lines, 1+strings.Count(l.zh, "\n"))
	}
	chart.SetGlobalOptions(
		charts.WithXAxisOpts(opts.XAxis{
			Type: "category", Name: c.groups.String(), NameLocation: "middle", NameGap: 16 + 14*lines,
			AxisLabel: &opts.AxisLabel{Interval: "0"},
		}),
		charts.WithYAxisOpts(opts.YAxis{Type: "value", Name: c.axis.String(), NameGap: 34, Position: "left"}), // above the highest bar's letter and number
	)
	chart.SetXAxis(categories)
	for _, series := range c.series {
		text := series.letter
		data := make([]opts.BarData, len(series.values))
		for j, v := range series.values {
			data[j].Value = "-" // ECharts' word for no value
			if math.IsNaN(v) {
				continue
			}
			data[j].Value = math.Round(v*100) / 100
			if len(c.series) <= 3 { // ECharts would write 9.0 as 9
				data[j].Label = &opts.Label{Show: opts.Bool(true), Position: "top", FontSize: 10, Formatter: strings.TrimSpace(text + "\n" + c.number(v))}
			}
		}
		style := opts.ItemStyle{Color: series.colour}
		if series.published {
			style = opts.ItemStyle{Color: "transparent", BorderColor: series.colour, BorderWidth: 2}
		}
		chart.AddSeries(series.name(), data,
			charts.WithItemStyleOpts(style),
			charts.WithLabelOpts(opts.Label{Show: opts.Bool(true), Position: "top", FontSize: 10, Formatter: text}),
		)
	}
	chart.Validate() // puts the categories into the axis
	return option.Encode(option.Whole(&chart.BaseConfiguration))
}
