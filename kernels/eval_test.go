package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The reference's tools in their order, on the reference's own files: every file comes out as theirs, but for the last digits of features.
func TestExtractTopKScore(t *testing.T) {
	dir := t.TempDir()
	fixtures, golden := "../clipkit/eval/testdata/retrieval", "../clipkit/internal/golden/testdata"
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
		if out, err := kernelsCommand(t, args...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	same := func(name, want string) {
		t.Helper()
		got, err := os.ReadFile(filepath.Join(dir, name))
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
	at := func(name string) string { return filepath.Join(dir, name) }

	copyFile(fixtures+"/train_texts.jsonl", "train_texts.jsonl")
	run("invert", "--input", at("train_texts.jsonl"))
	same("train_texts.tr.jsonl", "train_texts.tr.jsonl")
	model := []string{"extract", "--device", "cpu:go", "--resume", golden + "/vit/init.pt", "--vision-model", golden + "/tiny-vit.json", "--text-model", golden + "/tiny-text.json",
		"--image-data", "../clipkit/dataset/testdata/lmdb/train/imgs", "--text-data", at("train_texts.jsonl"), "--precision", "fp32"}
	run(append(model, "--extract-text-feats")...)
	if _, err := os.Stat(at("train_imgs.img_feat.jsonl")); err == nil {
		t.Error("features of pictures were not asked for")
	}
	run(append(model, "--extract-image-feats")...) // from what the first call kept
	feats := []string{"--image-feats", at("train_imgs.img_feat.jsonl"), "--text-feats", at("train_texts.txt_feat.jsonl")}
	run(append([]string{"topk", "--top-k", "10", "--output", at("predictions")}, feats...)...)
	same("predictions", "train_predictions.jsonl")
	run(append([]string{"topk", "-tr", "--output", at("tr_predictions")}, feats...)...)
	same("tr_predictions", "train_tr_predictions.jsonl")
	run("score", at("train_texts.jsonl"), at("predictions"), at("score"))
	same("score", "train_score.json")
	run("score", "-tr", at("train_texts.tr.jsonl"), at("tr_predictions"), at("score"))
	same("score", "train_tr_score.json")

	kept, err := filepath.Glob(at("train-*.features.safetensors"))
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	run("topk", "-image-feats", kept[0], "-text-feats", kept[0], "-output", at("binary"))
	same("binary", "train_predictions.jsonl")

	// A refused file is the reference's JSON and our exit status.
	fails(t, kernelsCommand(t, "score", fixtures+"/synthetic/texts.jsonl", fixtures+"/synthetic/bad/wrong_count.jsonl", at("score")), 1, "wrong_count.jsonl:1: Text_id 500 has wrong number")
	same("score", "synthetic/bad/wrong_count.score.json")

	fails(t, kernelsCommand(t, "extract", "-resume", "emoji"), 2, "_texts.jsonl")
	fails(t, kernelsCommand(t, "extract", "-resume", "emoji", "-text-data", at("train_texts.jsonl"), "-precision", "int8"), 2, "fp16")
	fails(t, kernelsCommand(t, "topk", "-output", at("x")), 2, "-image-feats")
	fails(t, kernelsCommand(t, "topk", "-output", at("x"), "-image-feats", at("train_texts.txt_feat.jsonl"), "-text-feats", at("x")), 1, "other side")
	fails(t, kernelsCommand(t, "score", "-tr"), 2, "the predictions")
	fails(t, kernelsCommand(t, "invert"), 2, "-input")
}
