package step

import (
	"sync"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
)

// graphsOf says what the graphs of a stepper on a tiny model are compiled for, besides the shapes of batches.
type graphsOf struct {
	engine, kind, precision string
	accumulated             int
	frozen                  bool
}

// sharedSteppers are those that several tests want: compiling is what takes long, and they stay until the process ends.
var sharedSteppers struct {
	sync.Mutex
	of map[graphsOf]*sharedStepper
}

type sharedStepper struct {
	sync.Mutex
	*Stepper
}

// shared gives a stepper at the beginning of a record, as stepper and restart do, to one test at a time, until done.
func shared(t *testing.T, g graphsOf, r recorded) (s *Stepper, done func()) {
	t.Helper()
	dev, err := device.Open(g.engine)
	if err != nil {
		t.Fatal(err)
	}
	g.engine, g.accumulated = dev.String(), max(g.accumulated, 1)
	t.Attr("engine", g.engine)
	sharedSteppers.Lock()
	if sharedSteppers.of == nil {
		sharedSteppers.of = map[graphsOf]*sharedStepper{}
	}
	if sharedSteppers.of[g] == nil {
		sharedSteppers.of[g] = &sharedStepper{}
	}
	mine := sharedSteppers.of[g]
	sharedSteppers.Unlock()

	mine.Lock()
	done = sync.OnceFunc(mine.Unlock)
	t.Cleanup(done)
	if mine.Stepper != nil {
		dev.Close()
	} else {
		m, err := model.New(golden.Config(t, g.kind), dev)
		if err != nil {
			t.Fatal(err)
		}
		mine.Stepper, err = New(m, Config{Beta1: r.Args.Beta1, Beta2: r.Args.Beta2, Epsilon: r.Args.Eps, Precision: g.precision, AccumFreq: g.accumulated, FreezeVision: g.frozen})
		if err != nil {
			t.Fatal(err)
		}
	}
	restart(t, mine.Stepper, g.kind, r)
	return mine.Stepper, done
}
