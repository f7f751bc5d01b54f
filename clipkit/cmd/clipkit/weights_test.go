package main

import (
	"path/filepath"
	"testing"

	"clipnb/clipkit/weights"
)

func TestConvertAndFetch(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "emoji.pt")
	if text, err := command(t, "convert", "--half", "../../../assets/small/emoji.safetensors", out).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	f, cfg, err := weights.OpenModel(out)
	if err != nil || cfg.Name != "emoji" {
		t.Fatal(cfg.Name, err)
	}
	f.Close()
	state := filepath.Join(t.TempDir(), "state.pt")
	if text, err := command(t, "convert", "../../weights/pytorch/testdata/pt/openai_script.pt", state).CombinedOutput(); err != nil || string(text) != state+"\n" {
		t.Errorf("%v: %s", err, text)
	}
	fails(t, command(t, "convert", "--half", out), 2, "a model and where to write it")
	fails(t, command(t, "convert", "main.go", out), 1, "main.go")
	fails(t, command(t, "fetch"), 2, "ViT-H-14")
	fails(t, command(t, "fetch", "LAION"), 2, "MUGE, Flickr30k-CN, COCO-CN")
	offline := command(t, "fetch", "RN50")
	offline.Env = append(offline.Env, "CLIPKIT_OFFLINE=1", "CLIPKIT_WEIGHTS=", "HOME="+t.TempDir())
	fails(t, offline, 1, "clip_cn_rn50.pt")
	root := t.TempDir()
	set := command(t, "fetch", "flickr30k-cn")
	set.Env = append(set.Env, "CLIPKIT_OFFLINE=1", "CLIPKIT_ROOT="+root)
	fails(t, set, 1, filepath.Join(root, "datasets", "Flickr30k-CN.zip"))
}
