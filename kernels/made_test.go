package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// exec ends with the newest checkpoint and recall before and after, as far as this run made them, in 80 columns.
func TestTellMade(t *testing.T) {
	t.Parallel()
	run := filepath.Join(t.TempDir(), "a [folder]", "quickstart")
	write := func(name, text string, at time.Time) {
		t.Helper()
		path := filepath.Join(run, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	since := time.Now().Add(-time.Hour)
	var out bytes.Buffer
	if tellMade([]string{run}, since, &out); out.Len() > 0 {
		t.Errorf("nothing was made: %s", &out)
	}
	const report = `{"name": "x", "text_to_image": {"r1": 27.639, "r5": 58.28, "r10": 70, "mean_recall": 51.9}, "image_to_text": {"r1": 5.6, "r5": 39.6, "r10": 100}}`
	write("checkpoints/step-00000188/manifest.json", "", since)
	write("checkpoints/step-00000235/manifest.json", "", since)
	write("eval/before.json", report, since.Add(-time.Hour)) // an earlier run's
	write("eval/after.json", report, since.Add(time.Minute))
	write("quickstart.pt", "", since.Add(time.Minute))
	tellMade([]string{run}, since, &out)
	want := "made  " + filepath.Join(run, "checkpoints", "step-00000235") + "\nmade  " + filepath.Join(run, "quickstart.pt") + `
      recall, %     text→image R@1   R@5  R@10     image→text R@1   R@5  R@10
      after                   27.6  58.3  70.0                5.6  39.6 100.0
`
	if out.String() != want {
		t.Errorf("said\n%swant\n%s", &out, want)
	}
	out.Reset()
	write("eval/before.json", report, since.Add(time.Minute))
	write("eval/after.json", "{", since.Add(time.Minute)) // broken
	if tellMade([]string{run}, since, &out); !bytes.Contains(out.Bytes(), []byte("      before ")) || bytes.Contains(out.Bytes(), []byte("      after ")) {
		t.Errorf("said\n%s", &out)
	}
}

// A notebook may compute its run's name, or make several: what is told are the runs that its cells opened, each once, and nothing that is no folder.
func TestOpenedRuns(t *testing.T) {
	t.Parallel()
	list := filepath.Join(t.TempDir(), "opened")
	if got := openedRuns(list, "/e/finetune"); !slices.Equal(got, []string{"/e/finetune"}) {
		t.Errorf("without a list: %q", got)
	}
	if err := os.WriteFile(list, []byte("/e/emoji-finetune\n/e/finetune\n/e/emoji-finetune\n\nnot/absolute\n/e/猫 b/\n/e/cut off"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := openedRuns(list, "/e/finetune"), []string{"/e/finetune", "/e/emoji-finetune", "/e/猫 b", "/e/cut off"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := os.WriteFile(list, bytes.Repeat([]byte("/e/run\n"), 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := openedRuns(list, "/e/finetune"); len(got) > 3 { // the last one may be cut off
		t.Errorf("of a list of 7 MiB: %q", got)
	}
}
