package gpu

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	_ "clipnb/clipkit/device/blocks" // as a program that trains has it
	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/pixels"
	"clipnb/clipkit/train/step"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// tokens of every text: the context of the reference's training, filled.
const tokens = 52

// runSection is the child of TestMeasure.
func runSection(t *testing.T, name string) {
	at := slices.IndexFunc(Sections(), func(s Section) bool { return s.Name == name })
	if at < 0 {
		t.Fatalf("there is no section %q; -list prints them", name)
	}
	s := Sections()[at]
	if *tiny {
		s.Batch = min(s.Batch, 8)
	}
	switch {
	case name == "parity":
		devicetest.Test(t, os.Getenv("CLIPKIT_DEVICE"))
		t.Run("levels", levelsAreValues)
	case name == "peak":
		measurePeak(t)
	case strings.HasPrefix(name, "profile/"):
		profileSection(t, s)
	default:
		race(t, s)
	}
}

// levelsAreValues compares features of bytes, which the device normalises, with those of the values that the host makes of them.
func levelsAreValues(t *testing.T) {
	m := devicetest.Tiny(t, devicetest.Open(t, ""))
	defer m.Close()
	const n = 4
	r := m.Config.ImageResolution
	levels := make([]uint8, n*3*r*r)
	for i := range levels {
		levels[i] = uint8(i * 7)
	}
	got, err := m.EncodeLevels(t.Context(), levels, n)
	want, err2 := m.EncodeImages(t.Context(), pixels.Pictures{Levels: levels}.Float32(n), n)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	golden.Close(t, "features of bytes", got, want, 1e-5)
}

// opened is the device with the row's notes.
func opened(t *testing.T, s Section) (*device.Device, Row) {
	dev := devicetest.Open(t, "")
	tf32 := "off"
	if os.Getenv("CLIPKIT_TF32") == "1" {
		tf32 = "on"
	}
	return dev, Row{Section: s.Name, Device: dev.Machine(), TF32: tf32, Flags: os.Getenv("XLA_FLAGS"), Forms: os.Getenv("CLIPKIT_WRITTEN") + " " + os.Getenv("CLIPKIT_ATTENTION")}
}

// loss of the last step: forms that compute the same give about the same.
var loss float64

// work makes a section's work on the device: run does it once, gflops is what it takes.
func work(t *testing.T, dev *device.Device, s Section) (run func(), gflops float64) {
	cfg, err := arch.Lookup("ViT-B-16")
	if *tiny {
		cfg, err = golden.ReadConfig("vit")
	}
	if err != nil {
		t.Fatal(err)
	}
	precision := model.Precision(s.Precision)
	kept := precision
	if s.Work == "step" {
		kept = model.F32
	}
	m, err := model.NewIn(cfg, dev, kept)
	if err == nil {
		err = m.Init(1)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	m.CallRows, _ = strconv.Atoi(os.Getenv("CLIPKIT_GPU_TOGETHER")) // 0 = its default
	rng := rand.New(rand.NewPCG(1, 2))
	levels, ids := make([]uint8, s.Batch*3*cfg.ImageResolution*cfg.ImageResolution), make([]int32, s.Batch*tokens)
	for i := range levels {
		levels[i] = uint8(rng.IntN(256))
	}
	images := pixels.Pictures{Levels: levels}
	if os.Getenv("CLIPKIT_GPU_PIXELS") == "f32" {
		images = pixels.Pictures{Values: images.Float32(s.Batch)}
	}
	for i := range ids {
		ids[i] = int32(670 + rng.IntN(7000))
	}
	ctx, n := context.Background(), float64(s.Batch)
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	switch s.Work {
	case "image":
		return func() {
			if images.Levels != nil {
				_, err = m.EncodeLevels(ctx, images.Levels, s.Batch)
			} else {
				_, err = m.EncodeImages(ctx, images.Values, s.Batch)
			}
			check(err)
		}, n * cfg.ImageFLOPs() / 1e9
	case "text":
		return func() { _, err := m.EncodeTexts(ctx, ids, s.Batch); check(err) }, n * cfg.TextFLOPs(tokens) / 1e9
	}
	stepper, err := step.New(m, step.Config{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6, WeightDecay: 0.001, Precision: s.Precision})
	check(err)
	t.Cleanup(stepper.Close)
	pictures := make([]int64, s.Batch)
	return func() {
		res, err := stepper.StepOn(ctx, images, ids, pictures, 5e-5, 0)
		check(err)
		loss = res.Loss
	}, n * cfg.TrainFLOPs(tokens) / 1e9
}

// race times clipkit, PyTorch eager and torch.compile in turns. The others start and compile while clipkit compiles.
func race(t *testing.T, s Section) {
	dev, row := opened(t, s)
	var eager, compiled *golden.Reference
	if !s.Alone {
		if *tiny {
			t.Setenv("CLIPKIT_TORCH_CONFIGS", golden.Path("tiny-vit.json")+","+golden.Path("tiny-text.json"))
		}
		args := []string{s.Work, strconv.Itoa(s.Batch), s.Precision}
		if s.Work == "step" {
			args = append(args, strconv.Itoa(tokens))
		}
		if eager = golden.Begin(t, args...); eager != nil && dev.IsCUDA() {
			compiled = golden.Begin(t, append(args, "--compile")...)
		}
	}
	run, gflops := work(t, dev, s)
	row.GFLOPs, row.Batch = gflops, s.Batch
	start := time.Now()
	run()
	row.CompileSeconds = time.Since(start).Seconds()
	run() // fills the allocator
	row.OursMB, row.Loss = memoryMB(dev), loss
	ours := func() float64 {
		start := time.Now()
		run()
		return time.Since(start).Seconds()
	}
	one := func(r *golden.Reference) func() float64 { return func() float64 { return r.Do().Wall } }
	row.turns(min(*rounds, 5), ours)
	row.Say(os.Stdout)
	if eager == nil {
		return
	}
	eager.Ready()
	row.Torch = eager.About
	row.turns(*rounds, ours, one(eager))
	row.EagerMB = eager.PeakMB
	row.Say(os.Stdout)
	if compiled != nil {
		compiled.Ready()
		row.turns(*rounds, ours, one(eager), one(compiled))
		row.CompiledMB = compiled.PeakMB
		row.Say(os.Stdout)
	}
}

// turns sets the medians of the sides, which take turns.
func (r *Row) turns(rounds int, sides ...func() float64) {
	times := make([][]float64, len(sides))
	for range rounds {
		for i, side := range sides {
			times[i] = append(times[i], side())
		}
	}
	for i, into := range []*float64{&r.Ours, &r.Eager, &r.Compiled}[:len(sides)] {
		slices.Sort(times[i])
		*into = times[i][len(times[i])/2]
	}
	r.Rounds = rounds
}

// measurePeak takes the best of some large products in each precision.
func measurePeak(t *testing.T) {
	dev, row := opened(t, Section{Name: "peak"})
	size := 8192
	switch {
	case *tiny:
		size = 256
	case dev.IsCPU():
		size = 2048
	}
	row.PeakF32, row.PeakBF16 = product(t, dev, size, dtypes.Float32), product(t, dev, size, dtypes.BFloat16)
	if dev.IsCPU() { // other work slows a processor in most minutes, and the best is kept
		row.PeakF32 = max(row.PeakF32, dev.PeakGFLOPS())
	}
	row.Say(os.Stdout)
}

// product is the rate of a product of matrices of values that are not alike, in GFLOPS. The products of a chain wait for each other, so that one
// transfer of the result is little beside them.
func product(t *testing.T, dev *device.Device, size int, dtype dtypes.DType) float64 {
	const chain = 8
	rng := rand.New(rand.NewPCG(3, 4))
	values := make([]float32, size*size)
	for i := range values {
		values[i] = float32(rng.NormFloat64()) / float32(size)
	}
	best := time.Duration(1<<63 - 1)
	err := device.Catch(func() error {
		e, err := NewExec(dev.Backend, func(x *Node) *Node {
			x = ConvertDType(x, dtype)
			y := x
			for range chain {
				y = Dot(x, y).Product()
			}
			return ConvertDType(ReduceAllMax(y), dtypes.Float32)
		})
		if err != nil {
			return err
		}
		defer e.Finalize()
		x, err := tensors.FromRaw(dev.Backend, 0, shapesOf(size), bytesOf(values))
		if err != nil {
			return err
		}
		for range 6 {
			start := time.Now()
			out, err := e.Call(x)
			if err != nil {
				return err
			}
			_ = out[0].Value() // waits
			best = min(best, time.Since(start))
			out[0].FinalizeAll()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return chain * 2 * float64(size) * float64(size) * float64(size) / best.Seconds() / 1e9
}

// memoryMB is what this process has taken: on a GPU of its memory, as the driver counts it, or 0 where it does not say.
func memoryMB(dev *device.Device) float64 {
	if !dev.IsCUDA() {
		return golden.PeakMB()
	}
	list, err := exec.Command("nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits").Output()
	if err != nil {
		return 0
	}
	lines := strings.Split(strings.TrimSpace(string(list)), "\n")
	for _, line := range lines {
		var pid int
		var mb float64
		if n, _ := fmt.Sscanf(strings.ReplaceAll(line, ",", " "), "%d %f", &pid, &mb); n == 2 && (pid == os.Getpid() || len(lines) == 1) {
			return mb
		}
	}
	return 0
}

// python is the Python of the comparison.
func python() string { return cmp.Or(os.Getenv("CLIPKIT_TORCH_PYTHON"), "python3") }
