package clipkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/check"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/live"
	"clipnb/clipkit/train"
	"clipnb/clipkit/train/plan"
	"clipnb/clipkit/train/reference"
	"clipnb/clipkit/weights/pytorch"
)

// Run is a finished or interrupted training run on disk.
type Run struct {
	Dir       string
	Rows      []experiment.Row // metrics.jsonl: what the charts read
	Processes int              // that Finetune had it trained by just now; 0 of a run that is only looked at
}

// settings is what a run directory is bound to: a run continues only where all of it is the same.
type settings struct {
	train.Config
	Model   arch.Config `json:"model"`
	Weights string      `json:"initial_weights"` // where they came from
	Sum     string      `json:"initial_weights_sha256"`
	Data    string      `json:"data"`
	Pairs   int         `json:"pairs"`
	Teacher string      `json:"teacher_sha256,omitempty"`
	Minutes *float64    `json:"save_minutes,omitempty"` // hides the Config's: when a run is saved does not decide it, and older ones have none
}

// Finetune trains m in place on data.Train and keeps everything under experiments/<cfg.Name>. Where that run exists with the same
// settings, data and initial weights it continues, or just loads the result when it was finished, and says which; where it exists with
// others, it is left alone and the error asks for another name. Ctrl-C, a notebook's interrupt and ctx save a checkpoint first.
// In a notebook loss and accuracy are drawn meanwhile.
//
// Settings of several ranks (cfg.WorldSize) are taken in turns, or by as many processes, with the same result (Processes).
func Finetune(ctx context.Context, m *Model, data *dataset.Dataset, cfg train.Config, opts ...Option) (*Run, error) {
	o, err := chosen("Finetune", finetuning, opts)
	if err != nil {
		return nil, err
	}
	f := &tuning{model: m, data: data, config: cfg, options: o, world: exchange.Alone}
	if o.world != nil {
		f.world = o.world
		return f.here(ctx, f.check())
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	n, err := f.processes()
	if err != nil {
		return nil, err
	}
	if n > 1 {
		return f.apart(ctx, n)
	}
	return f.here(ctx, nil)
}

// tuning is one call of Finetune.
type tuning struct {
	model  *Model
	data   *dataset.Dataset
	config train.Config
	options
	world exchange.World
	tell  func(train.Progress) // nil: it is shown
}

// check refuses what cannot train, before anything is opened.
func (f *tuning) check() error {
	if f.data.Train == nil {
		return fmt.Errorf("finetuning on %s: it has no train split", f.data.Name)
	}
	if f.model.Towers.IsExported() {
		return fmt.Errorf("finetuning %s: exported files do not train; Load the model that they were made of", f.model)
	}
	if err := f.settleWorldSize(); err != nil {
		return err
	}
	return f.config.Check(f.model.Towers.Config)
}

// here trains in this process, which may be one rank of a world. err is what this rank has met before.
func (f *tuning) here(ctx context.Context, err error) (*Run, error) {
	m, data, cfg, first := f.model, f.data, f.config, f.world.Rank() == 0
	open := experiment.Open
	if cfg.Force {
		open, cfg.Force = experiment.OpenForced, false // it is no setting that decides the run
	}
	var s settings
	if err == nil {
		s, err = bind(m, data, cfg, f.teacher)
	}
	var run *experiment.Run // of rank 0, which writes
	if err == nil && first {
		if run, err = open(repo.Experiments(), cfg.Name, s, time.Now); err == nil {
			defer run.Close()
			if run.New {
				err = logContents(run, data)
			}
		}
	}
	if err := exchange.Agree(f.world, err); err != nil {
		return nil, err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1) // a launcher passes on the last
	defer stop()

	job := train.Job{Model: m.Towers, Train: data.Train, Config: cfg, Run: run, World: f.world, Memory: f.memory}
	finish := func() {}
	if first {
		job.Say = say
		tell := f.tell
		if tell == nil {
			tell, finish = live.Show(run.Dir, train.TotalSteps(s.Pairs, cfg), f.world.Size() > 1)
		}
		job.Progress = tell
	}
	if f.teacher != nil {
		job.Teacher = f.teacher.Towers.EncodeImages
	}
	if data.Valid != nil {
		skip := live.Skip(f.world, cfg.SkipBudget, say)
		job.Validate = func(ctx context.Context) (experiment.Row, error) {
			return validate(ctx, f.world, m, data.Valid, cfg, skip, job.Validating)
		}
		if bar := live.Bar(f.world, "looking at "+data.Valid.Name(), len(data.Valid.ImageIDs())).Late(); first { // now, and not after an epoch
			err = check.Headers(ctx, data.Valid, skip, bar.Of)
			bar.Finish()
		}
	}
	after := func() {}
	if first && err == nil {
		after, err = plan.Announce(ctx, m.Towers, data.Train, cfg, run.Dir, f.world.Size(), say)
	}
	if err = exchange.Agree(f.world, err); err == nil {
		err = job.Do(ctx)
		after()
	}
	finish()
	if err != nil {
		err = errors.Join(err, freeName(run, err))
	}
	if err := exchange.Agree(f.world, err); err != nil {
		return nil, err
	}
	if !first {
		return &Run{Processes: f.world.Size()}, nil
	}
	return f.finished(run.Dir, f.world.Size())
}

// finished calls the model by its run, which so many processes have trained.
func (f *tuning) finished(dir string, processes int) (*Run, error) {
	again, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	f.model.name, f.model.source, f.model.again = f.config.Name, dir, again
	run, err := OpenRun(f.config.Name)
	if err == nil {
		run.Processes = processes
	}
	return run, err
}

// bind gathers what the run will be bound to.
func bind(m *Model, data *dataset.Dataset, cfg train.Config, teacher *Model) (s settings, err error) {
	cfg.MicroBatch = 0 // how a batch is computed, not what
	s = settings{Config: cfg, Model: m.Towers.Config, Weights: m.source, Data: data.Name, Pairs: len(dataset.Pairs(data.Train))}
	switch {
	case teacher == nil && cfg.KDLossWeight > 0:
		return s, fmt.Errorf("%w: kd_loss_weight is %v, want a teacher with it: Finetune(…, clipkit.Teacher(other))", train.ErrConfig, cfg.KDLossWeight)
	case teacher != nil && cfg.KDLossWeight == 0:
		return s, fmt.Errorf("%w: kd_loss_weight is 0, want a positive number (the reference's is 0.5) with a teacher", train.ErrConfig)
	case teacher != nil && teacher.Towers.Config.ImageResolution != m.Towers.Config.ImageResolution:
		return s, fmt.Errorf("%w: the teacher %s sees pictures of %d pixels, want %d, as the student",
			train.ErrConfig, teacher.source, teacher.Towers.Config.ImageResolution, m.Towers.Config.ImageResolution)
	}
	if s.Sum, err = m.Towers.Fingerprint(); err == nil && teacher != nil {
		s.Teacher, err = teacher.Towers.Fingerprint()
	}
	return s, err
}

// logContents writes the reference's lines about what the run trains and validates on.
func logContents(run *experiment.Run, data *dataset.Dataset) error {
	if err := run.Log("%s", dataset.Contents("train", data.Train)); err != nil || data.Valid == nil {
		return err
	}
	return run.Log("%s", dataset.Contents("val", data.Valid))
}

// freeName lets go of the name of a run that was refused before its first step, so that the run can be started under it with corrected settings.
func freeName(run *experiment.Run, err error) error {
	if run == nil {
		return nil
	}
	rows, readErr := experiment.ReadRows(run.Dir)
	if !run.New || len(rows) > 0 || readErr != nil || !errors.Is(err, train.ErrMemory) && !errors.Is(err, train.ErrDisk) && !errors.Is(err, train.ErrConfig) {
		return nil
	}
	return os.Remove(filepath.Join(run.Dir, "config.json"))
}

// OpenRun reads a run under experiments/, to chart it in another cell.
func OpenRun(name string) (*Run, error) {
	dir, err := repo.Run(name)
	if err != nil {
		return nil, err
	}
	rows, err := experiment.ReadRows(dir)
	if err != nil {
		return nil, err
	}
	return &Run{Dir: dir, Rows: rows}, nil
}

// validate is what the trainer records at an epoch's end: the reference's in-batch figures and true recall.
func validate(ctx context.Context, w exchange.World, m *Model, valid dataset.Source, cfg train.Config, skip *dataset.Skipped, told func(done, total int)) (experiment.Row, error) {
	return eval.Validate(ctx, w, m.Towers, valid, eval.Validation{
		ContextLength: cfg.ContextLength, BatchSize: cfg.ValidBatchSize, Ranks: cfg.WorldSize, Seed: cfg.Seed, Skip: skip, Progress: told,
	})
}

// Export writes the run's newest checkpoint as a .pt with which the reference's training goes on (--resume):
// weights, AdamW's moments, epoch and step.
func (r *Run) Export(path string) error {
	c, err := checkpoint.Find(r.Dir, say)
	if err != nil {
		return err
	}
	defer c.Close()
	var s settings
	if err := experiment.ReadConfig(r.Dir, &s); err != nil {
		return err
	}
	tensors, ck, err := reference.Checkpoint(c, s.Config)
	if err != nil {
		return fmt.Errorf("exporting %s: %w", c.Path, err)
	}
	return pytorch.Write(path, tensors, ck)
}
