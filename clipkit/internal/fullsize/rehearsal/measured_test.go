package main

import (
	"math"
	"testing"
	"time"
)

// What "clipkit train" says before the first step of a run of days, and in it.
var said = []string{
	"the run will take about 5d12h; measuring how fast this machine is, two micro-batches and what they compile: some minutes, once for this machine, model and batch",
	"about 6d0h: 3492 steps of 128 pairs at 2m28s, 2d0h an epoch (measured on this machine); batches in parts of 16, which changes no result; about 8.0 GB of memory, 23.5 GB free",
	"a checkpoint takes 2.3 GB; at most 2 are kept, and one more is there while it is written: 6.8 GB of the 49.4 GB that are free in experiments/reh",
	"training, features of micro-batch 1/8   0% |                | (0/3492) ",
	"training, gradients of micro-batch 8/8: loss 4.897, 0.8 pairs/s, 50% of peak, 6d1h left   0% |                | (1/3492) ",
	"                            ",
}

func TestWhatWasPromised(t *testing.T) {
	p, err := promised(said)
	if want := (promise{steps: 3492, all: 144 * time.Hour, memory: 8, disk: 6.8}); err != nil || p != want {
		t.Errorf("%+v, %v; want %+v", p, err, want)
	}
	if _, err := promised(said[:2]); err == nil {
		t.Error("a run that said nothing of its disk passes")
	}
	if l, err := left(said); err != nil || l != 145*time.Hour {
		t.Errorf("%v left, %v", l, err)
	}
	if _, err := left(said[:4]); err == nil {
		t.Error("a run that said nothing of what is left passes")
	}
	if begun(said[:3]) || !begun(said) {
		t.Error("a step has begun where one of its passes is told of")
	}
}

func TestDuration(t *testing.T) {
	for s, want := range map[string]float64{"3d4h": 76 * 3600, "5h12m": 18720, "12m": 720, "2m28s": 148, "40s": 40} {
		if d, err := duration(s); err != nil || math.Abs(d.Seconds()-want) > 1e-9 {
			t.Errorf("%s: %v, %v", s, d, err)
		}
	}
	if _, err := duration("soon"); err == nil {
		t.Error("soon is no duration")
	}
}
