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

// A model is exported as files for other runtimes, timed, and as weights.
func TestExportAsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, page := filepath.Join(dir, "deploy"), filepath.Join(dir, "page.html")
	text, err := command(t, "export", "--precision", "fp16", "--side", "txt", "emoji", out).Output()
	if err != nil || !strings.Contains(string(text), "| fp16 | 17 | texts | ") {
		t.Fatalf("%v: %s", err, text)
	}
	if names, _ := filepath.Glob(filepath.Join(out, "*")); len(names) != 4 {
		t.Errorf("the export has %q", names)
	}
	text, err = command(t, "bench", "--side", "txt", "--n", "2", "--warmup", "1", "--batch-size", "1,3", "--html", page, "emoji", out).Output()
	if _, none := os.Stat(page); err != nil || none != nil || strings.Count(string(text), "\n") != 6 || !strings.Contains(string(text), "| emoji | fp16 | cpu (onnx) | text | 3 |") {
		t.Errorf("%v, %v: %s", err, none, text)
	}
	weights := filepath.Join(dir, "x.safetensors")
	if text, err := command(t, "export", "emoji", weights).Output(); err != nil || string(text) != weights+"\n" {
		t.Errorf("%v: %s", err, text)
	}
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"export", "emoji", dir}, 2, "a folder that is new, empty or an earlier export"},
		{[]string{"export", "emoji", "x.onnx"}, 2, "or of a folder"},
		{[]string{"export", "--opset", "15", "emoji", "x.pt"}, 2, "the flags are for ONNX files"},
		{[]string{"export", "--precision", "int3", "emoji", filepath.Join(dir, "new")}, 2, `precision "int3"`},
		{[]string{"export", "--opset", "99", "emoji", filepath.Join(dir, "new")}, 1, "opset 99, want 13 to 22"},
		{[]string{"export", "no-such-run", filepath.Join(dir, "new")}, 1, "no-such-run"},
		{[]string{"bench", "--batch-size", "many", "emoji"}, 2, `batches "many"`},
		{[]string{"bench", "--side", "img", "--n", "1", out}, 1, `with side "img"`},
	} {
		fails(t, command(t, c.args...), c.status, c.says)
	}
}
