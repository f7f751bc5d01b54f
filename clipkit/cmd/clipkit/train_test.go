package main

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/recipe"
	"clipnb/clipkit/train"
)

// parsed are the flags of a command line behind "train".
func parsed(t *testing.T, args ...string) *trainFlags {
	t.Helper()
	f := new(trainFlags)
	c := f.command()
	eitherSpelling(c.Flags())
	if err := c.ParseFlags(args); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return f
}

// Every field of the settings has a flag, which sets it and nothing else.
func TestEverySettingIsAFlag(t *testing.T) {
	values := map[reflect.Kind]string{reflect.String: "siglip", reflect.Int: "7", reflect.Uint64: "7", reflect.Float64: "0.25", reflect.Bool: "true", reflect.Array: "0.25,0.75"}
	fields := reflect.VisibleFields(reflect.TypeFor[train.Config]())
	for i, field := range fields {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if i >= len(trainFields) || trainFields[i].key != key {
			t.Fatalf("field %s, %q, has no flag: trainFields lists them in the order of the struct", field.Name, key)
		}
		cfg, err := parsed(t, "--"+trainFields[i].name()+"="+values[field.Type.Kind()]).config.over(train.Config{})
		if err != nil {
			t.Fatal(key, err)
		}
		for k, other := range fields {
			if set := !reflect.ValueOf(cfg).FieldByIndex(other.Index).IsZero(); set != (k == i) {
				t.Errorf("--%s: %s is %v", trainFields[i].name(), other.Name, reflect.ValueOf(cfg).FieldByIndex(other.Index))
			}
		}
	}
	if len(trainFields) != len(fields) {
		t.Errorf("%d flags for %d fields", len(trainFields), len(fields))
	}
}

// What the reference spells otherwise.
func TestSpellingsOfTheReference(t *testing.T) {
	file := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(file, []byte(`{"lr": 0.25, "seed": 5, "augment": "crop"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := parsed(t, "--save-step-frequency=-1", "--valid-step-interval", "-1", "--num-workers=0", "--use_augment", "--wd", "1e-3", "--kd-loss-weight", "2", "--config", file, "--seed=6").
		config.over(train.Config{SaveStepInterval: 3, ValidStepInterval: 3})
	want := train.Config{Workers: 1, Augment: "reference", WeightDecay: 0.001, KDLossWeight: 2, LR: 0.25, Seed: 6}
	if err != nil || cfg != want {
		t.Errorf("%+v, %v", cfg, err)
	}
	for text, want := range map[string]string{"fp32": "f32", "amp": "amp", "bf16": "bf16"} {
		if cfg, err := parsed(t, "--precision", text).config.over(train.Config{}); err != nil || cfg.Precision != want {
			t.Errorf("--precision %s is %q, %v", text, cfg.Precision, err)
		}
	}
}

// script is what a script of Chinese-CLIP hands to its training program, as bash has it.
func script(t *testing.T, path, dataPath string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	launch := regexp.MustCompile(`(?s)python3 -m torch\.distributed\.launch .*cn_clip/training/main\.py`)
	if !launch.Match(text) {
		t.Fatalf("%s launches nothing", path)
	}
	cmd := exec.Command("bash", "-c", launch.ReplaceAllLiteralString(string(text), `printf '%s\n'`), path, dataPath)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// The reference's scripts, pasted as they are, give their recipes' settings.
func TestScriptsOfTheReference(t *testing.T) {
	recipes := map[string]string{
		"coco-cn_finetune_vit-b-16_rbt-base": "coco-cn/vit-b-16", "flickr30k_finetune_vit-b-16_rbt-base": "flickr30k/vit-b-16", "flickr30k_finetune_vit-b-16_rbt-base_flip": "flickr30k/vit-b-16/flip",
		"muge_finetune_vit-b-16_rbt-base": "muge/vit-b-16", "muge_finetune_vit-b-16_rbt-base_flip": "muge/vit-b-16/flip", "muge_finetune_vit-b-16_rbt-base_flashattn": "muge/vit-b-16/flashattn",
		"muge_finetune_vit-b-16_rbt-base_distillation": "muge/vit-b-16/distillation",
	}
	scripts, err := filepath.Glob("testdata/run_scripts/*.sh")
	if err != nil || len(scripts) != len(recipes) {
		t.Fatal(scripts, err)
	}
	for _, path := range scripts {
		name := strings.TrimSuffix(filepath.Base(path), ".sh")
		r, err := recipe.Find(recipes[name])
		if err != nil {
			t.Fatal(err)
		}
		f := parsed(t, append(script(t, path, "/data"), "-n", "8")...)
		model, err := arch.Lookup(r.Architecture)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.settings(model)
		if err == nil {
			err = f.check()
		}
		if err != nil || got.Resume != "/data/pretrained_weights/clip_cn_vit-b-16.pt" || f.trainData != "/data/datasets/"+r.Data+"/lmdb/train" || f.validData != "/data/datasets/"+r.Data+"/lmdb/valid" {
			t.Errorf("%s: %v, %+v", name, err, f)
		}
		if err := onlyWeights(&got); err != nil {
			t.Error(err)
		}
		want := r.Config
		want.Name = map[bool]string{true: "coco-cn_finetune_vit-b-16_roberta-base_bs1024_8gpu", false: r.Data + "_finetune_vit-b-16_roberta-base_bs128_8gpu"}[r.Data == "COCO-CN"]
		want.Name = strings.NewReplacer("Flickr30k-CN", "flickr30k", "MUGE", "muge").Replace(want.Name)
		want.SaveStepInterval = 999999 // "disable it"
		if want.ValidStepInterval == 0 {
			want.ValidStepInterval = 999999
		}
		got.WorldSize = f.ranks.processes // as Finetune settles it
		want.AccumFreq = 1
		if got != want {
			t.Errorf("%s:\n     %+v\nwant %+v", name, got, want)
		}
	}
}

// logged are the figures of a log's steps and validations, without its times and file names.
func logged(t *testing.T, path string) (lines []string, losses []float64) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	loss, times := regexp.MustCompile(`Loss: ([\d.]+)`), regexp.MustCompile(`^.*Rank 0 \| |(Data|Batch) Time: [\d.]+s \| `)
	for line := range strings.Lines(string(text)) {
		if m := loss.FindStringSubmatch(line); m != nil {
			v, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			lines, losses = append(lines, loss.ReplaceAllString(times.ReplaceAllString(line, ""), "Loss")), append(losses, v)
		}
	}
	return lines, losses
}

// The command lines with which the reference's end-to-end run was made (make_fixtures.py) log what it logged: two epochs, and a third from its own
// checkpoint.
func TestTrainAsTheReference(t *testing.T) {
	t.Parallel()
	const golden = "../../internal/golden/testdata"
	root, data := t.TempDir(), t.TempDir()
	for _, split := range []string{"train", "valid"} {
		for _, name := range []string{"_imgs.tsv", "_texts.jsonl"} {
			b, err := os.ReadFile(filepath.Join(golden, "e2e", split+name))
			if err == nil {
				err = os.WriteFile(filepath.Join(data, split+name), b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := command(t, "lmdb", "--data_dir", data, "--splits", "train,valid").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	common := []string{"train", "--train-data", data + "/lmdb/train", "--val-data", data + "/lmdb/valid", "--num-workers", "0", "--valid-num-workers", "0",
		"--logs", t.TempDir(), "--log-interval", "1", "--report-training-batch-acc", "--batch-size", "4", "--valid-batch-size", "4", "--context-length", "52", "--warmup", "2",
		"--lr", "5e-4", "--wd", "0.001", "--beta1", ".9", "--beta2", ".98", "--eps", "1e-6", "--precision", "fp32",
		"--vision-model", golden + "/tiny-vit.json", "--text-model", golden + "/tiny-text-e2e.json", "--device", "cpu:go"}
	for _, c := range []struct{ name, log, args string }{
		{"first", "run1.log", "--resume " + golden + "/e2e/init.pt --reset-optimizer --reset-data-offset --max-epochs 2 --save-epoch-frequency 2"},
		{"second", "run2_resumed.log", "--resume " + golden + "/e2e/epoch2.pt --max-epochs 3 --save-epoch-frequency 3"},
	} {
		cmd := command(t, append(common, append(strings.Fields(c.args), "--name", c.name)...)...)
		cmd.Env = append(cmd.Env, "CLIPKIT_ROOT="+root)
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		run := filepath.Join(root, "experiments", c.name)
		if err != nil || string(out) != run+"\n" {
			t.Fatalf("%v: %s%s", err, out, &said)
		}
		logs, err := filepath.Glob(filepath.Join(run, "out_*.log"))
		if err != nil || len(logs) != 1 {
			t.Fatal(logs, err)
		}
		lines, losses := logged(t, logs[0])
		wantLines, want := logged(t, filepath.Join(golden, "e2e", c.log))
		if !slices.Equal(lines, wantLines) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(lines, ""), strings.Join(wantLines, ""))
		}
		for i := range min(len(losses), len(want)) {
			if math.Abs(losses[i]-want[i]) > 1e-5*want[i]+1e-6 {
				t.Errorf("%s, line %d: loss %v, the reference has %v", c.name, i+1, losses[i], want[i])
			}
		}
	}
}

func TestWrongTrainCommandLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"", 2, "it takes a recipe or --train-data; recipes: emoji/finetune"},
		{"emoji/finetun", 2, `no such recipe: "emoji/finetun"`},
		{"own/emoji", 2, "it takes --train-data"},
		{"emoji/finetune more", 2, "at most one recipe"},
		{"emoji/finetune --precision fp16", 2, "take amp, or f16"},
		{"emoji/finetune --lr much", 2, `invalid argument "much" for "--lr"`},
		{"emoji/finetune --lr NaN", 2, "want a finite number"},
		{"emoji/finetune --distillation", 2, "--distillation and --teacher-model-name go together"},
		{"emoji/finetune --vision-model ViT-Z-1", 2, "ViT-B-16"},
		{"emoji/finetune --config no-such-file.json", 1, "no-such-file.json"},
		{"emoji/finetune --batch-size 1", 1, "batch_size is 1, want at least 2"},
		{"--train-data no-such-folder", 1, "no-such-folder"},
		{"emoji/finetune --resume no-such-model", 1, "no-such-model"},
		{"emoji/finetune --distillation --teacher-model-name damo/multi-modal_rleg-vit-large-patch14", 1, "ModelScope's models do not load"},
	} {
		cmd := command(t, append([]string{"train"}, strings.Fields(c.args)...)...)
		cmd.Env = append(cmd.Env, "CLIPKIT_ROOT="+t.TempDir())
		fails(t, cmd, c.status, c.says)
	}
}
