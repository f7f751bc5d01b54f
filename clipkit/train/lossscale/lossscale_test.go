package lossscale

import (
	"math"
	"testing"
)

// The factor moves as torch.cuda.amp.GradScaler's: doubled after 2000 good steps in a row, halved by a bad one.
func TestStateMoves(t *testing.T) {
	s := State{Factor: First}
	for range 1999 {
		s = s.After(true)
	}
	if s != (State{65536, 1999}) {
		t.Fatalf("after 1999 good steps: %+v", s)
	}
	if got := s.After(false); got != (State{32768, 0}) {
		t.Errorf("a bad step makes %+v", got)
	}
	if s = s.After(true); s != (State{131072, 0}) {
		t.Errorf("after 2000 good steps: %+v", s)
	}
	if got := (State{Factor: largest, Good: 1999}).After(true); got != (State{largest, 0}) {
		t.Errorf("beyond float32: %+v", got)
	}
}

func TestStateIsChecked(t *testing.T) {
	for _, bad := range []State{{Factor: 3}, {Factor: math.Inf(1)}, {Factor: math.NaN()}, {Factor: -2}, {Factor: 1e-30}, {Factor: 1, Good: 2000}, {Factor: 1, Good: -1}} {
		if err := bad.Check(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	for _, good := range []State{{Factor: First}, {Factor: Smallest, Good: 1999}, {Factor: largest}} {
		if err := good.Check(); err != nil {
			t.Error(err)
		}
	}
}
