package chart

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"clipnb/clipkit/experiment"
)

// training makes a plausible run: n logged steps, a validation after every tenth.
func training(n int) []experiment.Row {
	var rows []experiment.Row
	for i := 1; i <= n; i++ {
		t := float64(i) / float64(n)
		rows = append(rows, experiment.Row{
			Kind: "train", Step: 10 * i, Loss: 0.6 + 3*math.Exp(-4*t) + 0.1*math.Sin(float64(i*i)), LR: 5e-5 * (1 - t),
			ImageToTextAcc: 80 * t, TextToImageAcc: 70 * t, ImagesPerSecond: 180 + 5*math.Sin(float64(7*i)), PeakShare: 0.61,
		})
		if i%10 == 0 {
			rows = append(rows, experiment.Row{Kind: "valid", Step: 10 * i, Loss: 1 + 2*math.Exp(-4*t), ImageToTextAcc: 75 * t, TextToImageAcc: 65 * t})
		}
	}
	return append(rows, experiment.Row{Kind: "note", Step: 10 * n, Note: "interrupted"})
}

// parsed is the part of an ECharts option that the tests look at.
type parsed struct {
	Tooltip struct{ RenderMode string }
	XAxis   []struct {
		Name string
		Data []string
	}
	YAxis  []struct{ Name string }
	Series []struct {
		Name, Type string
		YAxisIndex int
		Data       []struct{ Value any }
	}
}

func parse(t *testing.T, c *Chart) parsed {
	t.Helper()
	var p parsed
	if err := json.Unmarshal(c.option, &p); err != nil {
		t.Fatalf("the option is not JSON: %v\n%.300s", err, c.option)
	}
	return p
}

func TestCurves(t *testing.T) {
	rows := training(30)
	for _, test := range []struct {
		chart *Chart
		title string
		axes  []string
		lines map[string]int // name → points
	}{
		{Loss(rows), "训练损失 · Training loss", []string{"损失 (nat) · loss (nats)"},
			map[string]int{"训练 · train": 30, "训练（平滑） · train, smoothed over 5 rows": 30, "验证 · validation": 3}},
		{LearningRate(rows), "学习率 · Learning rate", []string{"学习率 · learning rate"}, map[string]int{"学习率 · learning rate": 30}},
		{Accuracy(rows), "批内准确率 · In-batch accuracy", []string{"准确率 (%) · accuracy (%)"},
			map[string]int{"训练 图→文 · train image→text": 30, "训练 文→图 · train text→image": 30,
				"验证 图→文 · validation image→text": 3, "验证 文→图 · validation text→image": 3}},
		{Throughput(rows), "吞吐量 · Throughput", []string{"图/秒 · images/s", "峰值占比 (%) · share of peak (%)"},
			map[string]int{"速度 · images/s": 30, "峰值占比 · share of peak": 30}},
	} {
		html := test.chart.HTML()
		if !strings.Contains(html, ">"+test.title+"<") {
			t.Errorf("title %q is not in the HTML", test.title)
		}
		p := parse(t, test.chart)
		if p.Tooltip.RenderMode != "richText" {
			t.Errorf("%s: tooltip render mode %q lets HTML through", test.title, p.Tooltip.RenderMode)
		}
		var axes []string
		for _, a := range p.YAxis {
			axes = append(axes, a.Name)
		}
		if fmt.Sprint(axes) != fmt.Sprint(test.axes) || len(test.chart.static) != len(axes) {
			t.Errorf("%s: axes %q with %d static pictures, want %q", test.title, axes, len(test.chart.static), test.axes)
		}
		lines := map[string]int{}
		for _, s := range p.Series {
			lines[s.Name] = len(s.Data)
			if !strings.Contains(html, "</span> "+s.Name+"</span>") {
				t.Errorf("%s: the static legend lacks %q", test.title, s.Name)
			}
		}
		if fmt.Sprint(lines) != fmt.Sprint(test.lines) {
			t.Errorf("%s: lines %v, want %v", test.title, lines, test.lines)
		}
	}
}

func TestRawValuesAreKept(t *testing.T) {
	rows := training(30)
	first := parse(t, Loss(rows)).Series[0].Data[0].Value.([]any)
	if x, y := first[0].(float64), first[1].(float64); x != 10 || math.Abs(y-rows[0].Loss) > 1e-5 {
		t.Errorf("first point (%v, %v), want (10, %v)", x, y, rows[0].Loss)
	}
}

func TestPeakShareIsPercent(t *testing.T) {
	share := parse(t, Throughput(training(3))).Series[1]
	if got := share.Data[0].Value.([]any)[1]; got != 61.0 || share.YAxisIndex != 1 {
		t.Errorf("share of peak %v on axis %d, want 61 on axis 1", got, share.YAxisIndex)
	}
}

func TestUnknownQuantitiesAreLeftOut(t *testing.T) {
	rows := []experiment.Row{
		{Kind: "train", Step: 1, Loss: 2, ImagesPerSecond: 100},
		{Kind: "valid", Step: 1, ImageToTextAcc: 10, TextToImageAcc: 12},
	}
	if p := parse(t, Throughput(rows)); len(p.Series) != 1 || len(p.YAxis) != 1 {
		t.Errorf("an unknown peak still has %d lines on %d axes, want 1 on 1", len(p.Series), len(p.YAxis))
	}
	if p := parse(t, Accuracy(rows)); len(p.Series) != 2 || p.Series[0].Name != "验证 图→文 · validation image→text" {
		t.Errorf("a run without training accuracies has lines %+v, want the two of validation", p.Series)
	}
}

func TestNoRows(t *testing.T) {
	for _, c := range []*Chart{Loss(nil), LearningRate(nil), Accuracy(nil), Throughput(nil), RecallBars(), {}} {
		if html := c.HTML(); !strings.Contains(html, "no rows yet") || strings.Contains(html, "<script") {
			t.Errorf("an empty chart is %s", html)
		}
	}
}

// fault 40
func TestValuesThatCannotBeDrawn(t *testing.T) {
	rows := training(5)
	rows[1].Loss, rows[2].Loss, rows[3].Loss = math.NaN(), math.Inf(1), -1e300
	c := Loss(rows)
	if n := len(parse(t, c).Series[0].Data); n != 2 {
		t.Errorf("%d points drawn, want 2", n)
	}
	if !strings.Contains(c.HTML(), "values left out (NaN, ±Inf): 3") {
		t.Errorf("the three values left out are not counted: %q", c.notes)
	}

	c = RecallBars(Named{Name: "broken", TextToImage: experiment.Recall{R1: math.NaN(), R5: 20, R10: 30}})
	if v := parse(t, c).Series[0].Data; v[0].Value != "-" || v[1].Value != 20.0 {
		t.Errorf("bars %v, want no bar for NaN and 20 after it", v)
	}
	if len(c.notes) != 1 {
		t.Errorf("notes %q, want one about the NaN", c.notes)
	}
}

func TestExtremesDraw(t *testing.T) {
	for _, losses := range [][]float64{{0}, {3}, {2, 2, 2}, {-1e100, 1e100}, {1e-300, 5e-324}, {1e100, 1e100}} {
		var rows []experiment.Row
		for i, loss := range losses {
			rows = append(rows, experiment.Row{Kind: "train", Step: i + 1, Loss: loss})
		}
		c := Loss(rows)
		if n := len(parse(t, c).Series[0].Data); n != len(losses) {
			t.Errorf("%v: %d points", losses, n)
		}
		if svg := string(c.static[0].Document("#334155")); !strings.Contains(svg, "</svg>") || strings.Contains(svg, "NaN") {
			t.Errorf("%v: the static picture is broken:\n%.500s", losses, svg)
		}
	}
}

func TestResumedRunOverwrites(t *testing.T) {
	var rows []experiment.Row
	for _, step := range []int{10, 20, 30, 40, 30, 40, 50} { // resumed from a checkpoint at step 20
		rows = append(rows, experiment.Row{Kind: "train", Step: step, Loss: float64(len(rows))})
	}
	points, _ := pick(rows, "train", func(r experiment.Row) (float64, bool) { return r.Loss, true })
	want := []point{{10, 0}, {20, 1}, {30, 4}, {40, 5}, {50, 6}}
	if fmt.Sprint(points) != fmt.Sprint(want) {
		t.Errorf("points %v, want %v", points, want)
	}
}

func TestThinKeepsEndsAndSpikes(t *testing.T) {
	points := make([]point, 100_003)
	for i := range points {
		points[i] = point{float64(i), math.Sin(float64(i) / 3000)}
	}
	points[31_007].y, points[77_777].y = 50, -50
	got := thin(points, livePoints)
	if len(got) > livePoints || got[0] != points[0] || got[len(got)-1] != points[len(points)-1] {
		t.Fatalf("%d points from %v to %v", len(got), got[0], got[len(got)-1])
	}
	spikes := 0
	for i, p := range got {
		if p == points[31_007] || p == points[77_777] {
			spikes++
		}
		if i > 0 && p.x <= got[i-1].x {
			t.Fatalf("x goes from %v to %v", got[i-1].x, p.x)
		}
	}
	if spikes != 2 {
		t.Errorf("%d of 2 spikes survived", spikes)
	}
	if same := thin(points[:livePoints], livePoints); len(same) != livePoints {
		t.Errorf("a line that fits was thinned to %d", len(same))
	}
}

func TestSmoothFollowsAndStartsRight(t *testing.T) {
	got := smooth([]point{{1, 4}, {2, 4}, {3, 8}}, 3) // each older point counts half
	want := []float64{4, 4, (8 + 4.0/2 + 4.0/4) / (1 + 0.5 + 0.25)}
	for i, p := range got {
		if math.Abs(p.y-want[i]) > 1e-12 {
			t.Errorf("point %d: %v, want %v", i, p.y, want[i])
		}
	}
}

func TestSizes(t *testing.T) {
	rows := training(100_000)
	for _, c := range []*Chart{Loss(rows), LearningRate(rows), Accuracy(rows), Throughput(rows)} {
		if n := len(c.HTML()); n > 1<<20 {
			t.Errorf("%s: %d bytes of HTML for 100,000 rows, want at most 1 MiB", c.title, n)
		}
		for _, s := range c.static {
			if n := len(s.Document("#334155")); n > 60_000 {
				t.Errorf("%s: a static picture of %d bytes, want at most 60,000", c.title, n)
			}
		}
		if !strings.Contains(c.HTML(), "of each stretch of") {
			t.Errorf("%s: nothing says that the rows were thinned: %q", c.title, c.notes)
		}
	}
}

func TestRecallBars(t *testing.T) {
	p := parse(t, RecallBars(
		Named{Name: "before", TextToImage: experiment.Recall{R1: 10.9, R5: 26.2, R10: 37.7}, ImageToText: experiment.Recall{R1: 9, R5: 15.8, R10: 21.4}},
		Named{Name: "after", TextToImage: experiment.Recall{R1: 20.6, R5: 46.5, R10: 56.9}, ImageToText: experiment.Recall{R1: 19.4, R5: 31.6, R10: 44.4}},
	))
	if got := strings.Join(p.XAxis[0].Data, ", "); got != "文→图 R@1, 文→图 R@5, 文→图 R@10, 图→文 R@1, 图→文 R@5, 图→文 R@10" {
		t.Errorf("groups: %s", got)
	}
	if len(p.Series) != 2 || p.Series[1].Name != "B after" || p.Series[1].Type != "bar" {
		t.Fatalf("series %+v", p.Series)
	}
	if got := fmt.Sprint(p.Series[1].Data); got != "[{20.6} {46.5} {56.9} {19.4} {31.6} {44.4}]" {
		t.Errorf("bars %s", got)
	}
}

func TestSameArgumentsSameBytes(t *testing.T) {
	if Accuracy(training(50)).HTML() != Accuracy(training(50)).HTML() {
		t.Error("two charts of the same rows differ")
	}
}
