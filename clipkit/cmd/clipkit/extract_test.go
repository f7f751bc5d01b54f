package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The reference's tools in their order, on the reference's own files: every file comes out as theirs, but for the last digits of features.
func TestExtractTopKScore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fixtures, golden := "../../eval/testdata/retrieval", "../../internal/golden/testdata"
	at := func(name string) string { return filepath.Join(dir, "datasets", "MUGE", name) }
	copyFile := func(from, to string) {
		t.Helper()
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) {
		t.Helper()
		if out, err := command(t, args...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	same := func(name, want string) {
		t.Helper()
		got, err := os.ReadFile(at(name))
		if err != nil {
			t.Fatal(err)
		}
		expected, err := os.ReadFile(filepath.Join(fixtures, want))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, expected) {
			t.Errorf("%s is not %s:\n%s", name, want, got)
		}
	}

	// The lines of the reference's README, from extraction to both scores.
	data := filepath.Join(dir, "datasets", "MUGE")
	if err := os.CopyFS(filepath.Join(data, "lmdb"), os.DirFS("../../dataset/testdata/lmdb")); err != nil {
		t.Fatal(err)
	}
	copyFile(fixtures+"/train_texts.jsonl", "datasets/MUGE/train_texts.jsonl")
	variables := map[string]string{"DATAPATH": dir, "dataset_name": "MUGE", "split": "train", "resume": golden + "/vit/init.pt"}
	const extract = `
    --image-data="${DATAPATH}/datasets/${dataset_name}/lmdb/${split}/imgs" \
    --text-data="${DATAPATH}/datasets/${dataset_name}/${split}_texts.jsonl" \
    --img-batch-size=32 \
    --text-batch-size=32 \
    --context-length=52 \
    --resume=${resume} \
    --vision-model=ViT-B-16 \
    --text-model=RoBERTa-wwm-ext-base-chinese`
	both := append([]string{"extract", "--device", "cpu:go", "--extract-image-feats", "--extract-text-feats"}, pasted(extract, variables)...)
	fails(t, command(t, both...), 1, "init.pt") // its tensors are not those of a ViT-B-16
	tiny := strings.NewReplacer("ViT-B-16", golden+"/tiny-vit.json", "RoBERTa-wwm-ext-base-chinese", golden+"/tiny-text.json").Replace(extract)
	model := append([]string{"extract", "--device", "cpu:go", "--precision", "fp32", "--debug"}, pasted(tiny, variables)...)
	run(append(model, "--extract-text-feats")...)
	if _, err := os.Stat(at("train_imgs.img_feat.jsonl")); err == nil {
		t.Error("features of pictures were not asked for")
	}
	run(append(model, "--extract-image-feats")...) // from what the first call kept
	const feats = `
    --image-feats="${DATAPATH}/datasets/${dataset_name}/${split}_imgs.img_feat.jsonl" \
    --text-feats="${DATAPATH}/datasets/${dataset_name}/${split}_texts.txt_feat.jsonl" \
    --top-k=10 \
    --eval-batch-size=32768 \
`
	topk := pasted(feats+`    --output="${DATAPATH}/datasets/${dataset_name}/${split}_predictions.jsonl"`, variables)
	run(append([]string{"topk"}, topk...)...)
	same("train_predictions.jsonl", "train_predictions.jsonl")
	topk = pasted(feats+`    --output="${DATAPATH}/datasets/${dataset_name}/${split}_tr_predictions.jsonl"`, variables)
	run(append([]string{"topk", "--tr"}, topk...)...)
	same("train_tr_predictions.jsonl", "train_tr_predictions.jsonl")
	variables["output"] = at("output.json")
	run(append([]string{"score"}, pasted(`
        ${DATAPATH}/datasets/${dataset_name}/${split}_texts.jsonl \
        ${DATAPATH}/datasets/${dataset_name}/${split}_predictions.jsonl \
        ${output}`, variables)...)...)
	same("output.json", "train_score.json")
	run(append([]string{"invert"}, pasted(`
        --input ${DATAPATH}/datasets/${dataset_name}/${split}_texts.jsonl`, variables)...)...)
	same("train_texts.tr.jsonl", "train_texts.tr.jsonl")
	run(append([]string{"score", "--tr"}, pasted(`
        ${DATAPATH}/datasets/${dataset_name}/${split}_texts.tr.jsonl \
        ${DATAPATH}/datasets/${dataset_name}/${split}_tr_predictions.jsonl \
        ${output}`, variables)...)...)
	same("output.json", "train_tr_score.json")

	kept, err := filepath.Glob(at("train-*.features.safetensors"))
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	run("topk", "--image-feats", kept[0], "--text-feats", kept[0], "--output", at("binary"))
	same("binary", "train_predictions.jsonl")

	// With all outputs elsewhere the folder of the data stays as it is, so it may be read-only.
	names := func() []string {
		t.Helper()
		var all []string
		if err := filepath.WalkDir(data, func(path string, _ os.DirEntry, err error) error {
			all = append(all, path)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	before, elsewhere := names(), t.TempDir()
	images, texts := filepath.Join(elsewhere, "x_imgs.img_feat.jsonl"), filepath.Join(elsewhere, "x_texts.txt_feat.jsonl")
	run(append(model, "--extract-text-feats", "--text-feat-output-path", texts)...)
	run(append(model, "--image-feat-output-path", images, "--text-feat-output-path", texts)...)
	if after := names(); !slices.Equal(after, before) {
		t.Errorf("%q is now %q", before, after)
	}
	if kept, err := filepath.Glob(filepath.Join(elsewhere, "x-*.features.safetensors")); err != nil || len(kept) != 1 {
		t.Error(kept, err)
	}
	for path, was := range map[string]string{images: at("train_imgs.img_feat.jsonl"), texts: at("train_texts.txt_feat.jsonl")} {
		a, errA := os.ReadFile(path)
		b, errB := os.ReadFile(was)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is not %s: %v, %v", path, was, errA, errB)
		}
	}

	// A refused file is the reference's JSON and our exit status.
	fails(t, command(t, "score", fixtures+"/synthetic/texts.jsonl", fixtures+"/synthetic/bad/wrong_count.jsonl", at("score")), 1, "wrong_count.jsonl:1: Text_id 500 has wrong number")
	same("score", "synthetic/bad/wrong_count.score.json")

	fails(t, command(t, "extract", "--resume", "emoji"), 2, "_texts.jsonl")
	fails(t, command(t, "extract", "--resume", "emoji", "--text-data", at("train_texts.jsonl"), "--precision", "int8"), 2, "fp16")
	fails(t, command(t, "topk", "--output", at("x")), 2, "-image-feats")
	fails(t, command(t, "topk", "--output", at("x"), "--image-feats", at("train_texts.txt_feat.jsonl"), "--text-feats", at("x")), 1, "other side")
	fails(t, command(t, "score", "--tr"), 2, "the predictions")
	fails(t, command(t, "invert"), 2, "-input")
}
