package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A line of the reference's README, and the same in the other spelling.
func TestLMDB(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "datasets", "MUGE")
	if err := os.CopyFS(data, os.DirFS("../../dataset/testdata/raw")); err != nil {
		t.Fatal(err)
	}
	line := pasted(`
    --data_dir ${DATAPATH}/datasets/${dataset_name} \
    --splits train,valid,test`, map[string]string{"DATAPATH": dir, "dataset_name": "MUGE"})
	cmd := command(t, append([]string{"lmdb"}, line...)...)
	var progress strings.Builder
	cmd.Stderr = &progress
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	for _, split := range []string{"train", "valid", "test"} {
		if _, err := os.Stat(filepath.Join(data, "lmdb", split, "imgs", "data.mdb")); err != nil {
			t.Error(err)
		}
		if !strings.Contains(string(out), split+": ") || !strings.Contains(progress.String(), split+": pairs and pictures 100%") {
			t.Errorf("%s is not told of\n%s%s", split, out, progress.String())
		}
	}
	if text, err := command(t, "lmdb", "--data-dir", data, "--splits=valid", "--lmdb-dir", filepath.Join(dir, "elsewhere")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if list, err := filepath.Glob(filepath.Join(dir, "elsewhere", "*", "pairs", "data.mdb")); err != nil || len(list) != 1 {
		t.Errorf("%q, %v", list, err)
	}
	fails(t, command(t, "lmdb"), 2, "which folder?")
	fails(t, command(t, "lmdb", data, "--data_dir", data), 2, "which folder?")
	fails(t, command(t, "lmdb", data, "--splits", "train,nothing"), 1, "nothing_imgs.tsv")
	fails(t, command(t, "lmdb", "no-such-folder"), 1, "no-such-folder")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	text, err := command(t, "check", "emoji").CombinedOutput()
	if err != nil || !strings.Contains(string(text), "train") {
		t.Errorf("%v: %s", err, text)
	}
	fails(t, command(t, "check"), 2, "one data set")
	fails(t, command(t, "check", "no-such-set"), 1, "no-such-set")
}
