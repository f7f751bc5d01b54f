package step

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/tokenizer"
	"clipnb/clipkit/train/lossscale"
	"clipnb/clipkit/weights"
)

// The masks of the reference's ranks: a batch is compared with the others' of the same turn as their own passes see them, masked, and with all other
// batches unmasked. The records are those of train's testdata/ddp (its README says what is in them), whose noise stands for torch's.
func TestMasksOverRanksEqualTheReference(t *testing.T) {
	t.Parallel()
	data, err := dataset.Open(golden.Path("e2e"))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	captions := map[int64]string{}
	for _, text := range data.Train.Texts() {
		captions[text.ID] = text.Text
	}
	for _, c := range []struct {
		name      string
		processes int
	}{{"mask_2", 2}, {"mask_2", 1}, {"mask_accum_2", 4}} {
		t.Run(fmt.Sprintf("%s by %d", c.name, c.processes), func(t *testing.T) {
			var r struct {
				Args struct {
					Accum            int `json:"accum_freq"`
					WD, Beta1, Beta2 float64
					Epsilon          float64 `json:"eps"`
				}
				Steps []struct {
					LR    float64
					Loss  []float64
					Pairs [][][2]int64
				}
				LossNoise float64 `json:"loss_noise"`
				Noise     map[string]map[string]float64
			}
			b, err := os.ReadFile("../testdata/ddp/" + c.name + ".json")
			if err == nil {
				err = json.Unmarshal(b, &r)
			}
			if err != nil {
				t.Fatal(err)
			}
			f, err := weights.Open("../testdata/ddp/" + c.name + ".safetensors")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			noise := golden.Values(t, f, "noise")
			worlds := exchangetest.Threads(c.processes)
			steppers := make([]*Stepper, c.processes)
			for p := range steppers {
				m := modeltest.Tiny(t, "cpu:go", "e2e")
				s, err := New(m, Config{Beta1: r.Args.Beta1, Beta2: r.Args.Beta2, Epsilon: r.Args.Epsilon, WeightDecay: r.Args.WD, WorldSize: 2, AccumFreq: r.Args.Accum, MaskRatio: 0.5})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(s.Close)
				s.World, steppers[p] = worlds[p], s
			}
			size := steppers[0].model.Config.ImageResolution
			for i, want := range r.Steps {
				var images []float32
				var ids []int32
				for _, pair := range slices.Concat(want.Pairs...) { // rank after rank, batch after batch
					encoded, err := data.Train.Image(pair[0])
					if err != nil {
						t.Fatal(err)
					}
					pixels, err := imaging.Transform(encoded, size)
					if err != nil {
						t.Fatal(err)
					}
					row := make([]int32, 52)
					tokenizer.Default().Encode(row, tokenizer.Prepare(captions[pair[1]]))
					images, ids = append(images, pixels...), append(ids, row...)
				}
				n := len(ids) / 52
				results, errs := make([]Result, c.processes), make([]error, c.processes)
				var wait sync.WaitGroup
				for p, s := range steppers {
					s.noise = func(uint64, int) []float32 { return share(noise, i, len(r.Steps)) }
					wait.Go(func() {
						results[p], errs[p] = s.Step(share(images, p, c.processes), share(ids, p, c.processes), n/c.processes, want.LR, 0)
					})
				}
				wait.Wait()
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				abs := math.Abs(results[0].Loss - want.Loss[0])
				golden.Parity(t, fmt.Sprintf("loss of step %d", i+1), 1, abs, abs/want.Loss[0], times*r.LossNoise/want.Loss[0])
				for part, at := range map[string]int{"after1": 0, "last": len(r.Steps) - 1} {
					if i == at {
						compareRanks(t, f, part, r.Noise[part], steppers[0].model)
					}
				}
			}
		})
	}
}

// compareRanks compares the tensors of a part of a record of ranks.
func compareRanks(t *testing.T, f *weights.File, part string, noise map[string]float64, m *model.Model) {
	t.Helper()
	rows, compared := golden.Values(t, f, "word_embedding_rows"), 0
	for _, name := range f.Names() {
		tensor, ok := strings.CutPrefix(name, part+"/")
		if !ok || strings.HasSuffix(tensor, "key.bias") {
			continue
		}
		got, want := modeltest.Values(t, m, tensor), golden.Values(t, f, name)
		if strings.HasSuffix(tensor, "word_embeddings.weight") {
			got = someRows(got, rows, m.Config.TextWidth)
		}
		got = some(got, len(want))
		if third := len(got) / 3; strings.HasSuffix(tensor, "attn.in_proj_bias") { // its middle third is the key bias
			got, want = slices.Concat(got[:third], got[2*third:]), slices.Concat(want[:third], want[2*third:])
		}
		top := 0.0
		for _, v := range want {
			top = max(top, math.Abs(float64(v)))
		}
		golden.Close(t, part+": "+tensor, got, want, max(times*noise[tensor]/max(top, 1e-12), resolution))
		compared++
	}
	if compared < 54 {
		t.Errorf("only %d tensors compared", compared)
	}
}

// together makes a step by several processes.
func together(t *testing.T, steppers []*Stepper, images []float32, ids []int32, lr float64) (results []Result, errs []error) {
	t.Helper()
	n := len(steppers)
	results, errs = make([]Result, n), make([]error, n)
	var wait sync.WaitGroup
	for p, s := range steppers {
		wait.Go(func() {
			results[p], errs[p] = s.Step(share(images, p, n), share(ids, p, n), len(ids)/52/n, lr, 0)
		})
	}
	wait.Wait()
	return results, errs
}

// A gradient that overflows float16 on one process leaves the step out on all, and halves the loss scale of all.
func TestOverflowOnOneProcessSkipsOnAll(t *testing.T) {
	images, ids := firstBatch(t)
	worlds := exchangetest.Threads(2)
	steppers := make([]*Stepper, 2)
	for p := range steppers {
		s := stepper(t, modeltest.Tiny(t, "cpu:go", "vit"), record(t, "vit", "train"), func(c *Config) {
			c.Precision, c.WorldSize, c.SkipAggregate = "f16", 2, true
		})
		s.World, steppers[p] = worlds[p], s
	}
	images = slices.Clone(images)
	for i := range images[len(images)/2:] {
		images[len(images)/2+i] *= 1e6 // of the second rank alone
	}
	before := [2][]float32{modeltest.AllValues(t, steppers[0].model), modeltest.AllValues(t, steppers[1].model)}
	results, errs := together(t, steppers, images, ids, 1e-3)
	for p, s := range steppers {
		if errs[p] == nil && (!results[p].Skipped || s.LossScale().Factor != lossscale.First/2) || errs[p] != nil && !errors.Is(errs[p], ErrDiverged) {
			t.Errorf("process %d: %+v, %v, loss scale %v", p, results[p], errs[p], s.LossScale())
		}
		if !slices.Equal(modeltest.AllValues(t, s.model), before[p]) {
			t.Errorf("process %d updated", p)
		}
	}
	if (errs[0] == nil) != (errs[1] == nil) {
		t.Error(errs)
	}
}

// Gradients that lie on a device of its own are copied out, added up and put back, to the same step.
func TestProcessesOnDevicesWithMemoryOfTheirOwn(t *testing.T) {
	images, ids := firstBatch(t)
	var all [2][]float32
	for i, graphs := range []bool{false, true} {
		worlds := exchangetest.Threads(2)
		steppers := make([]*Stepper, 2)
		for p := range steppers {
			s := stepper(t, modeltest.Tiny(t, "cpu:go", "vit"), record(t, "vit", "train"), func(c *Config) { c.WorldSize, c.GatherWithGrad = 2, true })
			s.World, s.graphUpdates, steppers[p] = worlds[p], graphs, s
		}
		if _, errs := together(t, steppers, images, ids, 1e-3); errors.Join(errs...) != nil {
			t.Fatal(errs)
		}
		all[i] = modeltest.AllValues(t, steppers[0].model)
		if !slices.Equal(all[i], modeltest.AllValues(t, steppers[1].model)) {
			t.Error("the processes differ")
		}
	}
	if _, rel := golden.Difference(all[1], all[0]); rel > 1e-6 {
		t.Errorf("parameters differ by %.2g", rel)
	}
}

func TestRanksAreChecked(t *testing.T) {
	rn, vit := golden.Config(t, "rn"), golden.Config(t, "vit")
	for want, c := range map[string]struct {
		cfg    arch.Config
		config Config
	}{
		"world_size is -1":                     {vit, Config{WorldSize: -1}},
		"gather_with_grad is true, want false": {vit, Config{GatherWithGrad: true, SkipAggregate: true, WorldSize: 2}},
		"use_bn_sync is true, want false":      {rn, Config{UseBNSync: true, WorldSize: 2}},
	} {
		if err := errors.Join(c.config.Check(c.cfg), c.config.CheckOn(&device.Device{Name: "cpu"}, c.cfg, 2)); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, c := range []Config{{UseBNSync: true}, {GatherWithGrad: true}, {SkipAggregate: true}} { // with one rank all are the same
		if err := c.Check(rn); err != nil {
			t.Error(err)
		}
	}
	worlds := exchangetest.Threads(4)
	first, n, err := Config{WorldSize: 2, AccumFreq: 4}.Share(worlds[3])
	if first != 6 || n != 2 || err != nil {
		t.Error(first, n, err)
	}
	if _, _, err := (Config{WorldSize: 3}).Share(worlds[1]); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
	if _, n, err := (Config{WorldSize: 3, AccumFreq: 2}).Share(exchange.Alone); n != 6 || err != nil {
		t.Error(n, err)
	}
}
