package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/recipe"
	"clipnb/clipkit/weights/pytorch"
)

func TestRecipes(t *testing.T) {
	t.Parallel()
	out, err := command(t, "recipes").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recipe.All() {
		if !strings.Contains(string(out), r.Name+"\n  "+strings.ReplaceAll(r.Promise(), "\n", "\n  ")+"\n") {
			t.Errorf("no %s", r.Name)
		}
	}
	r, err := recipe.Find("flickr30k/vit-b-16/full")
	if err != nil {
		t.Fatal(err)
	}
	if out, err = command(t, "recipes", r.Name).Output(); err != nil || string(out) != r.String() {
		t.Errorf("%s, %v", out, err)
	}
	fails(t, command(t, "recipes", "flickr30k/vit-b-16/full-1p"), 2, "the nearest: flickr30k/vit-b-16/full (")
}

// What a run has trained is exported to the reference's file, with the optimizer's state.
func TestExport(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	train := command(t, "train", "emoji/finetune", "--name", "mine", "--max-steps", "1", "--batch-size", "4", "--valid-epoch-interval", "0", "--valid-step-interval", "-1")
	train.Env = append(train.Env, "CLIPKIT_ROOT="+root)
	if text, err := train.CombinedOutput(); err != nil || !strings.Contains(string(text), "has reached max_steps") {
		t.Fatalf("%v: %s", err, text)
	}
	path := filepath.Join(root, "experiments", "mine", "checkpoints", "epoch_latest.pt")
	for range 2 {
		export := command(t, "export", "mine")
		export.Env = append(export.Env, "CLIPKIT_ROOT="+root)
		if text, err := export.Output(); err != nil || string(text) != path+"\n" {
			t.Fatalf("%v: %s", err, text)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if tensors, ck, err := pytorch.Parse(path, data); err != nil || ck == nil || ck.Step != 1 || len(tensors) == 0 {
		t.Errorf("%d tensors, %+v, %v", len(tensors), ck, err)
	}
	none := command(t, "export", "no-such-run")
	none.Env = append(none.Env, "CLIPKIT_ROOT="+root)
	fails(t, none, 1, "no-such-run")
	folder := command(t, "export", "mine", root)
	folder.Env = append(folder.Env, "CLIPKIT_ROOT="+root)
	fails(t, folder, 2, "want the path of a .pt file")
}
