// Package latency times the towers of models, as the reference does (cn_clip/deploy/speed_benchmark.py), and puts its published figures beside them.
//
//	rows, err := latency.Measure(ctx, "ViT-B-16", m, latency.Options{})  // 10 rounds to warm up, 100 that count
//	fmt.Print(latency.Markdown(rows))
//	chart.Latency(latency.Timings(rows...)...)                          // ours beside the published
//
// A round is one call that encodes one batch: host memory in, unit vectors out, so it holds copies and, on a device, waiting for it. Texts have the
// context's whole length, as in the reference's files, which take no other; shorter ones are faster here. Figures of several models or precisions are
// comparable only from one quiet machine, and better interleaved: Measure takes several and goes round them.
package latency

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/model"
)

// ErrOption is wrapped for options that mean nothing.
var ErrOption = errors.New("latency: this cannot be timed")

// Options of Measure; the zero value is the reference's.
type Options struct {
	Batches []int // none = 1
	WarmUp  int   // rounds before those that count; 0 = 10
	N       int   // rounds that count; 0 = 100
	Images  bool  // time pictures; neither of the two = both
	Texts   bool
}

const maxBatch, maxRounds = 4096, 1_000_000

// Parse takes over what a command line has: "1,8" and "img", "txt" or "both".
func (o *Options) Parse(batches, side string) error {
	for _, b := range strings.Split(batches, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(b))
		if err != nil {
			return fmt.Errorf("%w: batches %q, want numbers with commas between them", ErrOption, batches)
		}
		o.Batches = append(o.Batches, n)
	}
	if side != "img" && side != "txt" && side != "both" {
		return fmt.Errorf("%w: side %q, want \"img\" (pictures), \"txt\" (texts) or \"both\"", ErrOption, side)
	}
	o.Images, o.Texts = side != "txt", side != "img"
	_, err := o.check()
	return err
}

func (o Options) check() (Options, error) {
	if len(o.Batches) == 0 {
		o.Batches = []int{1}
	}
	if o.WarmUp == 0 {
		o.WarmUp = 10
	}
	if o.N == 0 {
		o.N = 100
	}
	if !o.Images && !o.Texts {
		o.Images, o.Texts = true, true
	}
	for _, b := range o.Batches {
		if b < 1 || b > maxBatch {
			return o, fmt.Errorf("%w: batches of %d, want 1 to %d", ErrOption, b, maxBatch)
		}
	}
	if o.WarmUp < 0 || o.N < 1 || max(o.WarmUp, o.N) > maxRounds {
		return o, fmt.Errorf("%w: %d rounds after %d to warm up, want 1 to %d", ErrOption, o.N, o.WarmUp, maxRounds)
	}
	return o, nil
}

// Subject is a model to be timed, under the name that tables show.
type Subject struct {
	Name  string
	Model *model.Model
}

// Row is what was measured of one tower with one batch. Times are in milliseconds for the batch, and percentiles interpolated as numpy's.
type Row struct {
	Model, Engine, Precision, Tower      string // tower: "image" or "text"
	Batch, N                             int
	Mean, SD, Min, Max, Median, P95, P99 float64
	PerSecond                            float64 // samples, at the median
	Peak                                 float64 // share of what the processor reaches in float32, 0 where it is not known
}

// Measure times one model.
func Measure(ctx context.Context, name string, m *model.Model, o Options, progress func(done, total int)) ([]Row, error) {
	return Compare(ctx, []Subject{{name, m}}, o, progress)
}

// Compare times several models in turns, a round of each after the other, so that what else the machine does meets all of them. A tower that a model lacks
// (deploy.ErrAbsent) is an error.
func Compare(ctx context.Context, subjects []Subject, o Options, progress func(done, total int)) (rows []Row, err error) {
	if o, err = o.check(); err != nil {
		return nil, err
	}
	var towers []string
	if o.Images {
		towers = append(towers, "image")
	}
	if o.Texts {
		towers = append(towers, "text")
	}
	done, total := 0, len(towers)*len(o.Batches)*(o.WarmUp+o.N)
	for _, tower := range towers {
		for _, batch := range o.Batches {
			times := make([][]float64, len(subjects))
			var work []func() error
			for _, s := range subjects {
				work = append(work, round(ctx, s.Model, tower, batch))
			}
			for i := range o.WarmUp + o.N {
				for k, encode := range work {
					start := time.Now()
					if err := encode(); err != nil {
						return nil, fmt.Errorf("timing %s, %s, batch %d: %w", subjects[k].Name, tower, batch, err)
					}
					if i >= o.WarmUp {
						times[k] = append(times[k], float64(time.Since(start).Nanoseconds())/1e6)
					}
				}
				done++
				progress(done, total)
			}
			for k, s := range subjects {
				rows = append(rows, row(s, tower, batch, times[k]))
			}
		}
	}
	return rows, nil
}

// round encodes one batch. What is in it is of no importance to the time, as long as it is no padding.
func round(ctx context.Context, m *model.Model, tower string, batch int) func() error {
	if tower == "image" {
		r := m.Config.ImageResolution
		pixels := make([]float32, batch*3*r*r)
		for i := range pixels {
			pixels[i] = float32(i%255)/127 - 1
		}
		return func() error { _, err := m.EncodeImages(ctx, pixels, batch); return err }
	}
	ids := make([]int32, batch*m.Config.ContextLength)
	for i := range ids {
		ids[i] = int32(1 + i%(m.Config.VocabSize-1))
	}
	return func() error { _, err := m.EncodeTexts(ctx, ids, batch); return err }
}

func row(s Subject, tower string, batch int, times []float64) Row {
	r := Summary(times)
	r.Model, r.Engine, r.Precision, r.Tower, r.Batch = s.Name, s.Model.Device.String(), string(s.Model.Precision()), tower, batch
	r.PerSecond = float64(batch) / r.Median * 1000
	flops := s.Model.Config.ImageFLOPs()
	if tower == "text" {
		flops = s.Model.Config.TextFLOPs(s.Model.Config.ContextLength)
	}
	if peak := s.Model.Device.PeakGFLOPS(); peak > 0 {
		r.Peak = r.PerSecond * flops / 1e9 / peak
	}
	return r
}

// Summary has the figures of times alone.
func Summary(times []float64) (r Row) {
	sorted := slices.Sorted(slices.Values(times))
	r.N = len(sorted)
	if r.N == 0 {
		return r
	}
	for _, t := range sorted {
		r.Mean += t / float64(r.N)
	}
	for _, t := range sorted {
		r.SD += (t - r.Mean) * (t - r.Mean) / float64(r.N)
	}
	r.SD = math.Sqrt(r.SD)
	at := func(share float64) float64 {
		place := share * float64(r.N-1)
		low := int(place)
		high := min(low+1, r.N-1)
		return sorted[low] + (place-float64(low))*(sorted[high]-sorted[low])
	}
	r.Min, r.Median, r.P95, r.P99, r.Max = sorted[0], at(0.5), at(0.95), at(0.99), sorted[r.N-1]
	return r
}

// Header and Cells are a table of rows, with the figures of the reference's print_timings (cn_clip/deploy/benchmark_utils.py) and more.
func Header() []string {
	return []string{"model", "precision", "engine", "tower", "batch", "mean ms", "sd", "min", "max", "median", "p95", "p99", "samples/s", "% of f32 peak"}
}

// Cells are the rows under Header.
func Cells(rows []Row) (cells [][]string) {
	for _, r := range rows {
		peak := "unknown"
		if r.Peak > 0 {
			peak = fmt.Sprintf("%.0f", 100*r.Peak)
		}
		line := []string{r.Model, r.Precision, r.Engine, r.Tower, fmt.Sprint(r.Batch)}
		for _, v := range []float64{r.Mean, r.SD, r.Min, r.Max, r.Median, r.P95, r.P99} {
			line = append(line, fmt.Sprintf("%.2f", v))
		}
		cells = append(cells, append(line, fmt.Sprintf("%.1f", r.PerSecond), peak))
	}
	return cells
}

// Markdown is the table as text.
func Markdown(rows []Row) string { return markdown(Header(), Cells(rows)) }

func markdown(header []string, cells [][]string) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(header)
	line(slices.Repeat([]string{"---"}, len(header)))
	for _, c := range cells {
		line(c)
	}
	return b.String()
}

// Timings are rows of the smallest batch for chart.Latency, in milliseconds for one sample, followed by the published ones of the same models.
func Timings(rows ...Row) (list []chart.Timing) {
	smallest := map[string]int{}
	for _, r := range rows {
		if least, seen := smallest[r.Model]; !seen || r.Batch < least {
			smallest[r.Model] = r.Batch
		}
	}
	var models []string
	for _, r := range rows {
		if r.Batch != smallest[r.Model] {
			continue
		}
		engine := r.Precision + ", " + r.Engine
		i := slices.IndexFunc(list, func(t chart.Timing) bool { return t.Model == r.Model && t.Engine == engine })
		if i < 0 {
			i = len(list)
			list = append(list, chart.Timing{Model: r.Model, Engine: engine})
		}
		if each := r.Mean / float64(r.Batch); r.Tower == "image" {
			list[i].Image = each
		} else {
			list[i].Text = each
		}
		models = append(models, r.Model)
	}
	for _, p := range Published {
		if slices.Contains(models, p.Model) {
			list = append(list, chart.Timing{Model: p.Model, Engine: p.Engine + ", T4", Image: p.Image, Text: p.Text, Published: true})
		}
	}
	return list
}
