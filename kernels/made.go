package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxReport bounds what is read of an evaluation's report.
const maxReport = 1 << 20

// recalls are shares of queries, in percent, with a right answer among the first 1, 5 and 10.
type recalls struct{ R1, R5, R10 float64 }

// evaluation is what exec shows of a report in a run's eval folder.
type evaluation struct {
	Name        string
	TextToImage *recalls `json:"text_to_image"`
	ImageToText *recalls `json:"image_to_text"`
}

// tellMade ends a run with what it has made in its folder since it began, and the figures that matter: recall before and after. There is nothing to tell of a
// notebook that makes no run.
func tellMade(run string, since time.Time, out io.Writer) {
	fresh := func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && !info.ModTime().Before(since.Truncate(time.Second)) // some file systems keep whole seconds
	}
	checkpoints, _ := filepath.Glob(filepath.Join(run, "checkpoints", "step-*")) // sorted; a bracket in the path finds none
	if n := len(checkpoints); n > 0 && fresh(checkpoints[n-1]) {
		fmt.Fprintf(out, "made  %s\n", checkpoints[n-1])
	}
	var rows []string
	for _, name := range []string{"before", "after"} {
		path := filepath.Join(run, "eval", name+".json")
		if !fresh(path) {
			continue
		}
		if e, err := readEvaluation(path); err == nil && e.TextToImage != nil && e.ImageToText != nil {
			t, i := e.TextToImage, e.ImageToText
			rows = append(rows, fmt.Sprintf("      %-8s %19.1f %5.1f %5.1f %18.1f %5.1f %5.1f", name, t.R1, t.R5, t.R10, i.R1, i.R5, i.R10))
		}
	}
	if len(rows) > 0 {
		fmt.Fprintf(out, "      recall, %%     text→image R@1   R@5  R@10     image→text R@1   R@5  R@10\n%s\n", strings.Join(rows, "\n"))
	}
}

func readEvaluation(path string) (e evaluation, err error) {
	f, err := os.Open(path)
	if err != nil {
		return e, err
	}
	defer f.Close()
	return e, json.NewDecoder(io.LimitReader(f, maxReport)).Decode(&e)
}
