package npusim_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/device"
	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/device/npusim"
	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/step"
)

// Here the real CANN provider of onnxruntime-cann runs over a SIMULATED Ascend runtime, and ONNX Runtime with a SIMULATED plugin provider.

// built is the folder of the stand-in, which all tests of this process share.
var built string

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "npusim-"); err != nil {
		panic(err)
	}
	code := limit.Run(m)
	os.RemoveAll(built)
	os.Exit(code)
}

// simulated builds the stand-in for Ascend's runtime, or finds the one that this process was started with.
func simulated(t *testing.T) npusim.Sim {
	t.Helper()
	devicetest.NeedWheel(t, "onnxruntime-cann", "linux/amd64", "linux/arm64")
	if devicetest.IsChild() {
		return npusim.Here()
	}
	return npusim.Build(t, built)
}

func TestSimulatedCANNConformance(t *testing.T) {
	if devicetest.InOwnProcess(t, simulated(t).Env()...) {
		devicetest.Test(t, "npu:cann")
	}
}

func TestSimulatedCANNMatchesTheCPU(t *testing.T) {
	if !devicetest.InOwnProcess(t, simulated(t).Env()...) {
		return
	}
	cpu, npu := devicetest.Open(t, "cpu:xla"), devicetest.Open(t, "npu:cann:0")
	devicetest.Agree(t, npu, cpu, 1e-5)
}

func TestSimulatedCANNTakesWholeGraphs(t *testing.T) {
	if !devicetest.InOwnProcess(t, simulated(t).Env()...) {
		return
	}
	dev := devicetest.Open(t, "npu:cann")
	devicetest.Compile(t, dev)
	list := dev.Placements()
	if len(list) < 4 {
		t.Errorf("%d graphs are compiled, expected two towers, gradients and updates", len(list))
	}
	for _, p := range list {
		t.Log(p)
		if !p.Whole("CANNExecutionProvider") {
			t.Errorf("not one subgraph: %s", p)
		}
	}
	left, err := filepath.Glob("*.om")
	more, _ := filepath.Glob("kernel_meta*")
	if err != nil || len(left)+len(more) > 0 {
		t.Errorf("left in the working directory: %v %v", left, more)
	}
}

// Products in float16, with float32 weights and a scaled loss: what the ModelZoo's ChineseCLIP calls amp.
func TestSimulatedMixedPrecision(t *testing.T) {
	if !devicetest.InOwnProcess(t, simulated(t).Env()...) {
		return
	}
	dev := devicetest.Open(t, "npu:cann")
	losses := map[string][]float64{}
	for _, precision := range []string{"f32", "amp"} {
		m := devicetest.Mid(t, dev)
		s, err := step.New(m, step.Config{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6, WeightDecay: 0.001, Precision: precision})
		if err != nil {
			t.Fatal(err)
		}
		for i := range devicetest.Steps {
			pixels, ids := devicetest.Sample(m.Config, i)
			got, err := s.Step(pixels, ids, devicetest.Pairs, 1e-4, 0)
			if err != nil || got.Skipped {
				t.Fatalf("%s: %+v, %v", precision, got, err)
			}
			losses[precision] = append(losses[precision], got.Loss)
		}
		for _, p := range dev.Placements() {
			if !p.Whole("CANNExecutionProvider") {
				t.Errorf("%s: not one subgraph: %s", precision, p)
			}
		}
		s.Close()
		m.Close()
	}
	for i, want := range losses["f32"] {
		if d := math.Abs(losses["amp"][i] - want); d == 0 || d > 1e-3*want {
			t.Errorf("loss of step %d is %.6f, in float32 %.6f", i+1, losses["amp"][i], want)
		}
	}
}

// A step moves the batch in and the loss out; parameters, gradients and moments stay where they are.
func TestSimulatedTraffic(t *testing.T) {
	sim := simulated(t)
	if !devicetest.InOwnProcess(t, sim.Env()...) {
		return
	}
	m := devicetest.Mid(t, devicetest.Open(t, "npu:cann:1"))
	defer m.Close()
	s := devicetest.NewStepper(t, m)
	defer s.Close()
	pixels, ids := devicetest.Sample(m.Config, 0)
	step := func() npusim.Counters {
		before := sim.Counters(t, 1)
		if _, err := s.Step(pixels, ids, devicetest.Pairs, 1e-4, 0); err != nil {
			t.Fatal(err)
		}
		return sim.Counters(t, 1).Minus(before)
	}
	step() // the first one compiles and uploads
	var parameters int64
	for _, p := range m.Config.Tensors() {
		parameters += 4 * int64(p.Size())
	}
	batch := int64(4*len(pixels) + 4*len(ids))
	const scalars = 8 << 10 // learning rates and corrections of each tensor, dropout's state, loss and logit scale
	for range 3 {
		c := step()
		t.Logf("a step of %d bytes: %d in, %d out (%d times), %d within; the parameters are %d", batch, c.ToDevice, c.FromDevice, c.CopiesFrom, c.OnDevice, parameters)
		if c.ToDevice < batch || c.ToDevice > batch+scalars {
			t.Errorf("%d bytes went to the device, the batch is %d", c.ToDevice, batch)
		}
		if c.FromDevice < 4 || c.FromDevice > scalars {
			t.Errorf("%d bytes came back, the loss is 4", c.FromDevice)
		}
	}
	if other := sim.Counters(t, 0); other.ToDevice+other.FromDevice+other.Executions != 0 {
		t.Errorf("device 0 was used: %+v", other)
	}
}

func TestSimulatedSessionsAreFreed(t *testing.T) {
	sim := simulated(t)
	if !devicetest.InOwnProcess(t, sim.Env()...) {
		return
	}
	dev := devicetest.Open(t, "npu:cann")
	var after int64
	for i := range 100 {
		m := devicetest.Tiny(t, dev)
		pixels, _ := devicetest.Sample(m.Config, i)
		if _, err := m.EncodeImages(context.Background(), pixels, devicetest.Pairs); err != nil {
			t.Fatal(err)
		}
		m.Close()
		if i == 9 {
			after = sim.Counters(t, 0).BytesNow
		}
	}
	c := sim.Counters(t, 0)
	if c.ModelsMade < 100 || c.ModelsNow > 1 || len(dev.Placements()) != 0 {
		t.Errorf("%d models made, %d left, %d graphs", c.ModelsMade, c.ModelsNow, len(dev.Placements()))
	}
	if c.BytesNow > after {
		t.Errorf("%d bytes on the device after 100 models, %d after 10", c.BytesNow, after)
	}
	dev.Close()
	for end := time.Now().Add(4 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		runtime.GC() // which frees tensors
		c := sim.Counters(t, 0)
		if c.ModelsNow == 0 && c.BytesNow == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("minutes after closing the device: %d models, %d bytes", c.ModelsNow, c.BytesNow)
		}
	}
}

func TestSimulatedTwoDevices(t *testing.T) {
	sim := simulated(t)
	if !devicetest.InOwnProcess(t, sim.Env()...) {
		return
	}
	var m [2]*model.Model
	for i := range m {
		m[i] = devicetest.Tiny(t, devicetest.Open(t, fmt.Sprintf("npu:cann:%d", i)))
		defer m[i].Close()
	}
	var results [2]devicetest.Result
	done := make(chan int)
	for i := range m { // at the same time
		go func() {
			defer func() { done <- i }()
			results[i] = devicetest.Work(t, m[i])
		}()
	}
	<-done
	<-done
	devicetest.Near(t, "device 1 against device 0", results[1], results[0], 0)
	for i := range m {
		if c := sim.Counters(t, i); c.Executions < devicetest.Steps || c.ToDevice == 0 || c.FromDevice == 0 {
			t.Errorf("device %d: %+v", i, c)
		}
	}
}

func TestSimulatedTwoProcesses(t *testing.T) {
	sim := simulated(t)
	const worker = "TestSimulatedCANNConformance"
	if devicetest.IsChild() {
		t.Fatal("not a test of one process")
	}
	var running []*exec.Cmd
	var said [2]strings.Builder
	sims := []npusim.Sim{sim, sim.Again(t)}
	for i := range sims {
		cmd := devicetest.Child(worker, sims[i].Env()...)
		cmd.Stdout, cmd.Stderr = &said[i], &said[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	for i, cmd := range running {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, said[i].String())
		}
		if c := sims[i].Counters(t, 0); c.Executions == 0 {
			t.Errorf("process %d did not use the device", i)
		}
	}
}

func TestSimulatedPlugin(t *testing.T) {
	devicetest.NeedWheel(t, "onnxruntime", "linux/amd64", "linux/arm64")
	const path = "CLIPKIT_TEST_PLUGIN"
	var env []string
	if !devicetest.IsChild() {
		env = []string{path + "=" + npusim.BuildPlugin(t)}
	}
	if !devicetest.InOwnProcess(t, env...) {
		return
	}
	plugin := "npu:" + os.Getenv(path)
	cpu, npu := devicetest.Open(t, "cpu:xla"), devicetest.Open(t, plugin+":1")
	a, b := devicetest.Mid(t, cpu), devicetest.Mid(t, npu)
	defer a.Close()
	defer b.Close()
	devicetest.Near(t, "plugin", devicetest.Work(t, b), devicetest.Work(t, a), 1e-5)
	products := 0
	for _, p := range npu.Placements() {
		products += p.Providers["SimulatedNPUExecutionProvider"].Operators["MatMul"]
	}
	if products == 0 {
		t.Errorf("the plugin took nothing: %v", npu.Placements())
	}
	if _, err := device.Open(plugin + ":2"); !errors.Is(err, device.ErrRuntime) || !strings.Contains(err.Error(), "no NPU device of index 2") {
		t.Error(err)
	}
	if _, err := device.Open(plugin + ",device=GPU"); err == nil || !strings.Contains(err.Error(), "it offers: SimulatedNPUExecutionProvider on NPU") {
		t.Error(err)
	}
}
