package plan

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train"
	"clipnb/clipkit/train/step"
)

// Probe measures the gradients of two micro-batches of made-up pairs, or of one where a step has one, after everything is compiled, and keeps the speed. It
// takes the memory of the run. The model stays as it is, to the bit.
func (r Run) Probe(ctx context.Context, m *model.Model, c train.Config) error {
	fail := func(err error) error { return fmt.Errorf("measuring how fast %s trains: %w", m.Config.Name, err) }
	settings := c.StepConfig()
	settings.WorldSize, settings.Parts, settings.AccumFreq = 0, 0, min(2, r.turns(c))
	settings.KDLossWeight, settings.MultiPositive = 0, false // the teacher's time is not counted
	s, err := step.New(m, settings)
	if err != nil {
		return fail(err)
	}
	defer s.Close()
	n := settings.AccumFreq * micro(c)
	images, ids := made(m.Config.ImageResolution, c.ContextLength, r.Tokens, n)
	var took time.Duration
	for range 2 { // the first compiles
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		start := time.Now()
		if _, err := s.Gradients(ctx, images, ids, n, c.Seed, func(string, []int, []float32) error { return nil }); err != nil {
			return fail(err)
		}
		took = time.Since(start)
	}
	r.remember(c, took.Seconds()/float64(n))
	return nil
}

// made are n pairs with nothing in them, [n,3,R,R] and [n,T], of which so many tokens are no padding.
func made(resolution, length, tokens, n int) (images []float32, ids []int32) {
	rng := rand.New(rand.NewPCG(1, 2))
	images, ids = make([]float32, n*3*resolution*resolution), make([]int32, n*length)
	for i := range images {
		images[i] = 2*rng.Float32() - 1
	}
	for i := range n {
		row := ids[i*length:]
		for k := range min(tokens, length) {
			row[k] = 1000 + rng.Int32N(5000)
		}
	}
	return images, ids
}

// Worth saying, and worth a probe.
const (
	short   = 5 * time.Minute
	long    = time.Hour
	atFirst = "measuring how fast this machine is, two micro-batches and what they compile: some minutes, once for this machine, model and batch"
)

// Announce says in a line or two what a run that is about to begin will take, if that is more than some minutes. Where the estimate is of hours, it
// measures first. The model is in memory already; dir is the run's folder, which may have steps: only the others are to come. after, which is never nil, is called
// when the run has ended, and keeps the speed that it had.
func Announce(ctx context.Context, m *model.Model, s dataset.Source, c train.Config, dir string, processes int, say func(string)) (after func(), err error) {
	rows, err := experiment.ReadRows(dir)
	if err != nil {
		return func() {}, err
	}
	r := On(m.Device, m.Config, c, len(dataset.Pairs(s)), Tokens(s, c))
	if r.Processes = processes; r.Free > 0 {
		r.Free = r.Free/int64(max(1, processes)) + 4*int64(m.Config.NumParams())
	}
	done := 0
	for _, row := range rows {
		done = max(done, row.Step)
	}
	after = func() {
		if all, err := experiment.ReadRows(dir); err == nil {
			r.Learn(slices.DeleteFunc(all, func(row experiment.Row) bool { return row.Step <= done }))
		}
	}
	return after, r.announce(ctx, m, done, say)
}

func (r Run) announce(ctx context.Context, m *model.Model, done int, say func(string)) error {
	c, p := r.Config, r.Plan()
	if p.Duration(done) >= long && p.Source != measured && p.Fits && r.Devices == 1 && r.Processes < 2 {
		say(fmt.Sprintf("the run will take about %s; %s", progress.Duration(p.Duration(done)), atFirst))
		if err := r.Probe(ctx, m, c); ctx.Err() != nil {
			return nil // the run stops before its first step, and says so
		} else if err != nil {
			return err
		}
		p = r.Plan()
	}
	if p.Duration(done) < short {
		return nil
	}
	say(p.String())
	if done > 0 {
		say(fmt.Sprintf("%d steps are done; the other %d take about %s", done, p.Steps-done, progress.Duration(p.Duration(done))))
	}
	if best := r.Fit(); best.Fits && best.Config.Recompute == c.Recompute && best.Config.MicroBatch != c.MicroBatch && best.Seconds < 0.95*p.Seconds {
		say(fmt.Sprintf("batches in parts of %d would be faster here, %s in all: batch=%[1]d in the notebooks, --micro-batch %[1]d on the command line, which changes no result", micro(best.Config), progress.Duration(best.Duration(done))))
	}
	return nil
}
