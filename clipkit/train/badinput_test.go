package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/weights"
)

// What users of the reference report of runs that go wrong (the numbers are issues of OFA-Sys/Chinese-CLIP), and where it is tested:
//
//	published weights without optimizer (300)         TestResumeFromFiles; files that are no weights here
//	a checkpoint three times the weights (149)        weights.TestConvertMakesSlim
//	NaN, a jump, stuck at ln(batch) (298, 362)        TestDivergenceStops, TestSpikeEndsTheRun, TestGuard; a whole run that is stuck here
//	lr for the batch, few pairs (28, 399)             TestNotices; what a run says here
//	in-batch accuracy is not recall (297, 333)        here
//	texts longer than the context (95, 409)           here
//	repeated pictures and captions (36, 41)           TestLossesEqualTheirDefinition (multi_positive), check.TestCheckFinds
//	from scratch (139)                                weights.TestLoadInit
//	bad pictures, a worker's crash (389)              dataset.TestBadPicturesInTraining; what a run says and keeps here
//	an error at the end (62)                          TestEndToEndRunEqualsTheReference: a run ends with nil
//	intervals of −1, wrong values                     TestBadSettings, TestParseConfig
//	more micro-batches than an epoch has              TestJobHonoursTheStepsSettings
//	resume in mid-epoch, kill, full disk              TestResumeFromFiles, TestKilledRunEndsInTheSameBits, TestUnwritableRunLosesNothing
//
// The rest of this file is what those do not have.

// split is a split in memory; every caption goes with one picture.
type split struct {
	pictures [][]byte
	captions []string // caption i is of picture i modulo their number
}

func (s split) Name() string { return "spoiled/train" }
func (s split) Close() error { return nil }
func (s split) ImageIDs() (ids []int64) {
	for i := range s.pictures {
		ids = append(ids, int64(i))
	}
	return ids
}
func (s split) Image(id int64) ([]byte, error) { return s.pictures[id], nil }
func (s split) Texts() (texts []dataset.Text) {
	for i, c := range s.captions {
		texts = append(texts, dataset.Text{ID: int64(i), Text: c, ImageIDs: []int64{int64(i % len(s.pictures))}})
	}
	return texts
}

// somePictures are the first n of the fixtures' run.
func somePictures(t *testing.T, n int) (pictures [][]byte) {
	t.Helper()
	train := e2eData(t).Train
	for _, id := range train.ImageIDs()[:n] {
		p, err := train.Image(id)
		if err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, p)
	}
	return pictures
}

// outcome is what a reader of a run sees of it.
type outcome struct {
	dir  string
	said []string
	rows []experiment.Row
	log  string
	err  error
}

// runOn trains the fixtures' model, with the weights that it begins with, on a split.
func runOn(t *testing.T, m *model.Model, s dataset.Source, change func(*Config)) (o outcome) {
	t.Helper()
	if err := weights.Load(m, m.Config, golden.Open(t, "e2e/init.pt")); err != nil {
		t.Fatal(err)
	}
	c := e2eConfig(m, "spoiled")
	c.MaxEpochs = 1
	change(&c)
	if c.LR <= 5e-5 { // a learning rate for finetuning, which begins with the scale of trained weights
		modeltest.SetScalar(t, m, "logit_scale", 4.6052) // the highest that there is
	}
	run, err := experiment.Open(t.TempDir(), c.Name, c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	job := Job{Model: m, Train: s, Config: c, Run: run, Say: func(line string) { o.said = append(o.said, line) }}
	job.Validate = inBatch(m, e2eData(t).Valid, c)
	o.dir, o.err = run.Dir, job.Do(context.Background())
	if o.rows, err = experiment.ReadRows(run.Dir); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(run.Dir, "out_*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range logs {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		o.log += string(b)
	}
	return o
}

// TestBadDataInARun trains on what users train on, and reads what the run says of it: each thing once, with what to do about it.
// fault 12, 17, 18
func TestBadDataInARun(t *testing.T) {
	m, pictures := e2eModel(t), somePictures(t, 8)
	captions := []string{"红色的猫", "蓝色的狗", "绿色的鱼", "黄色的鸟", "白色的马", "黑色的牛", "灰色的羊", "紫色的兔"}
	long := slices.Clone(captions)
	long[2] = strings.Repeat("很", 60)
	spoiled := slices.Clone(pictures)
	spoiled[3] = spoiled[3][:len(spoiled[3])/2]
	for _, c := range []struct {
		name   string
		data   split
		change func(*Config)
		err    []string // nothing: the run ends well
		said   []string // each in one line of those said
		noted  string   // what the rows and the log keep of that
	}{
		{"good data", split{pictures, captions}, func(c *Config) {}, nil, nil, ""},
		{"row 6: a large learning rate for few pairs, row 21: few pairs in all", split{pictures, captions}, func(c *Config) { c.LR = 5e-5 }, nil,
			[]string{"lr 5e-05 with 4 pairs a step is high", "2e-6 to 3e-6 with 48 to 96; or raise accum_freq", "8 pairs are few", "best_metric and patience"}, ""},
		{"row 12: texts longer than 52 tokens", split{pictures, long}, func(c *Config) { c.MaxEpochs = 3 }, nil,
			[]string{"1 of the 4 captions of batch", "longer than context_length 52, so cut"}, ""},
		{"row 5: repeated texts and pictures keep the loss at ln(batch)", split{pictures[:1], slices.Repeat([]string{"促销"}, 8)}, func(c *Config) { c.MaxEpochs, c.SaveEpochInterval, c.ValidEpochInterval = 30, 0, 0 }, nil,
			[]string{"the loss has stayed at ln(4) = 1.386, that of guessing, for 50 steps", "a learning rate that is too high for the batch, captions that repeat"}, "the loss has stayed at ln(4)"},
		{"row 30: a picture that is cut off, within the budget", split{spoiled, captions}, func(c *Config) { c.MaxEpochs = 2 }, nil,
			[]string{"left out: image 3: imaging: reading a "}, ""},
		{"row 30: beyond the budget", split{spoiled, captions}, func(c *Config) { c.SkipBudget = 0 },
			[]string{"epoch 1, batch ", "spoiled/train (image 3, text 3)", "damaged picture", "repair them or take them out"}, nil, ""},
		{"row 30: no picture is sound", split{[][]byte{[]byte("<html>")}, captions}, func(c *Config) {},
			[]string{"all 8 pairs are bad", "not a picture format that can be read", "repair them or take them out"}, []string{"left out: image 0"}, ""},
		{"§4.3: hidden answers", split{pictures, nil}, func(c *Config) {}, []string{"spoiled/train has no pairs to train on"}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := runOn(t, m, c.data, c.change)
			for _, want := range c.err {
				if o.err == nil || !strings.Contains(o.err.Error(), want) {
					t.Errorf("error %v, want %q", o.err, want)
				}
			}
			if c.err == nil && o.err != nil {
				t.Error(o.err)
			}
			for _, want := range c.said {
				n := 0
				for _, line := range o.said {
					n += strings.Count(line, want)
				}
				if n == 0 || n > 1 && !strings.HasPrefix(want, "skipped") { // a new epoch tells again
					t.Errorf("%q is said %d times in %q", want, n, o.said)
				}
			}
			if c.said == nil && len(o.said) > 0 {
				t.Errorf("said %q", o.said)
			}
			if c.err == nil {
				if paths, err := checkpoint.List(filepath.Join(o.dir, "checkpoints")); err != nil || len(paths) == 0 {
					t.Errorf("no checkpoint at the end: %v", err)
				}
			}
			if c.noted != "" {
				row := slices.ContainsFunc(o.rows, func(r experiment.Row) bool { return r.Kind == "note" && strings.HasPrefix(r.Note, c.noted) })
				if !row || strings.Count(o.log, c.noted) != 1 {
					t.Errorf("%q is in a row: %v; the log:\n%s", c.noted, row, o.log)
				}
			}
		})
	}
}

// TestBothAccuraciesAreRecorded under their own names, apart from recall, in the rows and in the log (§10 row 7).
func TestBothAccuraciesAreRecorded(t *testing.T) {
	m := e2eModel(t)
	o := runOn(t, m, e2eData(t).Train, func(c *Config) { c.MaxEpochs = 2 })
	if o.err != nil {
		t.Fatal(o.err)
	}
	kinds := map[string]int{}
	for _, r := range o.rows {
		kinds[r.Kind]++
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if r.TextToImage != nil || strings.Contains(string(b), "mean_recall") {
			t.Errorf("an in-batch row has recall: %s", b)
		}
		line := fmt.Sprintf("Image2Text Acc: %.2f | Text2Image Acc: %.2f | ", r.ImageToTextAcc, r.TextToImageAcc)
		if !strings.Contains(o.log, line) {
			t.Errorf("the log has no %q, of the %s row of step %d", line, r.Kind, r.Step)
		}
	}
	if kinds["train"] != 8 || kinds["valid"] != 2 {
		t.Errorf("rows %v, want 8 of training and 2 of validation", kinds)
	}
	if !slices.ContainsFunc(o.rows, func(r experiment.Row) bool { return r.ImageToTextAcc != r.TextToImageAcc && r.ImageToTextAcc > 0 }) {
		t.Error("the two accuracies never differ")
	}
}

// TestBadFilesToResumeFrom names the file and what is wrong with it, and leaves no checkpoint behind.
func TestBadFilesToResumeFrom(t *testing.T) {
	m, data, dir := e2eModel(t), e2eData(t), t.TempDir()
	whole, err := os.ReadFile(golden.Path("e2e/epoch2.pt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"page.pt": []byte("<!DOCTYPE html><html>"), "empty.pt": nil, "cut.pt": whole[:len(whole)/2]} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.pt"):        "no such file",
		filepath.Join(dir, "page.pt"):        "the download was answered by a web page",
		filepath.Join(dir, "empty.pt"):       "an empty file",
		filepath.Join(dir, "cut.pt"):         "damaged or cut",
		golden.Path("vit/init.pt"):           `not the weights of the model "tiny-e2e": text_projection has shape [24 32], want [8 32]`,
		golden.Path("rn/published_style.pt"): `not the weights of the model "tiny-e2e"`,
		dir:                                  "has neither manifest.json nor checkpoints/",
	} {
		c := e2eConfig(m, "run")
		c.MaxEpochs, c.Resume = 3, path
		job, said, err := begin(t, m, data, c)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "resuming from "+path) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
		if paths, err := checkpoint.List(job.Run.Checkpoints()); err != nil || len(paths) > 0 || said != "" {
			t.Errorf("%s: said %q and saved %v, error %v", path, said, paths, err)
		}
	}
}

// TestFailingValidation ends the run with its step and its cause; what was saved before stays.
func TestFailingValidation(t *testing.T) {
	m, data := e2eModel(t), e2eData(t)
	if err := m.Init(1); err != nil {
		t.Fatal(err)
	}
	c := e2eConfig(m, "run")
	c.MaxSteps, c.ValidStepInterval, c.SaveStepInterval = 6, 3, 2
	run, err := experiment.Open(t.TempDir(), c.Name, c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	broken := errors.New("the valid split has gone")
	job := Job{Model: m, Train: data.Train, Config: c, Run: run, Validate: func(context.Context) (experiment.Row, error) { return experiment.Row{}, broken }}
	if err := job.Do(context.Background()); !errors.Is(err, broken) || !strings.Contains(err.Error(), "validation at step 3") {
		t.Errorf("error %v", err)
	}
	if paths, err := checkpoint.List(run.Checkpoints()); err != nil || len(paths) != 1 || filepath.Base(paths[0]) != "step-00000002" {
		t.Errorf("checkpoints %v, error %v", paths, err)
	}
}

// fading is a split of which picture 3 cannot be read any more after its first time.
type fading struct {
	split
	read *atomic.Int64
}

func (s fading) Image(id int64) ([]byte, error) {
	if id == 3 && s.read.Add(1) > 1 {
		return nil, errors.New("it is gone")
	}
	return s.split.Image(id)
}

// A run whose budget of bad pictures ends has its last step saved.
// fault 24, 19.6
func TestSpentBudgetSavesTheLastStep(t *testing.T) {
	captions := []string{"红色的猫", "蓝色的狗", "绿色的鱼", "黄色的鸟", "白色的马", "黑色的牛", "灰色的羊", "紫色的兔"}
	o := runOn(t, e2eModel(t), fading{split{somePictures(t, 8), captions}, new(atomic.Int64)}, func(c *Config) {
		c.MaxEpochs, c.SkipBudget, c.SaveEpochInterval, c.SaveStepInterval = 3, 0, 0, 0
	})
	if o.err == nil || !strings.Contains(o.err.Error(), "it is gone") || !strings.Contains(o.err.Error(), " is saved: run it again to continue") {
		t.Fatalf("error %v", o.err)
	}
	path, err := checkpoint.Latest(filepath.Join(o.dir, "checkpoints"), func(line string) { t.Error(line) })
	if err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if last := o.rows[len(o.rows)-1]; c.State.Step < 2 || c.State.Step != last.Step {
		t.Errorf("step %d is saved, the last row is of step %d", c.State.Step, last.Step)
	}
}
