package parity

import (
	"math"
	"strings"
	"testing"

	"clipnb/clipkit/eval"
	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/model"
)

func TestMain(m *testing.M) { limit.Main(m) }

func TestAgreement(t *testing.T) {
	a := agreement([]float32{1, 0, 0, 1}, []float32{1, 0, 0.6, 0.8}, 2)
	if math.Abs(a.Mean-0.9) > 1e-6 || math.Abs(a.Least-0.8) > 1e-6 || math.Abs(a.Largest-0.6) > 1e-6 {
		t.Errorf("%+v", a)
	}
}

// A fall of more than the tolerance is said aloud, and whether it may be chance; a smaller one is not.
func TestWarnings(t *testing.T) {
	row := func(precision string, mean eval.Change) Row {
		same := &eval.Direction{Queries: 1000, Mean: eval.Change{Before: 80, After: 80}}
		return Row{Precision: precision, Opset: 17, Images: &Agreement{Mean: 1, Least: 1}, Recall: &eval.Comparison{TextToImage: &eval.Direction{Queries: 1000, Mean: mean}, ImageToText: same}}
	}
	table := &Table{Model: model.Ident{Name: "m", Source: "s"}, Split: "x/test", Rows: []Row{
		row("fp32", eval.Change{Before: 71.1, After: 70.95, Low: -0.3, High: 0}),
		row("fp16", eval.Change{Before: 71.1, After: 70.85, Low: -0.6, High: 0.1}),
		row("int8", eval.Change{Before: 71.1, After: 69, Low: -2.9, High: -1.4}),
	}}
	lines := table.Warnings()
	if len(lines) != 2 || !strings.Contains(lines[0], "fp16 loses recall: text→image on x/test 71.1 → 70.8 (-0.2, 95% -0.6 to +0.1)") || !strings.Contains(lines[0], "may be chance") ||
		!strings.Contains(lines[1], "int8 loses recall") || strings.Contains(lines[1], "chance") {
		t.Errorf("%q", lines)
	}
	text := table.Markdown()
	for _, want := range []string{
		"# m: the exported files against the model\n", "| fp16 | 17 | images | 1.000000 | 1.000000 | 0 |\n", "| int8 | 17 | texts | – | – | – |\n",
		"| int8 | image→text | 1000 | 0.0 → 0.0", "**Warning:** int8 loses recall",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if len(table.Cells()) != 3 || len(table.Cells()[0]) != len(table.Header()) {
		t.Errorf("%d cells under %d names", len(table.Cells()[0]), len(table.Header()))
	}
	table.Rows = []Row{{Precision: "fp32"}}
	if !strings.Contains(table.Markdown(), "Not measured: no text of this split names its picture.") {
		t.Error(table.Markdown())
	}
}
