package device_test

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/step"
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
	var stdout, stderr strings.Builder
	cmd := child(t.Name(), env...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	for line := range strings.Lines(stderr.String()) { // ONNX Runtime and providers are to speak through errors
		if !strings.HasPrefix(line, "clipkit: ") {
			t.Errorf("standard error: %s", line)
		}
	}
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, stdout.String())
	case strings.Contains(stdout.String(), "--- SKIP"):
		t.Skip(stdout.String())
	case testing.Verbose():
		t.Log(stdout.String())
	}
	return false
}

func child(test string, env ...string) *exec.Cmd {
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

func open(t *testing.T, name string) *device.Device {
	t.Helper()
	dev, err := device.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

const steps, pairs = 5, 4

// midSize is large enough for every kind of kernel to be used, and small enough for seconds: 3.1 M parameters.
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

func newStepper(t *testing.T, m *model.Model) *step.Stepper {
	t.Helper()
	s, err := step.New(m, step.Config{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6, WeightDecay: 0.001})
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

// agree compares what two devices make of both models.
func agree(t *testing.T, got, want *device.Device, tolerance float64) {
	t.Helper()
	for name, build := range map[string]func(*testing.T, *device.Device) *model.Model{"tiny": tiny, "mid": mid} {
		a, b := build(t, got), build(t, want)
		near(t, name, work(t, a), work(t, b), tolerance)
		a.Close()
		b.Close()
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
