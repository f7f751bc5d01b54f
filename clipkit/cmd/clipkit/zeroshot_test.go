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
	t.Parallel()
	const fixtures, golden = "../../zeroshot/testdata/zeroshot", "../../internal/golden/testdata"
	out := t.TempDir()
	// The line of the reference's run_scripts/zeroshot_eval.sh.
	line := func(index, vision, text string) []string {
		return append([]string{"zeroshot"}, pasted(`
    --datapath="${datapath}" \
    --label-file=${label_file} \
    --save-dir=${savedir} \
    --dataset=${dataset} \
    --index=${index} \
    --img-batch-size=64 \
    --resume=${resume} \
    --vision-model=${vision_model} \
    --text-model=${text_model}`, map[string]string{
			"datapath": fixtures + "/test", "label_file": fixtures + "/label_cn.txt", "savedir": out, "dataset": "country211", "index": index,
			"resume": golden + "/vit/init.pt", "vision_model": vision, "text_model": text})...)
	}
	fails(t, command(t, line("", "ViT-B-16", "RoBERTa-wwm-ext-base-chinese")...), 1, "init.pt") // its tensors are not those of a ViT-B-16
	text, err := command(t, append(line(fixtures+"/index.json", golden+"/tiny-vit.json", golden+"/tiny-text.json"), "--templates", fixtures+"/templates.json")...).CombinedOutput()
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
	fails(t, command(t, "zeroshot"), 2, "one folder")
	fails(t, command(t, "zeroshot", "--precision", "int8", fixtures), 2, "amp, fp32 or fp16")
	fails(t, command(t, "zeroshot", "--vision-model", "ViT-Z-1", fixtures), 2, "ViT-B-16")
	fails(t, command(t, "zeroshot", "--template-set", "food_templates", fixtures), 2, "-templates")
	fails(t, command(t, "zeroshot", "--index", "i.json", fixtures), 2, "-save-dir")
	fails(t, command(t, "zeroshot", "--label-file", "../../zeroshot/testdata/broken/labels-blank-line.txt", fixtures), 1, ":2: blank line")
	fails(t, command(t, "zeroshot", "no-such-folder"), 1, "no-such-folder")
}
