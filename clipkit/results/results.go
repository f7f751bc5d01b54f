package clipkit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/train"
	"clipnb/clipkit/weights/hub"
)

// Reproduction is the seed's table of training results (SPEC §9), made again on this machine:
//
//	table := clipkit.Reproduction{Name: "results"}
//	err := table.Measure(ctx)          // trains and evaluates every row that can run here; continues where it was interrupted
//	rows, err := table.Results(ctx)    // measured, or what each row needs
//	clipkit.Show(clipkit.ResultTable(append(clipkit.SeedResults(), rows...)...))
//
// Each row is a run of its own under experiments/<Name>-<recipe>. It also leaves the files of the seed's scripts there, with their fields:
// <CaseName>.log and <CaseName>_perf_report.log.
type Reproduction struct {
	Name    string // what its runs are called, before their recipe's name
	Recipes string // names with commas between; "" = the seed's eight
	Data    string // where Flickr30k-CN lies; "" = where OpenDataset looks for it. Give the folder the set's name, by which its results are compared
	Steps   int    // of each run, to try the table out; 0 = as the recipes say
	Batch   int    // at most so many pairs in a batch where memory is short, the step keeps its pairs (MicroBatches); 0 = as the recipes say
	Turns   bool   // one device may take the batches of eight one after another; else such rows need eight
	Toy     bool   // the embedded set as well, which is measured anyway where none of the recipes can be
}

// Result is a row of the table. Recalls are percent, of the split that published results are of (ReportSplit); times are seconds; 0 = none.
type Result struct {
	Recipe      string            `json:"recipe"`
	Run         string            `json:"run"` // what OpenRun opens once it is measured
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

	Status string `json:"status"` // "measured here on …", "published", "not measured yet" or "needs: …"
}

const measuredHere = "measured here"

// Measured tells whether the row was measured on this machine.
func (r Result) Measured() bool { return strings.HasPrefix(r.Status, measuredHere) }

// FPS is pairs per second as the seed's scripts compute it from a log (SPEC §9.4): pairs of a step (batch × devices) over the mean of the last
// 100 batch times. The mean is rounded to milliseconds and the quotient is cut, not rounded, to hundredths. It is 0 where there are no times.
func FPS(pairs int, batchTimes []float64) float64 {
	last := batchTimes[max(0, len(batchTimes)-100):]
	if len(last) == 0 {
		return 0
	}
	ms := int(math.Round(1000 * sum(last) / float64(len(last))))
	if ms == 0 {
		return 0
	}
	return float64(pairs*1000*100/ms) / 100
}

// TrainingTime is the seed's: the sum of all batch times, in seconds to three decimals.
func TrainingTime(batchTimes []float64) float64 { return math.Round(1000*sum(batchTimes)) / 1000 }

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// batchTimes are those of the log, which has them in milliseconds.
func batchTimes(rows []experiment.Row) (times []float64) {
	for _, r := range rows {
		if r.Kind == "train" {
			times = append(times, math.Round(1000*r.BatchTime)/1000)
		}
	}
	return times
}

// Missing lists what this machine lacks to run the recipe; nothing, when it can be tried. Published weights are looked for where Load looks
// (pretrained_weights/, CLIPKIT_WEIGHTS), but not downloaded. With turns one device does for several. What memory is free is found out when the
// run begins.
func (p Promise) Missing(ctx context.Context, turns bool) (out []string) {
	if r, err := hub.FindRelease(p.Weights); err == nil {
		offline := func(key string) string {
			if key == "CLIPKIT_OFFLINE" {
				return "1"
			}
			return os.Getenv(key)
		}
		if _, err := hub.Locate(ctx, p.Weights, hub.Options{Folder: filepath.Join(root(), "pretrained_weights"), Getenv: offline}); err != nil {
			out = append(out, fmt.Sprintf("weights %s (%s)", r.Name, r.File))
		}
	} else if p.Weights != "" {
		if _, f, _, err := find(ctx, p.Weights, nil); err != nil {
			out = append(out, fmt.Sprintf("weights %s (%v)", p.Weights, err))
		} else {
			f.Close()
		}
	}
	switch data, err := p.Open(ctx); {
	case errors.Is(err, dataset.ErrNotFound):
		out = append(out, "data set "+p.Data)
	case err != nil:
		out = append(out, err.Error())
	default:
		if ReportSplit(data) == nil {
			out = append(out, p.Data+" with a test split")
		}
		data.Close()
	}
	if p.Devices > 1 && !turns {
		out = append(out, fmt.Sprintf("%d devices", p.Devices))
	}
	if len(out) > 0 {
		out = append(out, fmt.Sprintf("about %.1f GB of memory", float64(p.Memory())/1e9))
	}
	return out
}

// plan are the recipes of the table with its settings.
func (t Reproduction) plan(ctx context.Context) ([]Promise, error) {
	all := seedRecipes()
	if t.Recipes != "" {
		all = nil
		for name := range strings.SplitSeq(t.Recipes, ",") {
			p, err := FindRecipe(strings.TrimSpace(name))
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
	emoji := emojiRecipes()[0]
	isEmoji := func(p Promise) bool { return p.Name == emoji.Name }
	canRun := func(p Promise) bool { return len(p.Missing(ctx, t.Turns)) == 0 }
	if !slices.ContainsFunc(all, isEmoji) && (t.Toy || !slices.ContainsFunc(all, canRun)) {
		all = append(all, emoji)
	}
	for i := range all {
		c := &all[i].Config
		c.Name = cmp.Or(t.Name, "results") + "-" + strings.ReplaceAll(all[i].Name, "/", "-")
		c.MaxSteps = t.Steps
		if t.Batch > 0 {
			*c = MicroBatches(*c, t.Batch)
		}
	}
	return all, nil
}

// Results gives the table's rows: those that Measure has measured, and of the others what they need.
func (t Reproduction) Results(ctx context.Context) ([]Result, error) {
	plan, err := t.plan(ctx)
	if err != nil {
		return nil, err
	}
	var out []Result
	for _, p := range plan {
		r, err := readResult(p)
		if err != nil {
			return nil, err
		}
		if r.Status == "" {
			r.Status = "not measured yet"
			if missing := p.Missing(ctx, t.Turns); len(missing) > 0 {
				r.Status = "needs: " + strings.Join(missing, "; ")
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// Measure trains and evaluates every row that can run here. A row that the memory does not hold is left with what it needs; any other error
// ends it. Called again, it continues.
func (t Reproduction) Measure(ctx context.Context) error {
	plan, err := t.plan(ctx)
	if err != nil {
		return err
	}
	for _, p := range plan {
		if missing := p.Missing(ctx, t.Turns); len(missing) > 0 {
			say(p.Name + " needs: " + strings.Join(missing, "; "))
			continue
		}
		if err := measure(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}

// measure is one row.
func measure(ctx context.Context, p Promise) error {
	r, err := readResult(p)
	if err != nil {
		return err
	}
	data, err := p.Open(ctx)
	if err != nil {
		return err
	}
	defer data.Close()
	m, err := p.Load(ctx)
	if err != nil {
		return err
	}
	defer m.Close()

	start := time.Now()
	run, err := Finetune(ctx, m, data, p.Config)
	session := time.Since(start).Seconds()
	switch {
	case errors.Is(err, train.ErrMemory):
		r.Status = fmt.Sprintf("needs: memory (%v)", err)
		return keepResult(p, r)
	case errors.Is(err, train.ErrInterrupted):
		r.E2ETrainingTime, r.Status = r.E2ETrainingTime+session, ""
		return errors.Join(err, keepResult(p, r))
	case err != nil:
		return err
	}
	trained := run.Rows[len(run.Rows)-1].Step
	if r.Steps == trained && r.Measured() {
		return nil // nothing was left to do
	}
	rep, err := EvaluateRetrieval(ctx, m, ReportSplit(data), KeepFeatures(p.Config.Name))
	if err != nil {
		return err
	}
	times := batchTimes(run.Rows)
	r.Name, r.Data, r.TextToImage, r.ImageToText = "1p-"+m.Device.String(), data.Name, rep.TextToImage, rep.ImageToText
	r.BatchSize, r.Steps = p.PairsPerStep(), trained // of the one device
	r.FPS, r.TrainingTime = FPS(r.BatchSize, times), TrainingTime(times)
	r.E2ETrainingTime += session
	r.Status = measuredHere + " on " + data.Name
	if data.Name == "emoji" {
		r.Status += " (embedded set, not Flickr30k-CN)"
	}
	if p.Config.MaxSteps > 0 {
		r.Status += fmt.Sprintf(", after %d steps only", trained)
	}
	if err := writeSeedLogs(run.Dir, runtime.GOARCH, r); err != nil {
		return err
	}
	return keepResult(p, r)
}

func resultFile(p Promise) string {
	return filepath.Join(experiments(), p.Config.Name, "eval", "result.json")
}

// readResult is what was kept of the recipe's run, else its settings alone.
func readResult(p Promise) (Result, error) {
	r := Result{
		Recipe: p.Name, Run: p.Config.Name, Model: p.Architecture, Name: fmt.Sprintf("%dp", p.Devices), Data: p.Data,
		Epochs: p.Config.MaxEpochs, BatchSize: p.PairsPerStep() / p.Devices,
	}
	path := resultFile(p)
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return r, fmt.Errorf("reading a result from %s: %w; delete the file, and Measure makes it again", path, err)
	}
	return r, nil
}

func keepResult(p Promise, r Result) error {
	path := resultFile(p)
	b, err := json.MarshalIndent(r, "", " ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = atomicfile.WriteBytes(path, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keeping a result: %w", err)
	}
	return nil
}

// writeSeedLogs leaves the two files of the seed's scripts, with their fields (SPEC §9.4).
func writeSeedLogs(dir, goarch string, r Result) error {
	machine := cmp.Or(map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[goarch], goarch) // as uname -m has it
	name := fmt.Sprintf("chinese_clip_bs%d_1p_acc", r.BatchSize)
	for file, text := range map[string]string{
		name + ".log": fmt.Sprintf("Network = chinese_clip\nRankSize = 1\nBatchSize = %d\nDeviceType = %s\nCaseName = %s\n"+
			"text_to_image_acc_r5 = %.2f\nimage_to_text_acc_r5 = %.2f\n", r.BatchSize, machine, name, r.TextToImage.R5, r.ImageToText.R5),
		name + "_perf_report.log": fmt.Sprintf("ActualFPS = %.2f\nTrainingTime = %.3f\nE2ETrainingTime = %.0f\n", r.FPS, r.TrainingTime, r.E2ETrainingTime),
	} {
		if err := atomicfile.WriteBytes(filepath.Join(dir, file), []byte(text)); err != nil {
			return fmt.Errorf("writing the seed's logs: %w", err)
		}
	}
	return nil
}

// ResultTable lists results in the seed's columns, named rightly, with the times of its logs in seconds and where each row comes from.
func ResultTable(results ...Result) chart.Figure {
	var rows [][]string
	for _, r := range results {
		from := r.Status
		if r.Recipe != "" {
			from = r.Recipe + ": " + from
		}
		rows = append(rows, []string{r.Model, r.Name, figure(r.ImageToText.R5, 2), figure(r.TextToImage.R5, 2), figure(r.FPS, 2), fmt.Sprint(r.Epochs), fmt.Sprint(r.BatchSize),
			figure(r.TrainingTime, 3), figure(r.E2ETrainingTime, 0), from})
	}
	return chart.Table([]string{"pretrain_model", "NAME", "image_to_text_R@5", "text_to_image_R@5", "FPS", "Epochs", "batch_size",
		"TrainingTime", "E2ETrainingTime", "来源 · where from"}, rows)
}
