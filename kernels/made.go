package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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

// maxOpened bounds what is read of the list of runs that a notebook opens.
const maxOpened = 64 << 10

// openedRuns are the folders of the runs that a notebook has opened, as its cells have told them in a file (clipkit/experiment, opened.go), and run before
// them, each once. A notebook may compute a run's name, or make several.
func openedRuns(list, run string) []string {
	runs := []string{filepath.Clean(run)}
	f, err := os.Open(list)
	if err != nil {
		return runs
	}
	defer f.Close()
	told, _ := io.ReadAll(io.LimitReader(f, maxOpened)) // what can be read
	for dir := range strings.Lines(string(told)) {
		if dir = strings.TrimSuffix(dir, "\n"); filepath.IsAbs(dir) && !slices.Contains(runs, filepath.Clean(dir)) {
			runs = append(runs, filepath.Clean(dir))
		}
	}
	return runs
}

// tellMade ends a notebook with what it has made in the folders of its runs since it began, and the figures that matter: recall before and after. There is
// nothing to tell of a notebook that makes no run.
func tellMade(runs []string, since time.Time, out io.Writer) {
	for _, run := range runs {
		for _, path := range newest(run, since, "checkpoints/step-*", "*.pt") {
			fmt.Fprintf(out, "made  %s\n", path)
		}
		var rows []string
		for _, name := range []string{"before", "after"} {
			for _, path := range newest(run, since, "eval/"+name+".json") {
				if e, err := readEvaluation(path); err == nil && e.TextToImage != nil && e.ImageToText != nil {
					t, i := e.TextToImage, e.ImageToText
					rows = append(rows, fmt.Sprintf("      %-8s %19.1f %5.1f %5.1f %18.1f %5.1f %5.1f", name, t.R1, t.R5, t.R10, i.R1, i.R5, i.R10))
				}
			}
		}
		if len(rows) > 0 {
			fmt.Fprintf(out, "      recall, %%     text→image R@1   R@5  R@10     image→text R@1   R@5  R@10\n%s\n", strings.Join(rows, "\n"))
		}
	}
}

// newest are, of each pattern, the last in order of what is in dir, where it was made or changed since.
func newest(dir string, since time.Time, patterns ...string) (paths []string) {
	for _, pattern := range patterns {
		matched, _ := fs.Glob(os.DirFS(dir), pattern) // sorted; the patterns are well-formed
		if len(matched) == 0 {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(matched[len(matched)-1]))
		if info, err := os.Stat(path); err == nil && !info.ModTime().Before(since.Truncate(time.Second)) { // some file systems keep whole seconds
			paths = append(paths, path)
		}
	}
	return paths
}

func readEvaluation(path string) (e evaluation, err error) {
	f, err := os.Open(path)
	if err != nil {
		return e, err
	}
	defer f.Close()
	return e, json.NewDecoder(io.LimitReader(f, maxReport)).Decode(&e)
}
