package shape_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/datasettest"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/train"
)

// shapes are the folders of testdata that hold the set of testdata/tsv.
var shapes = []string{"parquet", "parquet-split", "imagefolder", "webdataset", "img2dataset", "coco", "karpathy", "lists"}

func open(t *testing.T, shape string) *dataset.Dataset {
	t.Helper()
	d, err := dataset.Open("testdata/" + shape)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if d.Train == nil || d.Valid == nil || d.Test == nil || len(d.LeftOut) > 0 {
		t.Fatalf("%s: %v", shape, d)
	}
	return d
}

func splits(d *dataset.Dataset) []dataset.Source { return []dataset.Source{d.Train, d.Valid, d.Test} }

// TestSameSet in each shape: pictures, captions and ids in one order.
func TestSameSet(t *testing.T) {
	want := open(t, "tsv")
	for _, shape := range shapes {
		got := open(t, shape)
		for i, w := range splits(want) {
			g := splits(got)[i]
			if name := shape + w.Name()[len("tsv"):]; g.Name() != name {
				t.Errorf("%s is called %s, want %s", shape, g.Name(), name)
			}
			if !slices.Equal(g.ImageIDs(), w.ImageIDs()) || !slices.Equal(dataset.Pairs(g), dataset.Pairs(w)) {
				t.Fatalf("%s:\n%v\n%v\nwant\n%v\n%v", g.Name(), g.ImageIDs(), dataset.Pairs(g), w.ImageIDs(), dataset.Pairs(w))
			}
			for _, id := range w.ImageIDs() {
				a, errA := w.Image(id)
				b, errB := g.Image(id)
				if errA != nil || errB != nil || !bytes.Equal(a, b) {
					t.Errorf("%s: picture %d has %d bytes, want %d (%v, %v)", g.Name(), id, len(b), len(a), errA, errB)
				}
			}
		}
	}
}

func TestConformance(t *testing.T) {
	for _, shape := range append(shapes, "tsv") {
		for i, name := range []string{"train", "valid", "test"} {
			t.Run(shape+"/"+name, func(t *testing.T) {
				datasettest.Test(t, func(t *testing.T) dataset.Source { return splits(open(t, shape))[i] })
			})
		}
	}
}

// TestOpensAgain in another process, which knows where a split lies.
func TestOpensAgain(t *testing.T) {
	for _, shape := range shapes {
		want := open(t, shape).Valid
		at, ok := dataset.LocationOf(want)
		if !ok {
			t.Errorf("%s does not say where it lies", shape)
			continue
		}
		again, err := at.Open()
		if err != nil || !slices.Equal(dataset.Pairs(again), dataset.Pairs(want)) {
			t.Errorf("%s: %v", at, err)
			continue
		}
		again.Close()
	}
}

// result is what a run gives: the model's values, and what validation and evaluation said, to the bit.
type result struct {
	values []float32
	rows   []float64
}

// TestSameResults trains, validates, stops, resumes and evaluates on each shape.
func TestSameResults(t *testing.T) {
	want := run(t, open(t, "tsv"))
	for _, shape := range shapes {
		got := run(t, open(t, shape))
		if !slices.Equal(got.values, want.values) {
			t.Errorf("%s: the trained models differ", shape)
		}
		if !slices.EqualFunc(got.rows, want.rows, func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }) {
			t.Errorf("%s: %v, want %v", shape, got.rows, want.rows)
		}
	}
}

func run(t *testing.T, d *dataset.Dataset) (res result) {
	t.Helper()
	root := t.TempDir()
	for _, stopAt := range []int{3, 0} {
		m := modeltest.Tiny(t, "cpu:go", "vit")
		cfg := train.Default(m.Config)
		cfg.Name, cfg.BatchSize, cfg.MaxSteps, cfg.Warmup, cfg.LogInterval, cfg.Augment = "run", 4, 6, 2, 1, "reference"
		cfg.ValidBatchSize, cfg.ValidStepInterval, cfg.SaveStepInterval, cfg.Workers = 4, 2, 2, 2
		r, err := experiment.Open(root, "run", cfg, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		job := train.Job{Model: m, Train: d.Train, Config: cfg, Run: r, Progress: func(p train.Progress) {
			if p.Row.Step == stopAt {
				cancel()
			}
		}}
		job.Validate = func(ctx context.Context) (experiment.Row, error) {
			return eval.Validate(ctx, exchange.Alone, m, d.Valid, eval.Validation{ContextLength: cfg.ContextLength, BatchSize: cfg.ValidBatchSize, Seed: cfg.Seed})
		}
		err = job.Do(ctx)
		cancel()
		r.Close()
		if stopAt > 0 {
			if !errors.Is(err, train.ErrInterrupted) {
				t.Fatal(err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		rows, err := experiment.ReadRows(r.Dir)
		if err != nil {
			t.Fatal(err)
		}
		validated := 0
		for _, row := range rows {
			res.rows = append(res.rows, float64(row.Step), row.Loss, row.ImageToTextAcc, row.TextToImageAcc)
			if row.Kind != "train" {
				validated++
			}
		}
		if paths, err := checkpoint.List(r.Checkpoints()); err != nil || len(paths) < 3 || validated < 3 {
			t.Fatalf("checkpoints %v, %d validations, %v", paths, validated, err)
		}
		res.values = modeltest.AllValues(t, m)
		f, err := eval.Extract(context.Background(), exchange.Alone, m, d.Test, cfg.ContextLength, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		report, err := eval.Retrieval(f, d.Test.Texts())
		if err != nil {
			t.Fatal(err)
		}
		res.rows = append(res.rows, report.TextToImage.Mean, report.ImageToText.Mean)
		for _, v := range f.Images {
			res.rows = append(res.rows, float64(v))
		}
	}
	return res
}
