package device_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/device/npusim"
	"clipnb/clipkit/device/ort"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train"
	"clipnb/clipkit/weights"
)

const childEnv = "CLIPKIT_TEST_CHILD"

// inOwnProcess runs the calling test again in a process of its own, with env added, and tells whether this is that process: a process has one
// ONNX Runtime, and LD_LIBRARY_PATH is read when it starts.
func inOwnProcess(t *testing.T, env ...string) bool {
	t.Helper()
	if os.Getenv(childEnv) == t.Name() {
		return true
	}
	out, err := child(t, t.Name(), env...).CombinedOutput()
	said := string(out)
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, said)
	case strings.Contains(said, "--- SKIP"):
		t.Skip(said)
	case testing.Verbose():
		t.Log(said)
	}
	return false
}

func child(t *testing.T, test string, env ...string) *exec.Cmd {
	pattern := "^" + strings.ReplaceAll(test, "/", "$/^") + "$"
	cmd := exec.Command(os.Args[0], "-test.run="+pattern, "-test.v", "-test.timeout=10m")
	cmd.Env = append(append(os.Environ(), env...), childEnv+"="+test)
	return cmd
}

// needWheel skips where the package index has no such wheel.
func needWheel(t *testing.T, name string, platforms ...string) {
	t.Helper()
	if here := runtime.GOOS + "/" + runtime.GOARCH; !slices.Contains(platforms, here) {
		t.Skipf("%s is not packaged for %s", name, here)
	}
}

func needOpenVINO(t *testing.T) { needWheel(t, "onnxruntime-openvino", "linux/amd64") }

func simulated(t *testing.T) npusim.Sim {
	t.Helper()
	needWheel(t, "onnxruntime-cann", "linux/amd64", "linux/arm64")
	if os.Getenv(childEnv) != "" {
		return npusim.Here()
	}
	return npusim.Build(t)
}

func open(t *testing.T, name string) *device.Device {
	t.Helper()
	dev, err := device.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

// ---- the models and what a device makes of them ----

const steps, pairs = 5, 4

// midSize is large enough for every kind of kernel to be used, and small enough for seconds: 3.6 M parameters.
var midSize = arch.Config{
	Name: "mid", EmbedDim: 128, ImageResolution: 64, VisionLayers: arch.Layers{3}, VisionWidth: 192, VisionPatchSize: 16,
	VocabSize: 1000, TextHiddenAct: "gelu", TextWidth: 192, TextInitRange: 0.02, TextIntermediate: 768, TextMaxPositions: 64, TextHeads: 3,
	TextLayers: 3, TextTypes: 2, ContextLength: 24,
}

// result is what a device makes of a model: features before training, the losses of the steps, and the parameters afterwards.
type result struct {
	images, texts, parameters []float32
	losses                    []float64
}

// tiny loads the fixture's weights, mid makes its own.
func tiny(t *testing.T, dev *device.Device) *model.Model {
	t.Helper()
	m, err := model.New(golden.Config(t, "vit"), dev)
	if err == nil {
		err = weights.Load(m, m.Config, golden.Open(t, "vit/init.pt"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mid(t *testing.T, dev *device.Device) *model.Model {
	t.Helper()
	m, err := model.New(midSize, dev)
	if err == nil {
		err = m.Init(7)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sample is a batch keyed by a number.
func sample(cfg arch.Config, key int) (pixels []float32, ids []int32) {
	rng := rand.New(rand.NewPCG(uint64(key), 1))
	pixels = make([]float32, pairs*3*cfg.ImageResolution*cfg.ImageResolution)
	for i := range pixels {
		pixels[i] = float32(rng.NormFloat64())
	}
	length := cfg.ContextLength
	if length == 0 {
		length = 16
	}
	ids = make([]int32, pairs*length)
	for i := range ids {
		if i%length < length*3/4 {
			ids[i] = int32(1 + rng.IntN(cfg.VocabSize-1))
		}
	}
	return pixels, ids
}

func newStepper(t *testing.T, m *model.Model) *train.Stepper {
	t.Helper()
	s, err := train.NewStepper(m, train.Config{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6, WeightDecay: 0.001})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// work encodes a batch and trains on others.
func work(t *testing.T, m *model.Model) (r result) {
	t.Helper()
	pixels, ids := sample(m.Config, 0)
	var err error
	if r.images, err = m.EncodeImages(context.Background(), pixels, pairs); err != nil {
		t.Fatal(err)
	}
	if r.texts, err = m.EncodeTexts(context.Background(), ids, pairs); err != nil {
		t.Fatal(err)
	}
	s := newStepper(t, m)
	defer s.Close()
	for i := range steps {
		pixels, ids := sample(m.Config, i)
		got, err := s.Step(pixels, ids, pairs, 1e-4, 0)
		if err != nil {
			t.Fatal(err)
		}
		r.losses = append(r.losses, got.Loss)
	}
	for _, p := range m.Config.Tensors() {
		_, values, err := m.Get(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		r.parameters = append(r.parameters, values...)
	}
	return r
}

// distance is the relative L2 distance.
func distance(got, want []float32) float64 {
	if len(got) != len(want) || len(want) == 0 {
		return math.Inf(1)
	}
	var d, n float64
	for i := range want {
		d += (float64(got[i]) - float64(want[i])) * (float64(got[i]) - float64(want[i]))
		n += float64(want[i]) * float64(want[i])
	}
	return math.Sqrt(d / n)
}

// near compares two results, to the bit where the tolerance is 0.
func near(t *testing.T, what string, got, want result, tolerance float64) {
	t.Helper()
	for _, p := range []struct {
		name      string
		got, want []float32
	}{
		{"image features", got.images, want.images}, {"text features", got.texts, want.texts}, {"parameters after training", got.parameters, want.parameters},
	} {
		if d := distance(p.got, p.want); !(d <= tolerance) || tolerance == 0 && !slices.Equal(p.got, p.want) {
			t.Errorf("%s: %s differ by %.3g, relative", what, p.name, d)
		} else {
			t.Logf("%s: %s differ by %.2g, relative", what, p.name, d)
		}
	}
	for i := range want.losses {
		if d := math.Abs(got.losses[i] - want.losses[i]); !(d <= tolerance*math.Abs(want.losses[i])) {
			t.Errorf("%s: loss of step %d is %.7f, want %.7f", what, i+1, got.losses[i], want.losses[i])
		}
	}
}

// ---- the same runtime with and without this project's C layer ----

func TestPassThroughIsBitEqual(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	plain := open(t, "cpu:onnx")
	backend, err := ort.Open(ort.Provider{Log: 3, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	through := &device.Device{Name: "cpu", Engine: "ort", Backend: backend}
	t.Cleanup(through.Close)
	for name, build := range map[string]func(*testing.T, *device.Device) *model.Model{"tiny": tiny, "mid": mid} {
		a, b := build(t, plain), build(t, through)
		near(t, name, work(t, b), work(t, a), 0)
		a.Close()
		b.Close()
	}
}

// ---- OpenVINO, on its CPU device ----

func TestOpenVINOConformance(t *testing.T) {
	needOpenVINO(t)
	for _, name := range []string{"cpu:openvino", "npu:openvino,device=CPU"} {
		t.Run(name, func(t *testing.T) {
			if inOwnProcess(t) {
				devicetest.Test(t, name)
			}
		})
	}
}

func TestOpenVINOMatchesTheCPU(t *testing.T) {
	needOpenVINO(t)
	if !inOwnProcess(t) {
		return
	}
	cpu, npu := open(t, "cpu:xla"), open(t, "npu:openvino,device=CPU")
	for name, build := range map[string]func(*testing.T, *device.Device) *model.Model{"tiny": tiny, "mid": mid} {
		a, b := build(t, cpu), build(t, npu)
		near(t, name, work(t, b), work(t, a), 1e-5)
		a.Close()
		b.Close()
	}
}

// OpenVINO's provider takes no tensor without axes, such as a loss or a learning rate. Encoding is whole; of training, what makes and uses
// scalars stays outside, and nothing else.
func TestOpenVINOPlacement(t *testing.T) {
	needOpenVINO(t)
	if !inOwnProcess(t) {
		return
	}
	const openvino, processor = "OpenVINOExecutionProvider", "CPUExecutionProvider"
	dev := open(t, "npu:openvino,device=CPU")
	compile(t, dev)
	encoders, scalars := 0, map[string]bool{"Slice": true, "Reshape": true, "ReduceSum": true, "Mul": true}
	for _, p := range dev.Placements() {
		t.Log(p)
		if p.Whole(openvino) {
			encoders++
			continue
		}
		for op := range p.Providers[processor].Operators {
			if !scalars[op] {
				t.Errorf("%s was left to the processor: %s", op, p)
			}
		}
		if taken := p.Providers[openvino].Nodes; taken < 2*p.Providers[processor].Nodes {
			t.Errorf("only %d nodes were taken: %s", taken, p)
		}
	}
	if encoders != 2 {
		t.Errorf("%d graphs are whole, expected those of the two towers", encoders)
	}
}

// compile has a model's graphs compiled: both towers, gradients, updates.
func compile(t *testing.T, dev *device.Device) {
	t.Helper()
	m := mid(t, dev)
	t.Cleanup(m.Close)
	s := newStepper(t, m)
	t.Cleanup(s.Close)
	pixels, ids := sample(m.Config, 0)
	if _, err := m.EncodeImages(context.Background(), pixels, pairs); err != nil {
		t.Fatal(err)
	}
	if _, err := m.EncodeTexts(context.Background(), ids, pairs); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Step(pixels, ids, pairs, 1e-4, 0); err != nil {
		t.Fatal(err)
	}
}

// ---- the real CANN provider over a SIMULATED Ascend runtime ----

func TestSimulatedCANNConformance(t *testing.T) {
	if inOwnProcess(t, simulated(t).Env()...) {
		devicetest.Test(t, "npu:cann")
	}
}

func TestSimulatedCANNMatchesTheCPU(t *testing.T) {
	if !inOwnProcess(t, simulated(t).Env()...) {
		return
	}
	cpu, npu := open(t, "cpu:xla"), open(t, "npu:cann:0")
	for name, build := range map[string]func(*testing.T, *device.Device) *model.Model{"tiny": tiny, "mid": mid} {
		a, b := build(t, cpu), build(t, npu)
		near(t, name, work(t, b), work(t, a), 1e-5)
		a.Close()
		b.Close()
	}
}

func TestSimulatedCANNTakesWholeGraphs(t *testing.T) {
	if !inOwnProcess(t, simulated(t).Env()...) {
		return
	}
	dev := open(t, "npu:cann")
	compile(t, dev)
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

// Products in float16, with float32 weights and a scaled loss: the seed's amp.
func TestSimulatedMixedPrecision(t *testing.T) {
	if !inOwnProcess(t, simulated(t).Env()...) {
		return
	}
	dev := open(t, "npu:cann")
	losses := map[string][]float64{}
	for _, precision := range []string{"f32", "amp"} {
		m := mid(t, dev)
		s, err := train.NewStepper(m, train.Config{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6, WeightDecay: 0.001, Precision: precision})
		if err != nil {
			t.Fatal(err)
		}
		for i := range steps {
			pixels, ids := sample(m.Config, i)
			got, err := s.Step(pixels, ids, pairs, 1e-4, 0)
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
	if !inOwnProcess(t, sim.Env()...) {
		return
	}
	m := mid(t, open(t, "npu:cann:1"))
	defer m.Close()
	s := newStepper(t, m)
	defer s.Close()
	pixels, ids := sample(m.Config, 0)
	step := func() npusim.Counters {
		before := sim.Counters(t, 1)
		if _, err := s.Step(pixels, ids, pairs, 1e-4, 0); err != nil {
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
	if !inOwnProcess(t, sim.Env()...) {
		return
	}
	dev := open(t, "npu:cann")
	var after int64
	for i := range 100 {
		m := tiny(t, dev)
		pixels, _ := sample(m.Config, i)
		if _, err := m.EncodeImages(context.Background(), pixels, pairs); err != nil {
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
	for range 20 { // tensors are freed by the garbage collector
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	if c := sim.Counters(t, 0); c.ModelsNow != 0 || c.BytesNow != 0 {
		t.Errorf("after closing the device: %d models, %d bytes", c.ModelsNow, c.BytesNow)
	}
}

func TestSimulatedTwoDevices(t *testing.T) {
	sim := simulated(t)
	if !inOwnProcess(t, sim.Env()...) {
		return
	}
	var m [2]*model.Model
	for i := range m {
		m[i] = tiny(t, open(t, fmt.Sprintf("npu:cann:%d", i)))
		defer m[i].Close()
	}
	var results [2]result
	done := make(chan int)
	for i := range m { // at the same time
		go func() {
			defer func() { done <- i }()
			results[i] = work(t, m[i])
		}()
	}
	<-done
	<-done
	near(t, "device 1 against device 0", results[1], results[0], 0)
	for i := range m {
		if c := sim.Counters(t, i); c.Executions < steps || c.ToDevice == 0 || c.FromDevice == 0 {
			t.Errorf("device %d: %+v", i, c)
		}
	}
}

func TestSimulatedTwoProcesses(t *testing.T) {
	sim := simulated(t)
	const worker = "TestSimulatedCANNConformance"
	if os.Getenv(childEnv) != "" {
		t.Fatal("not a test of one process")
	}
	var running []*exec.Cmd
	var said [2]strings.Builder
	sims := []npusim.Sim{sim, sim.Again(t)}
	for i := range sims {
		cmd := child(t, worker, sims[i].Env()...)
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

// ---- a SIMULATED plugin provider with memory of its own, which takes the products ----

func TestSimulatedPlugin(t *testing.T) {
	needWheel(t, "onnxruntime", "linux/amd64", "linux/arm64")
	const path = "CLIPKIT_TEST_PLUGIN"
	var env []string
	if os.Getenv(childEnv) == "" {
		env = []string{path + "=" + npusim.BuildPlugin(t)}
	}
	if !inOwnProcess(t, env...) {
		return
	}
	plugin := "npu:" + os.Getenv(path)
	cpu, npu := open(t, "cpu:xla"), open(t, plugin+":1")
	a, b := mid(t, cpu), mid(t, npu)
	defer a.Close()
	defer b.Close()
	near(t, "plugin", work(t, b), work(t, a), 1e-5)
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

// ---- what is missing, each with one clear error ----

func TestMissingPieces(t *testing.T) {
	needOpenVINO(t)
	plain := filepath.Join(cacheOf(t), "runtimes", "onnxruntime-1.30.0", "libonnxruntime.so.1.30.0")
	for _, c := range []struct {
		name, device string
		env          []string
		simulate     bool
		want         []string
	}{
		{name: "no card", device: "npu", want: []string{"no NPU is here", "fallback=cpu"}},
		{name: "no toolkit", device: "npu:cann", want: []string{"libascendcl.so", "install the CANN toolkit"}},
		{name: "wrong build", device: "npu:cann", env: []string{"ONNXRUNTIME_SHARED_LIBRARY_PATH=" + plain}, want: []string{"built without CANN", "onnxruntime-cann 1.24.4"}},
		{name: "wrong build for OpenVINO", device: "npu:openvino", env: []string{"ONNXRUNTIME_SHARED_LIBRARY_PATH=" + plain}, want: []string{"built without OpenVINO"}},
		{name: "no library", device: "npu:cann", env: []string{"ONNXRUNTIME_SHARED_LIBRARY_PATH=/nowhere/libonnxruntime.so"}, want: []string{"/nowhere/libonnxruntime.so"}},
		{name: "not a library", device: "npu:cann", env: []string{"ONNXRUNTIME_SHARED_LIBRARY_PATH=npu_test.go"}, want: []string{"cannot be loaded"}},
		{name: "no such device", device: "npu:cann:5", simulate: true, want: []string{"there is no device 5", "between 0 (inclusive) and 2"}},
		{name: "no Intel NPU", device: "npu:openvino", want: []string{"no Intel NPU is here", "/dev/accel/accel0"}},
		{name: "no second Intel NPU", device: "npu:openvino:1", want: []string{"has one NPU"}},
		{name: "wrong precision", device: "npu:cann,precision=f8", want: []string{"precision \"f8\"", "f16, f32"}},
		{name: "wrong cache", device: "npu:cann,cache=npu_test.go", want: []string{"cache", "npu_test.go"}},
		{name: "no plugin", device: "npu:/nowhere/plugin.so", want: []string{"/nowhere/plugin.so"}},
		{name: "not a plugin", device: "npu:" + plain, want: []string{"CreateEpFactories"}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			env := c.env
			if c.simulate {
				env = simulated(t).Env()
			}
			if !inOwnProcess(t, env...) {
				return
			}
			if strings.Contains(strings.Join(c.env, ""), plain) || strings.Contains(c.device, plain) {
				if _, err := os.Stat(plain); err != nil {
					t.Fatalf("TestONNX, which runs before, fetches it: %v", err)
				}
			}
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			stderr := os.Stderr
			os.Stderr = w
			_, err = device.Open(c.device)
			os.Stderr = stderr
			w.Close()
			_ = r
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v", err)
			}
			t.Log(err)
			if !errors.Is(err, device.ErrRuntime) && !errors.Is(err, device.ErrOption) {
				t.Errorf("the error is of no kind: %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not say %q", err, want)
				}
			}
		})
	}
}

func cacheOf(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "clipkit")
}

// The processor is used in an NPU's place only by those who ask for it, and they are told.
func TestFallback(t *testing.T) {
	var said strings.Builder
	device.Notices = &said
	defer func() { device.Notices = os.Stderr }()
	dev, err := device.Open("npu,fallback=cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	if dev.Name != "cpu" || !strings.Contains(said.String(), "no NPU is here") {
		t.Errorf("%s: %q", dev, said.String())
	}
	t.Setenv("CLIPKIT_NPU_FALLBACK", "cpu")
	if dev, err = device.Open("npu:0"); err != nil {
		t.Fatal(err)
	}
	dev.Close()
}

// A process has one ONNX Runtime: another device may use it, and one that needs another is refused.
func TestOneRuntimePerProcess(t *testing.T) {
	needOpenVINO(t)
	t.Run("onnx-first", func(t *testing.T) {
		if !inOwnProcess(t) {
			return
		}
		open(t, "cpu:onnx")
		if _, err := device.Open("npu:openvino,device=CPU"); !errors.Is(err, ort.ErrLoaded) || !strings.Contains(err.Error(), "1.30.0") {
			t.Error(err)
		}
	})
	t.Run("openvino-first", func(t *testing.T) {
		if !inOwnProcess(t) {
			return
		}
		m := tiny(t, open(t, "npu:openvino,device=CPU"))
		defer m.Close()
		n := tiny(t, open(t, "cpu:onnx"))
		defer n.Close()
		pixels, _ := sample(m.Config, 0)
		a, err := m.EncodeImages(context.Background(), pixels, pairs)
		if err != nil {
			t.Fatal(err)
		}
		b, err := n.EncodeImages(context.Background(), pixels, pairs)
		if err != nil {
			t.Fatal(err)
		}
		if d := distance(a, b); d > 1e-5 {
			t.Errorf("the two differ by %g", d)
		}
	})
}
