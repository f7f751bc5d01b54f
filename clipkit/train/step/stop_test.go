package step

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/model/pixels"

	. "github.com/gomlx/gomlx/core/graph"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// everythingOf is what a step changes.
func everythingOf(t *testing.T, s *Stepper) (all []float32) {
	t.Helper()
	all = modeltest.AllValues(t, s.model)
	for _, moment := range s.state() {
		all = append(all, modeltest.Values(t, s.model, moment.Name)...)
	}
	return append(all, float32(s.steps), float32(s.scale.Factor), float32(s.scale.Good))
}

// stopAt makes a step during whose pass number `at`, from 1, a context ends, and tells how many passes it made.
func stopAt(s *Stepper, at int, images []float32, ids []int32, n int) (passes int, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.Passed = func(Pass) {
		if passes++; passes == at {
			cancel()
		}
	}
	defer func() { s.Passed = nil }()
	_, err = s.StepOn(ctx, pixels.Pictures{Values: images}, ids, allDifferent(n), 1e-3, 7)
	return passes, err
}

// stopEverywhere makes two steps of so many passes, each after it was given up in any pass but the last, which leaves everything as it was, to the bit: what
// comes out is that of a stepper that was never stopped. In the last pass the step is finished.
func stopEverywhere(t *testing.T, engine, kind string, passes int, change func(*Config)) {
	t.Helper()
	start := func() *Stepper {
		s := stepper(t, modeltest.Tiny(t, engine, kind), record(t, kind, "train"), change)
		s.Teacher = ownSums
		return s
	}
	s, undisturbed := start(), start()
	images, ids := pairsOf(t, s.model, 16)
	for step := range 2 { // the second has moments to lose
		x, y := share(images, step, 2), share(ids, step, 2)
		before := everythingOf(t, s)
		for at := 1; at < passes; at++ {
			made, err := stopAt(s, at, x, y, 8)
			if !errors.Is(err, ErrStopped) || made != at {
				t.Fatalf("told to stop in pass %d of %d: after pass %d, %v", at, passes, made, err)
			}
			if !slices.Equal(everythingOf(t, s), before) {
				t.Fatalf("the step that was given up in pass %d left something", at)
			}
		}
		if made, err := stopAt(s, passes, x, y, 8); made != passes || err != nil {
			t.Fatalf("told to stop in the last pass: %d passes, %v", made, err)
		}
		if _, err := undisturbed.Step(x, y, 8, 1e-3, 7); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(everythingOf(t, s), everythingOf(t, undisturbed)) {
			t.Fatalf("step %d ends in other bits than where nothing was given up", step+1)
		}
	}
}

func TestStoppedStepLeavesNoTrace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, kind string
		passes     int
		change     func(*Config)
	}{
		{"one micro-batch", "vit", 1, func(*Config) {}},
		{"accumulated", "vit", 4, func(c *Config) { c.AccumFreq = 2 }},
		{"accumulated ResNet", "rn", 4, func(c *Config) { c.AccumFreq = 2 }},
		{"ResNet in turns", "rn", 4, func(c *Config) { c.WorldSize = 2 }},
		{"everything", "vit", 16, func(c *Config) {
			c.WorldSize, c.AccumFreq, c.MaskRatio, c.KDLossWeight, c.MultiPositive = 2, 2, 0.5, 0.5, true
		}},
		{"float16", "vit", 4, func(c *Config) { c.AccumFreq, c.Precision = 2, "f16" }},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			stopEverywhere(t, "cpu:go", c.kind, c.passes, c.change)
		})
	}
}

func TestManyDevicesStoppedStepLeavesNoTrace(t *testing.T) {
	t.Parallel()
	onlyWithDevices(t)
	for _, kind := range []string{"vit", "rn"} {
		stopEverywhere(t, "cpu:0-1", kind, 4, func(c *Config) { c.AccumFreq = 2 })
	}
}

// ownSums is a teacher whose features of a picture are its own.
func ownSums(_ context.Context, images []float32, n int) (out []float32, err error) {
	for picture := range slices.Chunk(images, len(images)/n) {
		sum := float32(0)
		for _, v := range picture {
			sum += v
		}
		out = append(out, sum, 1, -sum/2)
	}
	return out, nil
}

// Where one of several processes is told to stop, in any pass, all give the same step up, and all make the next.
func TestProcessesGiveUpTheSameStep(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"vit", "rn"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			const passes = 4 // of each process: features of two micro-batches, gradients of two
			var all [2]*Stepper
			for rank := range all {
				all[rank] = stepper(t, modeltest.Tiny(t, "cpu:go", kind), record(t, kind, "train"), func(c *Config) { c.WorldSize, c.AccumFreq = 2, 2 })
			}
			images, ids := pairsOf(t, all[0].model, 8)
			before := everythingOf(t, all[0])
			for at := 1; at <= passes; at++ {
				for told := range all {
					errs := exchangetest.Everywhere(2, func(w exchange.World) error {
						s, stop := all[w.Rank()], 0
						if w.Rank() == told {
							stop = at
						}
						s.World = w
						made, err := stopAt(s, stop, share(images, w.Rank(), 2), share(ids, w.Rank(), 2), 4)
						if at < passes && made != at || at == passes && made != passes {
							return fmt.Errorf("made %d passes: %w", made, err)
						}
						return err
					})
					for rank, s := range all {
						switch {
						case at == passes && errs[rank] != nil:
							t.Fatalf("process %d was told to stop in the last pass: process %d: %v", told, rank, errs[rank])
						case at < passes && !errors.Is(errs[rank], ErrStopped):
							t.Fatalf("process %d was told to stop in pass %d: process %d: %v", told, at, rank, errs[rank])
						case at < passes && !slices.Equal(everythingOf(t, s), before):
							t.Fatalf("process %d was told to stop in pass %d: process %d is not as it was", told, at, rank)
						case !slices.Equal(everythingOf(t, s), everythingOf(t, all[0])):
							t.Fatalf("after pass %d the processes differ", at)
						}
					}
				}
			}
		})
	}
}

// A step whose context ends while its graph is compiled is given up without waiting for the compiler, and so is that of the other processes, which compile on.
func TestStopDoesNotWaitForTheCompiler(t *testing.T) {
	t.Parallel()
	var all [2]*Stepper
	for rank := range all {
		all[rank] = stepper(t, modeltest.Tiny(t, "cpu:go", "vit"), record(t, "vit", "train"), func(c *Config) { c.WorldSize = 2 })
	}
	images, ids := pairsOf(t, all[0].model, 8)
	before := everythingOf(t, all[0])
	ctx, cancel := context.WithCancel(context.Background())
	build := all[1].features.Build
	all[1].features.Build = func(scope *gomodel.Scope, in []*Node) []*Node {
		cancel() // the compiler takes over where this ends
		return build(scope, in)
	}
	step := func(ctx context.Context) []error {
		return exchangetest.Everywhere(2, func(w exchange.World) error {
			mine := context.Background()
			if w.Rank() == 1 {
				mine = ctx
			}
			s := all[w.Rank()]
			s.World = w
			_, err := s.StepOn(mine, pixels.Pictures{Values: share(images, w.Rank(), 2)}, share(ids, w.Rank(), 2), allDifferent(4), 1e-3, 7)
			return err
		})
	}
	for rank, err := range step(ctx) {
		if !errors.Is(err, ErrStopped) || !slices.Equal(everythingOf(t, all[rank]), before) {
			t.Errorf("process %d: %v", rank, err)
		}
	}
	if err := errors.Join(step(context.Background())...); err != nil {
		t.Error(err)
	}
}
