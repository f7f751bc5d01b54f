package results

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/recipe"
	"clipnb/clipkit/train"
)

// errHours ends the row that runs when the table's hours are over.
var errHours = errors.New("the hours are over")

// toy is the row of the embedded set.
const toy = "emoji/finetune"

// Measure trains and evaluates every row that can run here, in the parts that Plan finds, and says aloud why the others did not. A row of more than
// an hour runs where Recipes names it, or for as long as Hours allow. Where no row was measured the embedded set is. Any other error than too little
// memory ends it. Called again, it continues.
func (t Table) Measure(ctx context.Context) error {
	planned, err := t.Plan(ctx)
	if err != nil {
		return err
	}
	if t.Hours > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, time.Duration(t.Hours*float64(time.Hour)), errHours)
		defer stop()
	}
	var left []string
	measured := false
	for _, p := range planned {
		why := t.reason(ctx, p)
		switch {
		case why == "":
			why, err = t.measureOne(ctx, p)
		case p.Measured():
			why = ""
		case !p.Partial() && strings.HasPrefix(why, notRun):
			err = keepNotRun(p.recipe, why)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.Recipe, err)
		}
		if why != "" {
			left = append(left, p.Recipe+" "+why)
		}
		measured = measured || why == "" || strings.HasPrefix(why, partial) || p.Recipe == toy
	}
	for _, line := range left {
		progress.Say(line)
	}
	if measured || context.Cause(ctx) == errHours {
		return nil
	}
	progress.Say(fmt.Sprintf("none of the %d rows was measured on this machine, for the reasons above; the embedded set makes the same table", len(planned)))
	t.Recipes = toy
	return t.Measure(ctx)
}

// reason is why a row is not run; "" where it is.
func (t Table) reason(ctx context.Context, p Planned) string {
	if context.Cause(ctx) == errHours {
		return t.over()
	}
	missing := Missing(ctx, p.recipe, t.turns())
	switch {
	case len(missing) > 0:
		return "needs: " + strings.Join(missing, "; ")
	case !p.Fits:
		return notRun + p.Plan.String()
	case p.Measured() || p.Partial():
		return ""
	case t.Recipes == "" && t.Steps == 0 && t.Hours == 0 && p.Duration(0) > unasked:
		return notRun + fmt.Sprintf("%s; recipes=%s runs it, hours=8 as much of it as 8 hours allow", p.Plan, p.Recipe)
	}
	return ""
}

func (t Table) over() string {
	return notRun + fmt.Sprintf("the %v hours are over; the same line goes on", t.Hours)
}

// keepNotRun leaves the reason where Rows finds it.
func keepNotRun(p recipe.Recipe, why string) error {
	r, err := readResult(p)
	if err == nil {
		r.Status = why
		err = keepResult(p, r)
	}
	return err
}

// measureOne runs a row. left says why it is not whole.
func (t Table) measureOne(ctx context.Context, p Planned) (left string, err error) {
	var more []clipkit.Option
	if p.recipe.Devices > 1 && t.Ranks > 0 {
		more = append(more, clipkit.Processes(t.Ranks))
	}
	progress.Say(fmt.Sprintf("%s: %s", p.Recipe, p.Plan))
	err = measure(ctx, p.recipe, t.processes(p.recipe), more...)
	if err != nil && errors.Is(err, context.DeadlineExceeded) && context.Cause(ctx) == errHours { // before the first step
		return t.over(), nil
	}
	if err != nil {
		return "", err
	}
	r, err := readResult(p.recipe)
	if err != nil || r.Measured() {
		return "", err
	}
	return r.Status, nil
}

// measure is one row, for which opts have so many processes started.
func measure(ctx context.Context, p recipe.Recipe, processes int, opts ...clipkit.Option) error {
	r, err := readResult(p)
	if err != nil {
		return err
	}
	data, err := clipkit.OpenFor(ctx, p)
	if err != nil {
		return err
	}
	defer data.Close()
	m, err := clipkit.LoadFor(ctx, p)
	if err != nil {
		return err
	}
	defer m.Close()
	start := time.Now()
	run, err := clipkit.Finetune(ctx, m, data, p.Config, opts...)
	r.E2ETrainingTime += time.Since(start).Seconds()
	switch {
	case errors.Is(err, train.ErrMemory):
		r.Status = notRun + fmt.Sprintf("memory (%v)", err)
		return keepResult(p, r)
	case errors.Is(err, train.ErrInterrupted) && errors.Is(context.Cause(ctx), errHours):
		return keepPartial(p, r, data, m.Towers.Device, processes)
	case errors.Is(err, train.ErrInterrupted):
		r.Status = ""
		return errors.Join(err, keepResult(p, r))
	case err != nil:
		return err
	}
	trained := run.Rows[len(run.Rows)-1].Step
	if r.Steps == trained && r.Measured() {
		return nil // nothing was left to do
	}
	rep, err := clipkit.EvaluateRetrieval(ctx, m, data.ReportSplit(), clipkit.Keep(p.Config.Name))
	if err != nil && errors.Is(context.Cause(ctx), errHours) {
		return keepPartial(p, r, data, m.Towers.Device, processes)
	}
	if err != nil {
		return err
	}
	times := batchTimes(run.Rows)
	r.Name, r.TextToImage, r.ImageToText = fmt.Sprintf("%dp-%s", run.Processes, m.Towers.Device), rep.TextToImage, rep.ImageToText
	r.BatchSize, r.Steps = p.PairsPerStep()/run.Processes, trained
	r.FPS, r.TrainingTime = FPS(p.PairsPerStep(), times), TrainingTime(times)
	r.Data, r.Status = measuredOn(data)
	if p.Config.MaxSteps > 0 {
		r.Status += fmt.Sprintf(", after %d steps only", trained)
	}
	if err := writeScriptLogs(run.Dir, runtime.GOARCH, run.Processes, r); err != nil {
		return err
	}
	return keepResult(p, r)
}

// keepPartial keeps the speed of a row that the hours have ended.
func keepPartial(p recipe.Recipe, r Row, data *dataset.Dataset, dev *device.Device, processes int) error {
	run, err := clipkit.OpenRun(p.Config.Name)
	if err != nil {
		return err
	}
	times := batchTimes(run.Rows)
	r.Steps = 0
	for _, row := range run.Rows {
		r.Steps = max(r.Steps, row.Step)
	}
	set, on := measuredOn(data)
	r.Data, r.FPS, r.TrainingTime = set, FPS(p.PairsPerStep(), times), TrainingTime(times)
	r.Name, r.BatchSize = fmt.Sprintf("%dp-%s", processes, dev), p.PairsPerStep()/processes
	r.Status = partial + fmt.Sprintf("%d of %d steps, FPS only, in %s; %s; the same line goes on", r.Steps, train.TotalSteps(len(dataset.Pairs(data.Train)), p.Config),
		progress.Duration(time.Duration(r.E2ETrainingTime*float64(time.Second))), on)
	return keepResult(p, r)
}
