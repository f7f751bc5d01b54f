package train

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
)

// logged is what a log of the reference says of its steps and validations, in order.
type logged struct {
	step               int // of the training step or validation
	valid              bool
	loss, i2t, t2i, lr float64
}

var (
	trainLine = regexp.MustCompile(`Global Steps: (\d+)/\d+ .* Loss: ([\d.]+) \| Image2Text Acc: ([\d.]+) \| Text2Image Acc: ([\d.]+) \| LR: ([\d.]+)`)
	validLine = regexp.MustCompile(`Validation Result \(epoch \d+ @ (\d+) steps\) \| Valid Loss: ([\d.]+) \| Image2Text Acc: ([\d.]+) \| Text2Image Acc: ([\d.]+)`)
)

func readLog(t *testing.T, name string) (list []logged) {
	t.Helper()
	b, err := os.ReadFile(golden.Path("e2e/" + name))
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) float64 {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	for line := range strings.Lines(string(b)) {
		if m := trainLine.FindStringSubmatch(line); m != nil {
			list = append(list, logged{int(number(m[1])), false, number(m[2]), number(m[3]), number(m[4]), number(m[5])})
		}
		if m := validLine.FindStringSubmatch(line); m != nil {
			list = append(list, logged{int(number(m[1])), true, number(m[2]), number(m[3]), number(m[4]), 0})
		}
	}
	return list
}

// e2eModel is the model of the fixtures' end-to-end run, without weights.
func e2eModel(t testing.TB) *model.Model { return modeltest.New(t, "cpu:go", golden.Config(t, "e2e")) }

// e2eConfig is the command line of the fixtures' end-to-end run.
func e2eConfig(m *model.Model, name string) Config {
	c := Default(m.Config)
	c.Name, c.BatchSize, c.ValidBatchSize, c.Warmup, c.LogInterval, c.Workers = name, 4, 4, 2, 1, 1
	c.LR, c.WeightDecay, c.Beta1, c.Beta2, c.Epsilon = 5e-4, 0.001, 0.9, 0.98, 1e-6
	return c
}

func e2eData(t testing.TB) *dataset.Dataset {
	t.Helper()
	data, err := dataset.Open(golden.Path("e2e"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { data.Close() })
	return data
}

// inBatch is a Job.Validate that measures what the reference's validation does.
func inBatch(m *model.Model, valid dataset.Source, c Config) func(context.Context) (experiment.Row, error) {
	return func(ctx context.Context) (row experiment.Row, err error) {
		f, err := eval.Extract(ctx, exchange.Alone, m, valid, c.ContextLength, nil, nil)
		if err != nil {
			return row, err
		}
		scale, err := m.LogitScale()
		if err != nil {
			return row, err
		}
		pairs := dataset.Pairs(valid)
		order := dataset.Order(c.Seed, 0, len(pairs), c.ValidBatchSize, 1, 0)
		row.Loss, row.ImageToTextAcc, row.TextToImageAcc, err = eval.InBatch(f, pairs, order, c.ValidBatchSize, scale)
		return row, err
	}
}

// doJob runs a job to its end and gives its rows and what it said.
func doJob(t *testing.T, root string, m *model.Model, data *dataset.Dataset, c Config) (dir string, rows []experiment.Row, said []string) {
	t.Helper()
	run, err := experiment.Open(root, c.Name, c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	job := Job{Model: m, Train: data.Train, Config: c, Run: run, Say: func(line string) { said = append(said, line) }}
	if data.Valid != nil {
		job.Validate = inBatch(m, data.Valid, c)
	}
	if err := job.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if rows, err = experiment.ReadRows(run.Dir); err != nil {
		t.Fatal(err)
	}
	return run.Dir, rows, said
}

// compareLog compares a run's rows with a log of the reference: losses and learning rates to what the log prints, accuracies exactly.
func compareLog(t *testing.T, rows []experiment.Row, want []logged) {
	t.Helper()
	var got []experiment.Row
	for _, r := range rows {
		if r.Kind != "note" {
			got = append(got, r)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d rows, the reference has %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Step != w.step || (g.Kind == "valid") != w.valid {
			t.Fatalf("row %d is %q of step %d, want step %d", i, g.Kind, g.Step, w.step)
		}
		abs := math.Abs(g.Loss - w.loss)
		golden.Parity(t, fmt.Sprintf("%s loss of step %d", g.Kind, g.Step), 1, abs, abs/w.loss, 1e-5)
		if math.Abs(g.ImageToTextAcc-w.i2t) > 0.005 || math.Abs(g.TextToImageAcc-w.t2i) > 0.005 || math.Abs(g.LR-w.lr) > 5.1e-7 {
			t.Errorf("step %d: accuracies %.2f %.2f lr %.6f, want %.2f %.2f %.6f", g.Step, g.ImageToTextAcc, g.TextToImageAcc, g.LR, w.i2t, w.t2i, w.lr)
		}
	}
}

// The fixtures' end-to-end run: the reference's training program on its own data, two epochs, a .pt with the optimizer's state, and a third
// epoch from it. Every logged figure and the last parameters are compared.
func TestEndToEndRunEqualsTheReference(t *testing.T) {
	data, root := e2eData(t), t.TempDir()
	t.Run("two epochs", func(t *testing.T) {
		m := e2eModel(t)
		c := e2eConfig(m, "first")
		c.MaxEpochs, c.Resume, c.ResetOptimizer, c.ResetDataOffset = 2, golden.Path("e2e/init.pt"), true, true
		_, rows, _ := doJob(t, root, m, data, c)
		compareLog(t, rows, readLog(t, "run1.log"))
	})
	t.Run("a third, resumed from its checkpoint", func(t *testing.T) {
		m := e2eModel(t)
		c := e2eConfig(m, "second")
		c.MaxEpochs, c.Resume = 3, golden.Path("e2e/epoch2.pt")
		_, rows, said := doJob(t, root, m, data, c)
		compareLog(t, rows, readLog(t, "run2_resumed.log"))
		if !strings.Contains(strings.Join(said, "\n"), "epoch2.pt (epoch 2 @ 8 steps)") {
			t.Errorf("said %q", said)
		}
		compareE2EParameters(t, m)
	})
	t.Run("a third, resumed from ours", func(t *testing.T) { // our checkpoint of the first two epochs is as good a beginning as the reference's
		m := e2eModel(t)
		c := e2eConfig(m, "third")
		c.MaxEpochs, c.Resume = 3, filepath.Join(root, "first")
		_, rows, _ := doJob(t, root, m, data, c)
		compareLog(t, rows, readLog(t, "run2_resumed.log"))
		compareE2EParameters(t, m)
	})
}

func compareE2EParameters(t *testing.T, m *model.Model) {
	t.Helper()
	golden.CloseTensors(t, m.Config.TextWidth, "e2e", "epoch3_params", func(string, []float32) float64 { return 1e-3 }, func(name string) []float32 { return modeltest.Values(t, m, name) })
}
