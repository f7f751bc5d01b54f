package option_test

import (
	"bytes"
	"testing"

	"clipnb/clipkit/chart/option"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"
)

// A chart of Start and Whole is the one that go-echarts makes, byte for byte.
func TestStartedAsGoEchartsStarts(t *testing.T) {
	settings := []charts.GlobalOpts{
		charts.WithInitializationOpts(opts.Initialization{BackgroundColor: "transparent", Theme: "white"}),
		charts.WithColorsOpts(opts.Colors{"#123456"}),
		charts.WithTooltipOpts(opts.Tooltip{Show: opts.Bool(true), Trigger: "axis"}),
		charts.WithYAxisOpts(opts.YAxis{Type: "value", Position: "left"}),
	}
	fill := func(l *charts.Line, b *charts.Bar, s *charts.Scatter) {
		for _, set := range []func(...charts.GlobalOpts) *charts.RectChart{l.SetGlobalOptions, b.SetGlobalOptions, s.SetGlobalOptions} {
			set(settings...)
		}
		l.ExtendYAxis(opts.YAxis{Type: "value", Position: "right"})
		l.AddSeries("a", []opts.LineData{{Value: [2]float64{1, 2}}}, charts.WithLineChartOpts(opts.LineChart{YAxisIndex: 1}))
		b.SetXAxis([]string{"x", "y"})
		b.AddSeries("b", []opts.BarData{{Value: 1}, {Value: "-"}})
		b.Validate()
		s.AddSeries("c", []opts.ScatterData{{Name: "p", Value: []any{1, 2}}})
	}
	line, bar, scatter := charts.NewLine(), charts.NewBar(), charts.NewScatter()
	theirs := []*charts.BaseConfiguration{&line.BaseConfiguration, &bar.BaseConfiguration, &scatter.BaseConfiguration}
	for _, c := range theirs {
		c.Accept(option.Visitor{})
	}
	fill(line, bar, scatter)
	line2, bar2, scatter2 := &charts.Line{}, &charts.Bar{}, &charts.Scatter{}
	ours := []*charts.BaseConfiguration{&line2.BaseConfiguration, &bar2.BaseConfiguration, &scatter2.BaseConfiguration}
	for _, c := range ours {
		option.Start(c)
	}
	fill(line2, bar2, scatter2)
	for i, name := range []string{"line", "bar", "scatter"} {
		if want, got := option.Encode(theirs[i].JSON()), option.Encode(option.Whole(ours[i])); !bytes.Equal(want, got) {
			t.Errorf("%s:\n%s, go-echarts has\n%s", name, got, want)
		}
	}
}
