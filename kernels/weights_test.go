package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/weights"
)

func TestCheckAndLMDB(t *testing.T) {
	text, err := kernelsCommand(t, "check", "emoji").CombinedOutput()
	if err != nil || !strings.Contains(string(text), "train") {
		t.Errorf("%v: %s", err, text)
	}
	fails(t, kernelsCommand(t, "check"), 2, "one data set")
	fails(t, kernelsCommand(t, "check", "no-such-set"), 1, "no-such-set")
	fails(t, kernelsCommand(t, "lmdb", "no-such-folder"), 1, "no-such-folder")
}

func TestConvertAndFetch(t *testing.T) {
	out := filepath.Join(t.TempDir(), "emoji.pt")
	if text, err := kernelsCommand(t, "convert", "-half", "../assets/small/emoji.safetensors", out).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	f, cfg, err := weights.OpenModel(out)
	if err != nil || cfg.Name != "emoji" {
		t.Fatal(cfg.Name, err)
	}
	f.Close()
	fails(t, kernelsCommand(t, "convert", "-half", out), 2, "a model and where to write it")
	fails(t, kernelsCommand(t, "convert", "main.go", out), 1, "main.go")
	fails(t, kernelsCommand(t, "fetch"), 2, "ViT-H-14")
	offline := kernelsCommand(t, "fetch", "RN50")
	offline.Env = append(os.Environ(), "CLIPKIT_OFFLINE=1", "CLIPKIT_WEIGHTS=", "HOME="+t.TempDir())
	fails(t, offline, 1, "clip_cn_rn50.pt")
}
