package results

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/recipe"
	"clipnb/clipkit/train/plan"
)

// Before anything is there, the table says hours and memory of every row, with the recipes' steps whatever the parts.
func TestPlan(t *testing.T) {
	dir := t.TempDir()
	for name, value := range map[string]string{"CLIPKIT_ROOT": dir, "CLIPKIT_WEIGHTS": "", "HOME": dir, "CLIPKIT_DEVICE": "cpu:go"} {
		t.Setenv(name, value)
	}
	for _, batch := range []int{0, 16} {
		planned, err := Table{Batch: batch}.Plan(t.Context())
		if err != nil || len(planned) != 9 {
			t.Fatal(planned, err)
		}
		steps := map[string]int{}
		for _, p := range planned {
			steps[p.Recipe] = p.Plan.Steps
			if p.Seconds <= 0 || p.Memory <= 0 || !strings.Contains(p.String(), p.Status) {
				t.Errorf("%s: %+v", p, p.Plan)
			}
			if batch > 0 && p.Config.MicroBatch != batch {
				t.Errorf("%s in parts of %d", p.Recipe, p.Config.MicroBatch)
			}
		}
		for name, want := range map[string]int{"flickr30k/vit-b-16/full": 3492, "flickr30k/vit-b-16/performance": 1164, "flickr30k/vit-b-16/full-8p": 438, "flickr30k/vit-h-14/full-8p": 1746, toy: 188} {
			if steps[name] != want {
				t.Errorf("%s: %d steps, want %d", name, steps[name], want)
			}
		}
		if page := PlanFigure(planned...).HTML(); !strings.Contains(page, "3492 × 128") || !strings.Contains(page, "needs: weights") {
			t.Error(page)
		}
	}
}

// Why a row is not run, in the words that a person reads.
func TestReasons(t *testing.T) {
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	p, err := recipe.Find(toy)
	if err != nil {
		t.Fatal(err)
	}
	long := Planned{Row{Recipe: toy}, plan.Plan{Config: p.Config, Steps: 1000, Epoch: 100, Pairs: 128, Seconds: 60, Source: "measured", Fits: true}, p}
	short, large, done := long, long, long
	short.Seconds, large.Fits, large.Instead, done.Status = 1, false, "freeze_vision (2.0 GB)", measuredHere
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errHours)
	for _, c := range []struct {
		table Table
		p     Planned
		ctx   context.Context
		want  string
	}{
		{Table{}, short, t.Context(), ""},
		{Table{}, long, t.Context(), "not run: about 16h40m: 1000 steps of 128 pairs at 60 s, 1h40m an epoch (measured); about 0.0 GB of memory; recipes=emoji/finetune runs it, hours=8 as much of it as 8 hours allow"},
		{Table{Recipes: toy}, long, t.Context(), ""},
		{Table{Hours: 8}, long, t.Context(), ""},
		{Table{Steps: 3}, long, t.Context(), ""},
		{Table{Recipes: toy}, large, t.Context(), "it does not fit; what would: freeze_vision (2.0 GB)"},
		{Table{Hours: 8}, long, over, "not run: the 8 hours are over; the same line goes on"},
		{Table{}, done, t.Context(), ""},
	} {
		if got := c.table.reason(c.ctx, c.p); got != c.want && (c.want == "" || !strings.HasSuffix(got, c.want)) {
			t.Errorf("%+v: %q, want %q", c.table, got, c.want)
		}
	}
	if err := keepNotRun(p, "not run: because"); err != nil {
		t.Fatal(err)
	}
	if r, err := readResult(p); err != nil || r.Status != "not run: because" || r.Measured() {
		t.Error(r, err)
	}
}

// Hours that are over leave what was done, with its FPS; the next call finishes the row.
func TestHoursLeaveAPartialRow(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CLIPKIT_ROOT", dir)
	table := Table{Name: "h", Recipes: toy, Steps: 3}
	planned, err := table.Plan(t.Context())
	if err != nil || len(planned) != 1 {
		t.Fatal(planned, err)
	}
	ctx, end := context.WithCancelCause(t.Context())
	go func() {
		for { // until the first step is recorded
			if rows, _ := experiment.ReadRows(filepath.Join(dir, "experiments", "h-emoji-finetune")); len(rows) > 0 || ctx.Err() != nil {
				end(errHours)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	left, err := table.measureOne(ctx, planned[0])
	if err != nil || !strings.HasPrefix(left, partial) || !strings.Contains(left, " of 3 steps, FPS only, in ") || !strings.HasSuffix(left, "; measured here on emoji (embedded set, not Flickr30k-CN); the same line goes on") {
		t.Fatalf("%q, %v", left, err)
	}
	rows, err := table.Rows(t.Context())
	if err != nil || len(rows) != 1 || !rows[0].Partial() || rows[0].Measured() || rows[0].FPS <= 0 || rows[0].Steps < 1 || rows[0].TextToImage != (experiment.Recall{}) {
		t.Fatalf("%+v, %v", rows, err)
	}
	if err := table.Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rows, err = table.Rows(t.Context()); err != nil || !rows[0].Measured() || rows[0].Steps != 3 || rows[0].TextToImage.R5 <= 0 {
		t.Errorf("%+v, %v", rows, err)
	}
}

// A set is what is in it.
func TestMeasuredOn(t *testing.T) {
	emoji, err := clipkit.OpenDataset(t.Context(), "emoji")
	if err != nil {
		t.Fatal(err)
	}
	defer emoji.Close()
	if set, said := measuredOn(emoji); set != "emoji" || said != "measured here on emoji (embedded set, not Flickr30k-CN)" {
		t.Error(set, said)
	}
	for _, c := range []struct {
		folder          string
		pictures, texts int
		first           int64
		set, says       string
	}{
		{"Flickr30k-CN", 1000, 5000, 36979, "Flickr30k-CN", "measured here on Flickr30k-CN"},
		{"mine", 1000, 5000, 36979, "Flickr30k-CN", "measured here on Flickr30k-CN"},
		{"Flickr30k-CN", 20, 100, 36979, "a set in the folder Flickr30k-CN", "20 pictures with 100 captions of the folder Flickr30k-CN, which is not the published Flickr30k-CN: its test split has 20 pictures, the published one 1000"},
		{"Flickr30k-CN", 1000, 5000, 9_000_000_001, "a set in the folder Flickr30k-CN", "has a picture with the number 9000000001, the published ones go up to 8999999999"},
		{"mine", 20, 100, 1, "mine", "measured here on 20 pictures with 100 captions of the folder mine, a set of one's own"},
	} {
		data := &dataset.Dataset{Name: c.folder, Test: counted{c.pictures, c.texts, c.first}}
		if set, said := measuredOn(data); set != c.set || !strings.HasSuffix(said, c.says) {
			t.Errorf("%+v: %q, %q", c, set, said)
		}
	}
}

// counted is a split of so many pictures and captions.
type counted struct {
	pictures, texts int
	first           int64
}

func (c counted) Name() string                { return fmt.Sprint(c) }
func (c counted) Close() error                { return nil }
func (c counted) Image(int64) ([]byte, error) { return nil, dataset.ErrNotFound }

func (c counted) ImageIDs() (ids []int64) {
	for i := range c.pictures {
		ids = append(ids, c.first+int64(i))
	}
	return ids
}

func (c counted) Texts() (texts []dataset.Text) {
	for i := range c.texts {
		texts = append(texts, dataset.Text{ID: int64(i), Text: "一只猫", ImageIDs: []int64{c.first + int64(i%c.pictures)}})
	}
	return texts
}
