package batchnorm

import (
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"clipnb/clipkit/exchange/exchangetest"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
)

// Two ranks of two micro-batches by two processes: both end with what the passes of rank 0 add, in their order, and not with what others do.
func TestStatisticsAreThoseOfRank0(t *testing.T) {
	worlds := exchangetest.Threads(2)
	models := [2]*model.Model{modeltest.Tiny(t, "cpu:go", "rn"), modeltest.Tiny(t, "cpu:go", "rn")}
	want := map[string][]float32{}
	for _, b := range models[0].Config.Tensors() {
		if !b.Buffer {
			continue
		}
		values := slices.Clone(modeltest.Values(t, models[0], b.Name))
		for pass := range 4 {
			for i := range values {
				if strings.HasSuffix(b.Name, "num_batches_tracked") {
					values[i]++
				} else {
					values[i] = values[i]*float32(1-model.BatchNormMomentum) + float32(pass+1)
				}
			}
		}
		want[b.Name] = values
	}
	// move is a pass that adds x to statistics that are 0, and 1 to the counts.
	move := func(m *model.Model, x float32) (err error) {
		for _, b := range m.Config.Tensors() {
			if b.Buffer && err == nil {
				add := x
				if strings.HasSuffix(b.Name, "num_batches_tracked") {
					add = 1
				}
				err = m.Set(b.Name, b.Shape, slices.Repeat([]float32{add}, b.Size()))
			}
		}
		return err
	}
	step := func(process int) error {
		m, w := models[process], worlds[process]
		p, err := Begin(m, w, 2, 2)
		if err != nil {
			return err
		}
		for pass := range 4 { // of the cached features, then backward
			batch, x := 2*process+pass%2, float32(pass+1)
			if process == 1 {
				x = float32(math.Inf(1))
			}
			if err := errors.Join(p.Before(batch), move(m, x), p.After(batch, pass)); err != nil {
				return err
			}
		}
		return p.Apply()
	}
	var wait sync.WaitGroup
	var errs [2]error
	for process := range errs {
		wait.Go(func() { errs[process] = step(process) })
	}
	wait.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	if len(want) < 10 {
		t.Fatalf("%d statistics", len(want))
	}
	for name, values := range want {
		for process, m := range models {
			if got := modeltest.Values(t, m, name); !slices.Equal(got, values) {
				t.Errorf("process %d: %s is %v, want %v", process, name, got, values)
			}
		}
	}
}

func TestUndo(t *testing.T) {
	m := modeltest.Tiny(t, "cpu:go", "rn")
	before := modeltest.AllValues(t, m)
	p, err := Begin(m, exchangetest.Threads(1)[0], 1, 1)
	if err == nil {
		err = p.Before(0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(modeltest.AllValues(t, m), before) {
		t.Error("before a pass the statistics are what they were")
	}
	if err := p.Undo(); err != nil || !slices.Equal(modeltest.AllValues(t, m), before) {
		t.Errorf("the model is not as it was: %v", err)
	}
}

// A ViT has no statistics, and a step of it nothing to do for them.
func TestNoBatchNorm(t *testing.T) {
	p, err := Begin(modeltest.Tiny(t, "cpu:go", "vit"), exchangetest.Threads(1)[0], 1, 1)
	if p != nil || err != nil {
		t.Errorf("%v, %v", p, err)
	}
	if err := errors.Join(p.Before(0), p.After(0, 0), p.Apply(), p.Undo()); err != nil {
		t.Error(err)
	}
}
