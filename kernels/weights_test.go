package main

import (
	"os"
	"path/filepath"
	"testing"

	"clipnb/clipkit/weights"
)

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
