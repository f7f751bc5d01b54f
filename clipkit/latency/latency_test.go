package latency_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/latency"
	"clipnb/clipkit/model/modeltest"
)

func TestMain(m *testing.M) { limit.Main(m) }

// The figures are numpy's mean, std and percentile of 1..100, and 3.
func TestSummary(t *testing.T) {
	var times []float64
	for i := range 100 {
		times = append(times, float64(100-i))
	}
	r := latency.Summary(times)
	for _, c := range []struct {
		name      string
		got, want float64
	}{{"mean", r.Mean, 50.5}, {"sd", r.SD, 28.86607004772212}, {"min", r.Min, 1}, {"max", r.Max, 100}, {"median", r.Median, 50.5}, {"p95", r.P95, 95.05}, {"p99", r.P99, 99.01}} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}
	if r := latency.Summary([]float64{3}); r.P99 != 3 || r.SD != 0 || r.N != 1 {
		t.Errorf("%+v", r)
	}
	if r := latency.Summary(nil); r.N != 0 || r.Mean != 0 {
		t.Errorf("%+v", r)
	}
}

func TestCompare(t *testing.T) {
	m := modeltest.Tiny(t, "cpu:go", "vit")
	rounds := 0
	subjects := []latency.Subject{{Name: "ViT-B-16", Model: m}, {Name: "mine", Model: m}}
	rows, err := latency.Compare(context.Background(), subjects, latency.Options{Batches: []int{1, 3}, WarmUp: 1, N: 4}, func(done, total int) {
		if rounds++; done != rounds || total != 20 {
			t.Errorf("%d of %d after %d", done, total, rounds)
		}
	})
	if err != nil || len(rows) != 8 || rounds != 20 {
		t.Fatalf("%d rows, %d rounds, %v", len(rows), rounds, err)
	}
	for _, r := range rows {
		if r.N != 4 || r.Min <= 0 || r.Min > r.Median || r.Median > r.P95 || r.P95 > r.Max || r.PerSecond <= 0 || r.Peak < 0 || r.Precision != "f32" {
			t.Errorf("%+v", r)
		}
	}
	var text strings.Builder
	page := t.TempDir() + "/page.html"
	if err := latency.Write(&text, page, rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| ViT-B-16 | f32 | cpu (go) | image | 1 |", "| mine | f32 |", latency.Source, "| ViT-B-16 | TensorRT | 3.58 | 1.54 | 52.0 | 76.8 | 84.2 | 71.0 |"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	if strings.Contains(text.String(), "ViT-H-14") {
		t.Error("figures of a model that was not timed")
	}
	timings := latency.Timings(rows...)
	if len(timings) != 5 || !timings[4].Published || timings[0].Image <= 0 || timings[1].Text <= 0 {
		t.Errorf("%+v", timings)
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := latency.Measure(ctx, "x", m, latency.Options{}, func(int, int) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestOptions(t *testing.T) {
	for _, c := range [][2]string{{"1,x", "both"}, {"", "both"}, {"0", "both"}, {"5000", "img"}, {"1", "sound"}} {
		var o latency.Options
		if err := o.Parse(c[0], c[1]); !errors.Is(err, latency.ErrOption) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", c, err)
		}
	}
	var o latency.Options
	if err := o.Parse("1, 8", "img"); err != nil || len(o.Batches) != 2 || !o.Images || o.Texts {
		t.Errorf("%+v, %v", o, err)
	}
}

// The published table is whole: five models, three engines, recall of two models.
func TestPublished(t *testing.T) {
	recalls := 0
	for _, p := range latency.Published {
		if p.Image <= 0 || p.Text <= 0 {
			t.Errorf("%+v", p)
		}
		if p.MUGE[3] > 0 {
			recalls++
			if mean := (p.MUGE[0] + p.MUGE[1] + p.MUGE[2]) / 3; math.Abs(mean-p.MUGE[3]) > 0.11 { // of rounded figures
				t.Errorf("%s %s: the mean of %v is %.2f", p.Model, p.Engine, p.MUGE, mean)
			}
		}
	}
	if len(latency.Published) != 15 || recalls != 6 {
		t.Errorf("%d rows, %d with recall", len(latency.Published), recalls)
	}
}
