package results

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"clipnb/clipkit"
	"clipnb/clipkit/arch"
	"clipnb/clipkit/chart"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/recipe"
	"clipnb/clipkit/train"
	"clipnb/clipkit/train/plan"
)

// unasked is how long a row may take that nobody has asked for by Recipes, Steps or Hours.
const unasked = time.Hour

// Planned is a row and what it will take here.
type Planned struct {
	Row
	plan.Plan
	recipe recipe.Recipe // with the plan's settings
}

// Plan says of every row what it will take on this machine, by one computation of its batches: in the parts that fit the memory and are fastest, with the
// steps and results of the recipe. It loads no model. The device is opened, and its peak measured once.
func (t Table) Plan(ctx context.Context) ([]Planned, error) {
	recipes, err := t.plan(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := t.rows(ctx, recipes)
	if err != nil {
		return nil, err
	}
	dev, err := device.Open("")
	if err != nil {
		return nil, err
	}
	defer dev.Close()
	var out []Planned
	sizes := map[string]size{}
	for i, p := range recipes {
		cfg, err := arch.Lookup(p.Architecture)
		if err != nil {
			return nil, err
		}
		s, seen := sizes[p.Data]
		if !seen {
			if s, err = sizeOf(ctx, p); err != nil {
				return nil, err
			}
			sizes[p.Data] = s
		}
		r := plan.On(dev, cfg, p.Config, s.pairs, s.tokens)
		r.Processes = t.processes(p)
		if r.Free > 0 {
			r.Free /= int64(r.Processes)
		}
		planned, err := t.fit(r)
		if err != nil {
			return nil, err
		}
		p.Config = planned.Config
		out = append(out, Planned{rows[i], planned, p})
	}
	return out, nil
}

// size is of a data set what a plan asks for.
type size struct{ pairs, tokens int }

// sizeOf takes what the documents say where the set is not here.
func sizeOf(ctx context.Context, p recipe.Recipe) (size, error) {
	data, err := clipkit.OpenFor(ctx, p)
	if errors.Is(err, dataset.ErrNotFound) {
		return size{max(1, p.Pairs), p.Config.ContextLength}, nil
	}
	if err != nil {
		return size{}, err
	}
	defer data.Close()
	return size{len(dataset.Pairs(data.Train)), plan.Tokens(data.Train, p.Config)}, nil
}

// processes are how many Finetune starts for a row.
func (t Table) processes(p recipe.Recipe) int {
	switch {
	case p.Devices == 1:
		return 1
	case t.Ranks > 0:
		return t.Ranks
	case strings.HasPrefix(os.Getenv("CLIPKIT_DEVICE"), "npu"):
		return min(p.Devices, devicesHere())
	}
	return 1
}

// fit chooses the parts, unless Batch does. A run that exists keeps its grad_checkpointing, which its settings name.
func (t Table) fit(r plan.Run) (plan.Plan, error) {
	if t.Batch > 0 {
		return r.Plan(), nil
	}
	dir := filepath.Join(repo.Experiments(), r.Config.Name)
	var was struct{ train.Config }
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err != nil {
		return r.Fit(), nil
	}
	if err := experiment.ReadConfig(dir, &was); err != nil {
		return plan.Plan{}, err
	}
	r.Config.Recompute = was.Recompute
	p := r.Fit()
	if p.Config.Recompute != was.Recompute {
		return r.Plan(), nil
	}
	return p, nil
}

// PlanFigure lists what rows will take, before any begins.
func PlanFigure(all ...Planned) chart.Figure {
	var rows [][]string
	for _, p := range all {
		hours, epoch := "–", "–"
		if p.Seconds > 0 {
			hours, epoch = progress.Duration(p.Duration(0)), progress.Duration(p.EpochDuration())
		}
		parts := "–"
		if p.Config.MicroBatch > 0 {
			parts = fmt.Sprint(p.Config.MicroBatch)
		}
		memory := fmt.Sprintf("%.1f GB", float64(p.Memory)/1e9)
		if p.Free > 0 {
			memory += fmt.Sprintf(" / %.1f GB", float64(p.Free)/1e9)
		}
		if !p.Fits {
			memory += " ✗ " + p.Instead
		}
		rows = append(rows, []string{p.Recipe, fmt.Sprintf("%d × %d", p.Plan.Steps, p.Pairs), parts, memory, epoch, hours, p.Source, p.Status})
	}
	return chart.Table([]string{"配方 · recipe", "步 × 对 · steps × pairs", "每份 · parts of", "内存 / 空闲 · memory / free", "一轮 · an epoch", "共 · in all", "速度 · speed", "状态 · status"}, rows)
}

// said is a planned row in a line, for a console.
func (p Planned) String() string {
	epochs := "epochs"
	if p.Epochs == 1 {
		epochs = "epoch"
	}
	return fmt.Sprintf("%s（%d %s, %s × %d）: %s; %s", p.Recipe, p.Epochs, epochs, p.Name, p.Row.BatchSize, p.Status, p.Plan)
}
