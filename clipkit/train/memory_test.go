package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/model"
	"clipnb/clipkit/train/memory"
)

var measure = flag.Bool("measure", false, "measure the memory of full-size steps on cpu:xla, for minutes and up to 12 GB")

// memoryCase is a configuration whose memory is measured.
type memoryCase struct {
	Model  string
	Batch  int
	Change func(*Config)
	What   string
	GB     float64 // as measured on 2 cores of Zen 5; the size of pages and the number of threads matter a little.
}

var memoryCases = []memoryCase{
	{"ViT-B-16", 4, func(c *Config) {}, "", 4.46},
	{"ViT-B-16", 8, func(c *Config) {}, "", 5.12},
	{"ViT-B-16", 16, func(c *Config) {}, "", 6.69},
	{"ViT-B-16", 4, func(c *Config) { c.WorldSize, c.AccumFreq = 2, 4 }, "2 ranks, accum 4", 5.43},
	{"ViT-B-16", 16, func(c *Config) { c.Recompute = true }, "grad_checkpointing", 5.06},
	{"ViT-B-16", 8, func(c *Config) { c.FreezeVision = true }, "freeze_vision", 2.90},
	{"ViT-B-16", 8, func(c *Config) { c.LoRARank, c.LoRAAlpha = 8, 8 }, "lora", 3.92},
	{"RN50", 16, func(c *Config) {}, "", 6.10},
	{"emoji", 128, func(c *Config) {}, "", 1.18},
	{"ViT-H-14", 8, func(c *Config) { c.FreezeVision = true }, "freeze_vision", 9.20},
	{"ViT-H-14", 32, func(c *Config) { c.FreezeVision = true }, "freeze_vision", 12.44},
}

// photographs has n pairs of one JPEG of 500×375, the size of Flickr30k's, and captions of about the length of Flickr30k-CN's.
type photographs struct {
	n    int
	jpeg []byte
}

func newPhotographs(n int) (photographs, error) {
	m := image.NewRGBA(image.Rect(0, 0, 500, 375))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range m.Pix {
		m.Pix[i] = uint8(i/(500*8)) + uint8(rng.IntN(24))
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 90})
	return photographs{n, b.Bytes()}, err
}

func (s photographs) Name() string                { return "photographs" }
func (s photographs) Close() error                { return nil }
func (s photographs) Image(int64) ([]byte, error) { return bytes.Clone(s.jpeg), nil }
func (s photographs) ImageIDs() (ids []int64) {
	for i := range s.n {
		ids = append(ids, int64(i))
	}
	return ids
}
func (s photographs) Texts() (texts []dataset.Text) {
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range s.n {
		length := 8 + rng.IntN(16)
		if i%32 == 0 {
			length = 25 + rng.IntN(15)
		}
		text := make([]rune, length)
		for k := range text {
			text[k] = []rune("一只红色的猫在草地上跑两个人骑着自行车穿过街道")[rng.IntN(23)]
		}
		texts = append(texts, dataset.Text{ID: int64(i), Text: string(text), ImageIDs: []int64{int64(i)}})
	}
	return texts
}

// memoryChild makes a run of the case in the environment, of two steps, a validation and a save, and prints the largest resident size of the process, in
// bytes. To standard error it says how far that had come after each.
func memoryChild() error {
	i, err := strconv.Atoi(os.Getenv("CLIPKIT_MEMORY_CASE"))
	if err != nil {
		return err
	}
	c := memoryCases[i]
	cfg, err := arch.Lookup(c.Model)
	if err != nil {
		return err
	}
	dev, err := device.Open("cpu:xla")
	if err != nil {
		return err
	}
	m, err := model.New(cfg, dev)
	if err != nil {
		return err
	}
	if err := m.Init(1); err != nil {
		return err
	}
	settings := c.settings(cfg)
	data, err := newPhotographs(2 * settings.perStep())
	if err != nil {
		return err
	}
	root, err := os.MkdirTemp("", "clipkit-memory-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	run, err := experiment.Open(root, settings.Name, settings, time.Now)
	if err != nil {
		return err
	}
	defer run.Close()
	largest := func(what string) int64 {
		peak, now := residentSize()
		fmt.Fprintf(os.Stderr, "%s: largest %.2f GB, now %.2f GB\n", what, float64(peak)/1e9, float64(now)/1e9)
		return peak
	}
	largest("model")
	job := Job{Model: m, Train: data, Config: settings, Run: run, Memory: -1, Say: func(line string) { largest(line) }, Progress: func(p Progress) { largest(fmt.Sprintf("step %d, %s", p.Row.Step, p.Row.Kind)) }}
	valid := photographs{64, data.jpeg}
	job.Validate = func(ctx context.Context) (experiment.Row, error) {
		return eval.Validate(ctx, exchange.Alone, m, valid, eval.Validation{ContextLength: settings.ContextLength, BatchSize: settings.ValidBatchSize, Seed: settings.Seed})
	}
	if err := job.Do(context.Background()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(largest("saved"))
}

func (c memoryCase) settings(cfg arch.Config) Config {
	settings := Default(cfg)
	settings.BatchSize, settings.MaxSteps = c.Batch, 2
	c.Change(&settings)
	return settings
}

// residentSize of this process, the largest so far and now.
func residentSize() (peak, now int64) {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		name, kb, _ := strings.Cut(line, ":")
		n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 10, 64)
		switch name {
		case "VmHWM":
			peak = 1024 * n
		case "VmRSS":
			now = 1024 * n
		}
	}
	return peak, now
}

// The estimate is within memory.Error of the peak of a run, as it was measured here, or with -measure is now.
// fault 31
func TestMemoryEstimate(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range memoryCases {
		cfg, err := arch.Lookup(c.Model)
		if err != nil {
			t.Fatal(err)
		}
		settings := c.settings(cfg)
		got := float64(EstimateMemory(cfg, settings)) / 1e9
		want := c.GB
		if *measure {
			cmd := exec.Command(exe)
			cmd.Env = append(os.Environ(), childEnv+"=memory", "CLIPKIT_MEMORY_CASE="+strconv.Itoa(i))
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("%s %d %s: %v: %s", c.Model, c.Batch, c.What, err, errs.String())
				continue
			}
			n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			want = float64(n) / 1e9
		}
		t.Logf("%s, batch %d %s: estimate %.2f GB, measured %.2f GB (%+.0f %%)", c.Model, c.Batch, c.What, got, want, 100*(got/want-1))
		if math.Abs(got/want-1) > memory.Error {
			t.Errorf("%s, batch %d %s: the estimate is off by more than %.0f %%", c.Model, c.Batch, c.What, 100*memory.Error)
		}
	}
}

// A run that cannot fit is refused with what would help; one that may not is warned of; neither on other devices.
// fault 31
func TestRunThatDoesNotFitIsRefused(t *testing.T) {
	cfg, err := arch.Lookup("ViT-B-16")
	if err != nil {
		t.Fatal(err)
	}
	c := Default(cfg)
	c.BatchSize = 32
	fits := func(free int64) (string, error) {
		said := ""
		j := Job{Model: &model.Model{Config: cfg, Device: &device.Device{Name: "cpu"}}, Config: c, Memory: free, Say: func(line string) { said += line }}
		return said, j.fitsMemory(1)
	}
	_, err = fits(6e9)
	if !errors.Is(err, ErrMemory) {
		t.Fatalf("32 pairs in 6 GB: %v", err)
	}
	for _, part := range []string{"ViT-B-16 with batch_size 32", "6.0 GB are free", "batch=4 (on the command line --micro-batch 4)", "FreezeVision = true (on the command line --freeze-vision)"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v, want %q", err, part)
		}
	}
	if _, err := fits(1e9); !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "smaller model") {
		t.Errorf("in 1 GB: %v", err)
	}
	for _, free := range []int64{200e9, -1} {
		if said, err := fits(free); said != "" || err != nil {
			t.Errorf("%d free: %q, %v", free, said, err)
		}
	}
}
