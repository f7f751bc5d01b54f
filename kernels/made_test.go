package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// exec ends with the newest checkpoint and recall before and after, as far as this run made them, in 80 columns.
func TestTellMade(t *testing.T) {
	t.Parallel()
	run := filepath.Join(t.TempDir(), "quickstart")
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
	if tellMade(run, since, &out); out.Len() > 0 {
		t.Errorf("nothing was made: %s", &out)
	}
	const report = `{"name": "x", "text_to_image": {"r1": 27.639, "r5": 58.28, "r10": 70, "mean_recall": 51.9}, "image_to_text": {"r1": 5.6, "r5": 39.6, "r10": 100}}`
	write("checkpoints/step-00000188/manifest.json", "", since)
	write("checkpoints/step-00000235/manifest.json", "", since)
	write("eval/before.json", report, since.Add(-time.Hour)) // an earlier run's
	write("eval/after.json", report, since.Add(time.Minute))
	tellMade(run, since, &out)
	want := "made  " + filepath.Join(run, "checkpoints", "step-00000235") + `
      recall, %     text→image R@1   R@5  R@10     image→text R@1   R@5  R@10
      after                   27.6  58.3  70.0                5.6  39.6 100.0
`
	if out.String() != want {
		t.Errorf("said\n%swant\n%s", &out, want)
	}
	out.Reset()
	write("eval/before.json", report, since.Add(time.Minute))
	write("eval/after.json", "{", since.Add(time.Minute)) // broken
	if tellMade(run, since, &out); !bytes.Contains(out.Bytes(), []byte("      before ")) || bytes.Contains(out.Bytes(), []byte("      after ")) {
		t.Errorf("said\n%s", &out)
	}
}
