package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/experiment"
)

// job is one recipe's run.
type job struct {
	dir, name, program string
	args               []string
}

func (j job) folder() string { return filepath.Join(j.dir, "experiments", j.name) }

func (j job) start(ctx context.Context) (*process, error) {
	return start(ctx, j.dir, j.folder(), j.program, append(slices.Clone(j.args), "--name", j.name)...)
}

// inside waits until the step after the done-th has been computed for a third of the time that steps take, or for half a minute: where a person presses
// Ctrl-C.
func (j job) inside(ctx context.Context, p *process, done int) error {
	if err := p.until(ctx, fmt.Sprintf("step %d", done), func() bool { return len(j.steps()) >= done }); err != nil {
		return err
	}
	a := min(30*time.Second, time.Duration(j.steps()[0].BatchTime/3*float64(time.Second)))
	parts := len(p.lines())
	if err := p.until(ctx, fmt.Sprintf("step %d began", done+1), func() bool { return begun(p.lines()[min(parts, len(p.lines())):]) }); err != nil {
		return err
	}
	at := time.Now().Add(a)
	if err := p.until(ctx, fmt.Sprintf("%v of step %d", a, done+1), func() bool { return time.Now().After(at) }); err != nil {
		return err
	}
	if got := len(j.steps()); got != done {
		return fmt.Errorf("%d steps are done where the rehearsal should be inside step %d: the machine's speed changed too much", got, done+1)
	}
	return nil
}

// steps are the rows of the steps that the run has done.
func (j job) steps() (steps []experiment.Row) {
	rows, err := experiment.ReadRows(j.folder())
	if err != nil {
		return nil // it has not begun
	}
	for _, r := range rows {
		if r.Kind == "train" {
			steps = append(steps, r)
		}
	}
	return steps
}

// saved fails unless the newest whole checkpoint is of the step.
func (j job) saved(step int) error {
	dir := filepath.Join(j.folder(), "checkpoints")
	newest, err := checkpoint.Latest(dir, func(line string) { fmt.Fprintln(os.Stderr, line) })
	if err == nil && newest != checkpoint.Path(dir, step) {
		err = fmt.Errorf("the newest whole checkpoint is %s; want that of step %d", newest, step)
	}
	return err
}

// rehearse does the run's first steps.
func (j job) rehearse(ctx context.Context) (m measured, err error) {
	// Interrupted inside step 2.
	p, err := j.start(ctx)
	if err != nil {
		return m, err
	}
	if err := j.inside(ctx, p, 1); err != nil {
		return m, err
	}
	if err := m.stop(p); err != nil {
		return m, err
	}
	if m.told, err = promised(p.lines()); err != nil {
		return m, err
	}
	if err := j.saved(1); err != nil {
		return m, err
	}

	// Resumed, killed inside step 2.
	if p, err = j.start(ctx); err != nil {
		return m, err
	}
	if err := j.inside(ctx, p, 1); err != nil {
		return m, err
	}
	if _, err := p.end(syscall.SIGKILL); err != nil {
		return m, err
	}
	m.saw(p)
	if err := j.saved(1); err != nil {
		return m, err
	}

	// Resumed, validated after step 2, interrupted inside step 3.
	if p, err = j.start(ctx); err != nil {
		return m, err
	}
	if err := j.inside(ctx, p, 2); err != nil {
		return m, err
	}
	if !validated(j.folder()) {
		return m, fmt.Errorf("no validation after step 2 in %s", j.folder())
	}
	m.left, err = left(p.lines())
	if err != nil {
		return m, err
	}
	if err := m.stop(p); err != nil {
		return m, err
	}
	for _, row := range j.steps() {
		m.steps = append(m.steps, row.BatchTime)
	}
	return m, j.saved(2)
}

func (m *measured) stop(p *process) error {
	took, err := p.end(os.Interrupt)
	if err != nil {
		return err
	}
	m.stops = append(m.stops, took)
	m.saw(p)
	return nil
}

func (m *measured) saw(p *process) {
	m.memory, m.disk = max(m.memory, p.memory()), max(m.disk, p.disk)
}
