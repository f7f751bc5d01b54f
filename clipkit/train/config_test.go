package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/internal/golden"
)

func TestParseConfig(t *testing.T) {
	defaults := Default(golden.Config(t, "vit"))
	c, err := ParseConfig([]byte(`{"name": "mine", "batch_size": 128, "trim_text": false, "crop_scale": [0.5, 1]}`), defaults)
	want := defaults
	want.Name, want.BatchSize, want.TrimText, want.CropScale = "mine", 128, false, [2]float64{0.5, 1}
	if err != nil || c != want {
		t.Errorf("%+v, %v", c, err)
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseConfig(b, Config{}); err != nil || again != c {
		t.Errorf("written and read again: %+v, %v", again, err)
	}
	for text, part := range map[string]string{
		`{"batchsize": 3}`:       `unknown field "batchsize"`,
		`{"batch_size": "many"}`: "batch_size",
		`{} {}`:                  "follows",
		`{`:                      "EOF",
	} {
		if _, err := ParseConfig([]byte(text), defaults); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want an error with %q", text, err, part)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"name": "x", "lr": 1e-4}`))
	f.Add([]byte(`{"crop_scale": [1, 2, 3]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseConfig(b, Config{})
		if err != nil {
			return
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseConfig(text, Config{}); err != nil || again != c {
			t.Errorf("%s: %+v, %v", text, again, err)
		}
	})
}

// Each bad setting is named.
func TestBadSettings(t *testing.T) {
	cfg := golden.Config(t, "vit")
	if err := Default(cfg).Check(cfg); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*Config){
		"name":                   func(c *Config) { c.Name = "a/b" },
		"batch_size":             func(c *Config) { c.BatchSize = 1 },
		"max_epochs":             func(c *Config) { c.MaxEpochs = 0 },
		"lr":                     func(c *Config) { c.LR = math.NaN() },
		"warmup":                 func(c *Config) { c.Warmup = -1 },
		"layer_lr_decay":         func(c *Config) { c.LayerDecay = 1.1 },
		"beta1":                  func(c *Config) { c.Beta2 = 1 },
		"eps":                    func(c *Config) { c.Epsilon = 0 },
		"weight_decay":           func(c *Config) { c.WeightDecay = -1 },
		"loss is":                func(c *Config) { c.Loss = "triplet" },
		"siglip_bias":            func(c *Config) { c.SigLIPBias = math.NaN() },
		"kd_loss_weight":         func(c *Config) { c.KDLossWeight = math.Inf(1) },
		"accum_freq":             func(c *Config) { c.AccumFreq = -1 },
		"mask_ratio":             func(c *Config) { c.MaskRatio = 0.99 },
		"lora_rank":              func(c *Config) { c.LoRARank = 1000 },
		"lora_alpha is 0":        func(c *Config) { c.LoRARank = 4 },
		"lora_alpha is 4":        func(c *Config) { c.LoRAAlpha = 4 },
		"loss is siglip":         func(c *Config) { c.Loss, c.LoRARank, c.LoRAAlpha = "siglip", 4, 4 },
		"context_length":         func(c *Config) { c.ContextLength = 1000 },
		"augment":                func(c *Config) { c.Augment = "heavy" },
		"crop_scale":             func(c *Config) { c.Augment, c.CropScale = "crop", [2]float64{0, 1} },
		"log_interval":           func(c *Config) { c.LogInterval = -1 },
		"save_step_interval":     func(c *Config) { c.SaveStepInterval = -1 },
		"best_metric":            func(c *Config) { c.BestMetric = "luck" },
		"patience":               func(c *Config) { c.Patience = 3 },
		"spike_factor":           func(c *Config) { c.SpikeFactor = 1 },
		"reset_optimizer":        func(c *Config) { c.ResetOptimizer = true },
		"workers":                func(c *Config) { c.Workers = 0 },
		"valid_batch_size":       func(c *Config) { c.ValidBatchSize = 1 },
		"keep_checkpoints is -1": func(c *Config) { c.KeepCheckpoints = -1 },
	} {
		c := Default(cfg)
		change(&c)
		if err := c.Check(cfg); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// A step gets every setting that it has a field for.
func TestStepGetsItsSettings(t *testing.T) {
	c := Config{}
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() { // a different value for each
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(fmt.Sprint("value ", i))
		case reflect.Int:
			f.SetInt(int64(i + 1))
		case reflect.Uint64:
			f.SetUint(uint64(i + 1))
		case reflect.Float64:
			f.SetFloat(float64(i + 1))
		case reflect.Bool:
			f.SetBool(true)
		}
	}
	got := reflect.ValueOf(c.step())
	for i := range got.NumField() {
		name := got.Type().Field(i).Name
		if name == "Parts" { // of batch_size and micro_batch
			if got.Field(i).Int() != int64(c.parts()) {
				t.Errorf("step.Config.Parts is %v", got.Field(i))
			}
			continue
		}
		if want := v.FieldByName(name); !want.IsValid() || got.Field(i).Interface() != want.Interface() {
			t.Errorf("step.Config.%s is %v", name, got.Field(i))
		}
	}
}

// doc.go's table names every flag of the reference (cn_clip/training/params.py) and, for each that is a setting, its key; every setting is in it or among the additions.
func TestEveryFlagHasItsPlace(t *testing.T) {
	b, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	for _, flag := range strings.Fields(`train-data val-data num-workers valid-num-workers logs name log-interval report-training-batch-acc batch-size
		valid-batch-size max-steps max-epochs valid-step-interval valid-epoch-interval context-length lr beta1 beta2 eps wd warmup use-bn-sync use-augment
		skip-scheduler save-epoch-frequency save-step-frequency resume reset-optimizer reset-data-offset precision vision-model mask-ratio clip-weight-path
		freeze-vision text-model bert-weight-path grad-checkpointing use-flash-attention accum-freq gather-with-grad skip-aggregate debug seed distillation
		teacher-model-name kd_loss_weight`) {
		if !strings.Contains(doc, "--"+flag+" ") {
			t.Errorf("doc.go has no --%s", flag)
		}
	}
	fields := reflect.TypeFor[Config]()
	for i := range fields.NumField() {
		if key, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ","); !slices.Contains(strings.FieldsFunc(doc, func(r rune) bool { return strings.ContainsRune(" \t\n,;", r) }), key) {
			t.Errorf("doc.go does not mention %s", key)
		}
	}
}

func TestSkipScheduler(t *testing.T) {
	c := Config{LR: 1, Warmup: 4, SkipScheduler: true}
	for s, want := range map[int]float64{0: 0.25, 3: 1, 4: 1, 99: 1} {
		if got := c.learningRate(s, 100); got != want {
			t.Errorf("step %d: %v, want %v", s, got, want)
		}
	}
	c.SkipScheduler = false
	if got := c.learningRate(52, 100); math.Abs(got-0.5) > 1e-12 {
		t.Errorf("with a schedule: %v, want 0.5", got)
	}
}

func TestNotices(t *testing.T) {
	c := Config{BatchSize: 48, LR: 5e-5}
	if lines := strings.Join(c.notices(500, true), "\n"); !strings.Contains(lines, "lr 5e-05 with 48 pairs") || !strings.Contains(lines, "500 pairs are few") {
		t.Errorf("%q", lines)
	}
	c = Config{BatchSize: 128, AccumFreq: 8, LR: 5e-5}
	if lines := c.notices(1e6, true); len(lines) > 0 {
		t.Errorf("%q", lines)
	}
	if lines := (Config{BatchSize: 48, LR: 1e-3}).notices(500, false); len(lines) > 0 {
		t.Errorf("of a new model: %q", lines)
	}
}
