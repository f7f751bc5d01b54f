package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The command prints what the reference printed and writes its file, with the same model, pictures, labels and templates.
func TestZeroShotAsTheReference(t *testing.T) {
	const fixtures, golden = "../clipkit/zeroshot/testdata/zeroshot", "../clipkit/internal/golden/testdata"
	out := t.TempDir()
	text, err := kernelsCommand(t, "zeroshot", "-resume", golden+"/vit/init.pt", "-vision-model", golden+"/tiny-vit.json", "-text-model", golden+"/tiny-text.json",
		"-label-file", fixtures+"/label_cn.txt", "-templates", fixtures+"/templates.json", "-dataset", "country211", "-index", fixtures+"/index.json",
		"-save-dir", out, "--datapath", fixtures+"/test").CombinedOutput()
	if err != nil || !strings.HasSuffix(string(text), "\nzeroshot-top1: 0.26666666666666666\n") {
		t.Fatalf("%v: %s", err, text)
	}
	type file struct {
		Model       string        `json:"model_name"`
		Params      int           `json:"num_params"`
		Predictions [][][]float64 `json:"predictions"`
	}
	var got, want file
	for path, v := range map[string]*file{filepath.Join(out, "country211.json"): &got, fixtures + "/out/country211.json": &want} {
		b, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(b, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got.Model != want.Model || got.Params != want.Params || len(got.Predictions) != 1 || len(got.Predictions[0]) != 15 {
		t.Fatalf("%+v", got)
	}
	for i, row := range want.Predictions[0] {
		for k, p := range row {
			if d := got.Predictions[0][i][k] - p; d > 1e-5 || d < -1e-5 {
				t.Errorf("picture %d, class %d: %g, the reference has %g", i, k, got.Predictions[0][i][k], p)
			}
		}
	}
	fails(t, kernelsCommand(t, "zeroshot"), 2, "one folder")
	fails(t, kernelsCommand(t, "zeroshot", "-precision", "int8", fixtures), 2, "amp, fp32 or fp16")
	fails(t, kernelsCommand(t, "zeroshot", "-vision-model", "ViT-Z-1", fixtures), 2, "ViT-B-16")
	fails(t, kernelsCommand(t, "zeroshot", "-template-set", "food_templates", fixtures), 2, "-templates")
	fails(t, kernelsCommand(t, "zeroshot", "-index", "i.json", fixtures), 2, "-save-dir")
	fails(t, kernelsCommand(t, "zeroshot", "-label-file", "../clipkit/zeroshot/testdata/broken/labels-blank-line.txt", fixtures), 1, ":2: blank line")
	fails(t, kernelsCommand(t, "zeroshot", "no-such-folder"), 1, "no-such-folder")
}
