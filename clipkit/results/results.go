// Package results makes the ModelZoo's results table again on this machine, and shows it beside what was published.
//
//	table := results.Table{Name: "results"}
//	plans, err := table.Plan(ctx)      // hours and memory of every row on this machine, before any begins
//	err = table.Measure(ctx)           // trains and evaluates the rows that can run here, and says why others do not; continues where it was interrupted
//	rows, err := table.Rows(ctx)       // measured, or what each row needs
//	clipkit.Show(results.Figure(append(results.ModelZoo(), rows...)...))
//
// The ModelZoo's figures, and those of the reference, are data of package recipe.
package results

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clipnb/clipkit"
	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/recipe"
	"clipnb/clipkit/weights/hub"
)

// Table is the ModelZoo's table of training results, made again on this machine. Each row is a run of its own under
// experiments/<Name>-<recipe>. It also leaves the files of the ModelZoo's scripts there, with their fields: <CaseName>.log and
// <CaseName>_perf_report.log.
type Table struct {
	Name    string  // what its runs are called, before their recipe's name
	Recipes string  // names with commas between, which run however long they take; "" = the ModelZoo's eight, those of at most an hour
	Data    string  // where Flickr30k-CN lies; "" = where OpenDataset looks for it. Results are compared with those of the set that is in it, whatever its name
	Steps   int     // of each run, to try the table out; 0 = as the recipes say
	Hours   float64 // for all rows together: what is not finished then is saved, has its FPS, and goes on the next time; 0 = without an end
	Batch   int     // batches in parts of at most so many pairs, with the same step (recipe.MicroBatches); 0 = as Plan finds best
	Turns   bool    // one device may take the batches of eight one after another; else such rows need eight
	Ranks   int     // processes for rows of several devices, to try that out on a processor; 0 = one for each NPU
	Toy     bool    // the embedded set as well, which is measured anyway where none of the recipes is
}

// Row is a row of the table. Recalls are percent, of the split that published results are of (Dataset.ReportSplit); times are seconds; 0 = none.
type Row struct {
	Recipe      string            `json:"recipe"`
	Run         string            `json:"run"` // what clipkit.OpenRun opens once it is measured
	Model       string            `json:"model"`
	Name        string            `json:"name"` // how many devices of what kind: "8p-NPU", "1p-cpu (xla)"
	Data        string            `json:"data"`
	TextToImage experiment.Recall `json:"text_to_image"`
	ImageToText experiment.Recall `json:"image_to_text"`
	FPS         float64           `json:"fps"` // pairs per second
	Epochs      int               `json:"epochs"`
	Steps       int               `json:"steps"`
	BatchSize   int               `json:"batch_size"` // pairs that one device contributes to a step

	TrainingTime    float64 `json:"training_time"`     // sum of the steps
	E2ETrainingTime float64 `json:"e2e_training_time"` // of the sessions that trained, with compiling, validation and checkpoints

	Status string `json:"status"` // "measured here on …", "partial: …", "published", "not measured yet", "needs: …" or "not run: …"
}

const (
	measuredHere = "measured here"
	partial      = "partial: "
	notRun       = "not run: "
)

// Measured tells whether the row was measured on this machine.
func (r Row) Measured() bool { return strings.HasPrefix(r.Status, measuredHere) }

// Partial tells whether some of its steps were made, and give its FPS.
func (r Row) Partial() bool { return strings.HasPrefix(r.Status, partial) }

// Missing lists what this machine lacks to run the recipe; nothing, when it can be tried. Published weights are looked for where clipkit.Load looks
// (pretrained_weights/, CLIPKIT_WEIGHTS), but not downloaded. With turns one device does for several. What memory is free is found out when the
// run begins.
func Missing(ctx context.Context, r recipe.Recipe, turns bool) (out []string) {
	if err := weightsHere(ctx, r.Weights); err != nil {
		out = append(out, err.Error())
	}
	switch data, err := clipkit.OpenFor(ctx, r); {
	case errors.Is(err, dataset.ErrNotFound):
		out = append(out, "data set "+r.Data)
	case err != nil:
		out = append(out, err.Error())
	default:
		if data.ReportSplit() == nil {
			out = append(out, r.Data+" with a test split")
		}
		data.Close()
	}
	if r.Devices > 1 && !turns && devicesHere() < r.Devices {
		out = append(out, fmt.Sprintf("%d devices", r.Devices))
	}
	if len(out) > 0 {
		out = append(out, fmt.Sprintf("about %.1f GB of memory", float64(r.Memory())/1e9))
	}
	return out
}

// devicesHere is how many devices of the kernel's kind Finetune uses at once.
func devicesHere() int {
	name := os.Getenv("CLIPKIT_DEVICE")
	if strings.HasPrefix(name, "npu") {
		return max(1, device.Available(name))
	}
	return device.Asks(name)
}

// turns tells whether rows of several devices can do with fewer.
func (t Table) turns() bool { return t.Turns || t.Ranks > 0 }

// weightsHere tells what a recipe's weights lack: a published file, or the run whose result they are.
func weightsHere(ctx context.Context, name string) error {
	if r, err := hub.FindRelease(name); err == nil {
		offline := func(key string) string {
			if key == "CLIPKIT_OFFLINE" {
				return "1"
			}
			return os.Getenv(key)
		}
		if _, err := hub.Locate(ctx, name, hub.Options{Folder: repo.Weights(), Getenv: offline}); err != nil {
			return fmt.Errorf("weights %s (%s)", r.Name, r.File)
		}
		return nil
	}
	if name == "" || name == "emoji" {
		return nil
	}
	c, err := checkpoint.Find(filepath.Join(repo.Experiments(), name), func(string) {})
	if err != nil {
		return fmt.Errorf("weights %s (%v)", name, err)
	}
	return c.Close()
}

// plan are the recipes of the table with its settings.
func (t Table) plan(ctx context.Context) ([]recipe.Recipe, error) {
	all := recipe.ModelZooScripts()
	if t.Recipes != "" {
		all = nil
		for name := range strings.SplitSeq(t.Recipes, ",") {
			p, err := recipe.Find(strings.TrimSpace(name))
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	for i := range all {
		if p := &all[i]; p.Data == "Flickr30k-CN" {
			p.Data = cmp.Or(t.Data, p.Data)
		}
	}
	emoji, err := recipe.Find(toy)
	if err != nil {
		return nil, err
	}
	isEmoji := func(p recipe.Recipe) bool { return p.Name == emoji.Name }
	canRun := func(p recipe.Recipe) bool { return len(Missing(ctx, p, t.turns())) == 0 }
	t.settle(&emoji)
	before, err := readResult(emoji)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(all, isEmoji) && (t.Toy || before.Status != "" || !slices.ContainsFunc(all, canRun)) {
		all = append(all, emoji)
	}
	for i := range all {
		t.settle(&all[i])
	}
	return all, nil
}

// settle puts the table's settings into a recipe's.
func (t Table) settle(p *recipe.Recipe) {
	c := &p.Config
	c.Name = cmp.Or(t.Name, "results") + "-" + strings.ReplaceAll(p.Name, "/", "-")
	c.MaxSteps = t.Steps
	if t.Batch > 0 {
		*c = recipe.MicroBatches(*c, t.Batch)
	}
}

// Rows gives the table's rows: those that Measure has measured, and of the others what they need.
func (t Table) Rows(ctx context.Context) ([]Row, error) {
	recipes, err := t.plan(ctx)
	if err != nil {
		return nil, err
	}
	return t.rows(ctx, recipes)
}

func (t Table) rows(ctx context.Context, recipes []recipe.Recipe) ([]Row, error) {
	var out []Row
	for _, p := range recipes {
		r, err := readResult(p)
		if err != nil {
			return nil, err
		}
		if !r.Measured() && !r.Partial() {
			r.Status = cmp.Or(r.Status, "not measured yet")
			if missing := Missing(ctx, p, t.turns()); len(missing) > 0 {
				r.Status = "needs: " + strings.Join(missing, "; ")
			}
		}
		out = append(out, r)
	}
	return out, nil
}
