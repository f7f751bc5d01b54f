package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/train"
)

func TestMain(m *testing.M) { limit.Main(m) }

// flickr is the ModelZoo's script for eight devices on a processor of two cores, with so much memory free.
func flickr(t *testing.T, architecture string, batch int, free int64) Run {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // nothing was measured
	cfg, err := arch.Lookup(architecture)
	if err != nil {
		t.Fatal(err)
	}
	c := train.Default(cfg)
	c.BatchSize, c.WorldSize, c.MaxEpochs = batch, 8, 3
	return Run{Model: cfg, Config: c, Pairs: 148_915, Tokens: 32, Machine: "two cores / xla", Kind: "cpu", Peak: 500, Devices: 1, Free: free}
}

// The parts fit, the steps stay, and a machine that is too small hears so, with what it could do.
func TestFit(t *testing.T) {
	for _, c := range []struct {
		architecture string
		batch        int
		free         int64
		fits         bool
		says         string
	}{
		{"ViT-B-16", 128, 400e9, true, "438 steps of 1024 pairs"},
		{"ViT-B-16", 128, 21e9, true, "batches in parts of "},
		{"ViT-B-16", 128, 8e9, true, "batches in parts of "},
		{"ViT-B-16", 128, 2e9, false, "it does not fit; what would: "},
		{"ViT-H-14", 32, 64e9, true, "1746 steps of 256 pairs"},
		{"ViT-H-14", 32, 16e9, false, "FreezeVision, Recompute = true, true (on the command line --freeze-vision --grad-checkpointing), "},
	} {
		r := flickr(t, c.architecture, c.batch, c.free)
		p := r.Fit()
		if p.Fits != c.fits || !strings.Contains(p.String(), c.says) {
			t.Errorf("%s on %d GB: %s", c.architecture, c.free/1e9, p)
		}
		if c.fits && (p.Memory > c.free || p.Seconds <= 0) {
			t.Errorf("%s on %d GB: %+v", c.architecture, c.free/1e9, p)
		}
		if p.Steps != r.Plan().Steps || p.Pairs != 8*c.batch || p.Config.BatchSize != c.batch || p.Config.AccumFreq != r.Config.AccumFreq {
			t.Errorf("another step: %+v", p)
		}
		if h := p.Duration(0) - p.EpochDuration()*3; h.Abs() > time.Second {
			t.Errorf("%v in all, %v an epoch", p.Duration(0), p.EpochDuration())
		}
	}
	r := flickr(t, "ViT-B-16", 128, 0) // a card: its memory is not known
	if p := r.Fit(); !p.Fits || p.Config.MicroBatch != 0 {
		t.Error(p)
	}
	r.Peak = 0
	if p := r.Fit(); p.Seconds != 0 || strings.Contains(p.String(), "about 0") {
		t.Error(p)
	}
}

// A run of ViT-B-16 on two cores of this project's machine took 18 hours an epoch in steps of 128 pairs, at some 220 GFLOPS and texts of 20 tokens; the
// estimate is of that order. What was measured replaces it, and corrects that of other parts.
func TestEstimateAndMeasurement(t *testing.T) {
	r := flickr(t, "ViT-B-16", 128, 21e9)
	r.Config.WorldSize, r.Peak = 0, 350
	p := r.Fit()
	if h := p.EpochDuration().Hours(); h < 9 || h > 36 || !strings.Contains(p.Source, "estimated") {
		t.Errorf("%.1f h, %s", h, p.Source)
	}
	if more := p.Config; true {
		more.FreezeVision = true
		if f := r.with(more, tight); f.Seconds >= p.Seconds {
			t.Errorf("with a frozen tower %v s, without %v", f.Seconds, p.Seconds)
		}
		more.FreezeVision, more.Recompute = false, true
		if f := r.with(more, tight); f.Seconds <= p.Seconds {
			t.Errorf("computed twice %v s, once %v", f.Seconds, p.Seconds)
		}
	}
	r.Config = p.Config
	var rows []experiment.Row
	for step := range 12 {
		rows = append(rows, experiment.Row{Kind: "train", Step: step + 1, BatchTime: 256})
	}
	rows[0].BatchTime = 900 // it compiled
	r.Learn(rows)
	if p = r.Plan(); p.Seconds != 256 || p.Source != measured || !strings.Contains(p.String(), "at 4m16s, 3d10h an epoch (measured on this machine)") {
		t.Errorf("%v s, %s", p.Seconds, p)
	}
	other := inParts(r.Config, 4)
	if f := r.with(other, tight); f.Seconds < 200 || f.Seconds > 400 || !strings.Contains(f.Source, "other parts") {
		t.Errorf("other parts: %v s, %s", f.Seconds, f.Source)
	}
}

// tiny is a model of the fixtures with its data.
func tiny(t *testing.T, kind string) (*model.Model, dataset.Source, train.Config) {
	t.Helper()
	m := modeltest.Tiny(t, "cpu:go", kind)
	data, err := dataset.Open(golden.Path("e2e"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { data.Close() })
	c := train.Default(m.Config)
	c.Name, c.BatchSize, c.AccumFreq, c.MaxSteps, c.Workers = kind, 2, 2, 3, 1
	return m, data.Train, c
}

// A probe measures, and neither the model nor what is trained after it differs in a bit: BatchNorm's statistics, dropout, masks, LoRA.
func TestProbeChangesNothing(t *testing.T) {
	for _, c := range []struct {
		what, kind string
		change     func(*train.Config)
	}{
		{"vit", "vit", func(c *train.Config) { c.MaskRatio = 0.3 }},
		{"rn", "rn", nil},
		{"lora", "vit", func(c *train.Config) { c.LoRARank, c.LoRAAlpha = 2, 2 }},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			var ended [2][]float32
			for i := range ended {
				m, source, cfg := tiny(t, c.kind)
				m.Config.TextDropout = 0.1
				if c.change != nil {
					c.change(&cfg)
				}
				if i == 1 {
					before, sum := modeltest.AllValues(t, m), fingerprint(t, m)
					r := On(m.Device, m.Config, cfg, len(dataset.Pairs(source)), Tokens(source, cfg))
					if err := r.Probe(t.Context(), m, cfg); err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(before, modeltest.AllValues(t, m)) || fingerprint(t, m) != sum {
						t.Error("the probe moved the model")
					}
					if p := r.Plan(); p.Source != measured || p.Seconds <= 0 {
						t.Errorf("%+v", p)
					}
				}
				run, err := experiment.Open(t.TempDir(), cfg.Name, cfg, time.Now)
				if err != nil {
					t.Fatal(err)
				}
				job := train.Job{Model: m, Train: source, Config: cfg, Run: run}
				err = job.Do(t.Context())
				run.Close()
				if err != nil {
					t.Fatal(err)
				}
				ended[i] = modeltest.AllValues(t, m)
			}
			if !slices.Equal(ended[0], ended[1]) {
				t.Error("a run after a probe ends in other bits")
			}
		})
	}
}

func fingerprint(t *testing.T, m *model.Model) string {
	t.Helper()
	sum, err := m.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// A run of minutes begins without a word; one of hours is measured first, is told in a line, and again from where it stands.
func TestAnnounce(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	m, source, c := tiny(t, "vit")
	announce := func(c train.Config, dir string) (said []string) {
		after, err := Announce(t.Context(), m, source, c, dir, 1, func(line string) { said = append(said, line) })
		if err != nil {
			t.Fatal(err)
		}
		after()
		return said
	}
	c.MaxSteps = 1
	if said := announce(c, t.TempDir()); len(said) > 0 {
		t.Error(said)
	}
	c.MaxSteps = 1_000_000_000
	said := announce(c, t.TempDir())
	if len(said) < 2 || !strings.Contains(said[0], "measuring how fast") || !strings.Contains(said[1], "1000000000 steps of 4 pairs at ") || !strings.Contains(said[1], measured) {
		t.Errorf("%q", said)
	}
	if again := announce(c, t.TempDir()); len(again) == 0 || strings.Contains(again[0], "measuring") {
		t.Errorf("it is measured again: %q", again)
	}
	run, err := experiment.Open(t.TempDir(), "begun", c, time.Now)
	if err == nil {
		err = run.Append(experiment.Row{Kind: "train", Step: 900_000_000})
		run.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if said = announce(c, run.Dir); len(said) < 2 || !strings.Contains(said[1], "900000000 steps are done; the other 100000000 take about ") {
		t.Errorf("%q", said)
	}
}

// A device says what a plan asks of it.
func TestOn(t *testing.T) {
	dev, err := device.Open("cpu:go")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	cfg, err := arch.Lookup("emoji")
	if err != nil {
		t.Fatal(err)
	}
	r := On(dev, cfg, train.Default(cfg), 100, 16)
	if r.Kind != "cpu" || r.Devices != 1 || !strings.HasSuffix(r.Machine, " / go") || r.Peak <= 0 {
		t.Errorf("%+v", r)
	}
}
