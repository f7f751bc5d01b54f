package train

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/device/npusim"
	"clipnb/clipkit/exchange/exchangetest"
	"clipnb/clipkit/model/modeltest"
)

// Two processes of a run on SIMULATED Ascend cards: a job has the gradients added up on the cards by itself, leaves the cards at its end, and tells of
// one that fails.
func TestSimulatedCardsAddUp(t *testing.T) {
	devicetest.NeedWheel(t, "onnxruntime-cann", "linux/amd64", "linux/arm64")
	sim := npusim.Here()
	if !devicetest.IsChild() {
		sim = npusim.Build(t, t.TempDir()).WithHCCL(t)
	}
	if !devicetest.InOwnProcess(t, sim.Env()...) {
		return
	}
	run := func(name string) (errs [2]error, parameters [2][]float32) {
		var wait sync.WaitGroup
		for r, w := range exchangetest.Threads(2) {
			m := modeltest.Tiny(t, fmt.Sprintf("npu:cann:%d", r), "vit")
			job, _ := small(t, t.TempDir(), name, m, func(c *Config) { c.WorldSize, c.BatchSize, c.MaxSteps, c.Augment = 2, 8, 2, "none" })
			job.World = w
			wait.Go(func() { errs[r] = job.Do(context.Background()) })
			defer func() { parameters[r] = modeltest.AllValues(t, m) }()
		}
		wait.Wait()
		return errs, parameters
	}
	errs, parameters := run("cards")
	if errs[0] != nil || errs[1] != nil {
		t.Fatal(errs)
	}
	if added, all := sim.Counters(t, 1).OnDevice, int64(4*len(parameters[1])); added < 2*all {
		t.Errorf("%d bytes were copied within card 1 in two steps, of %d bytes of gradients each", added, all)
	}
	if !slices.Equal(parameters[0], parameters[1]) {
		t.Errorf("the ranks' parameters differ by %.3g", devicetest.Distance(parameters[1], parameters[0]))
	}
	t.Setenv("TMPDIR", t.TempDir()) // where the stand-in's ranks meet
	for fault, want := range map[string]string{
		"HcclCommInitRootInfo:1:16@1": "rank 1 cannot join: HcclCommInitRootInfo gives 16: the driver failed",
		"HcclAllReduce:3:21@1":        "rank 1, summing tensor 3 of",
	} {
		t.Setenv("SIMULATED_HCCL_FAULT", fault)
		errs, _ := run("fails")
		for r, err := range errs {
			if err == nil || r == 1 && !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: rank %d: %v, want %s", fault, r, err, want)
			}
		}
	}
}
